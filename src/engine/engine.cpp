// Opening the engine, and keeping house: what dead commands left is finished or undone, object by object.
#include "engine/engine.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "base/text.h"
#include "engine/names.h"
#include "engine/sharing.h"
#include "engine/state.h"
#include "image/store.h"

namespace hull::engine {
namespace {

std::string from_environment(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr ? value : "";
}

// COMPAT §4: an ordinary user's state is under XDG directories.
std::string default_root() {
  if (::geteuid() == 0) return "/var/lib/hull";
  std::string data = from_environment("XDG_DATA_HOME");
  return (data.empty() ? from_environment("HOME") + "/.local/share" : data) + "/hull";
}

std::string default_run() {
  if (::geteuid() == 0) return "/run/hull";
  std::string runtime = from_environment("XDG_RUNTIME_DIR");
  return runtime.empty() ? format("/tmp/hull-{}", ::geteuid()) : runtime + "/hull";
}

Result<std::string> directory_from(const char* variable, std::string fallback) {
  std::string given = from_environment(variable);
  if (given.empty()) return fallback;
  if (given.front() != '/') return fail(ErrorKind::Invalid, format("{} must be an absolute path, not \"{}\"", variable, escape_controls(given)));
  while (given.size() > 1 && given.back() == '/') given.pop_back();
  return given;
}

// Directories that a kill left without a record: a create that had not got as far, a removal that had.
void sweep(const Layout& layout, const std::string& directory, bool ephemeral) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
    std::string id = entry->d_name;
    std::string path = directory + "/" + id;
    if (id.size() != 64 || !is_id_prefix(id) || path_exists(path + "/config.json")) continue;
    if (ephemeral && path_exists(layout.record_directory(id, false))) continue;  // a durable container's runtime part
    auto lock = RecordLock::try_take(path);
    if (!lock || !*lock || path_exists(path + "/config.json")) continue;
    if (kernel::Cgroups* cgroups = host_cgroups(); cgroups && !cgroups->remove("/hull/" + id, 100)) continue;  // next time
    if (auto store = image::ImageStore::open(layout.root)) (void)store->remove_snapshot(id);
    if (!ephemeral) (void)remove_tree(layout.runtime_directory(id));
    (void)remove_tree(path);  // once: it ends our lock, and whoever makes it anew has his own
  }
}

// Its start was killed after the release.
bool lacks_pins(const Layout& layout, const Place& place, const Standing& standing) {
  return standing.state.running() && !place.ephemeral && !pin_store(layout).exists(kept_name(place.id));
}

// Its making was killed before it had a file system: it could never start.
bool is_half_made(const Layout& layout, const Place& place, const Standing& standing) {
  if (standing.state.status != Status::Created) return false;
  auto record = Records(layout).load(place);
  if (!record || record->image_id.empty()) return false;
  auto store = image::ImageStore::open(layout.root);
  return store && !store->find_snapshot(record->id);
}

Result<> settle_if_free(const Layout& layout, const Place& place) {
  Records records(layout);
  Standing standing = stand(layout, place);
  bool half_made = is_half_made(layout, place, standing);
  if (standing.settled && !half_made && !lacks_pins(layout, place, standing)) return {};
  auto lock = TRY(RecordLock::try_take(records.directory(place)));
  if (!lock) return {};  // somebody is at it
  Record record = TRY(records.load(place));
  if (half_made && is_half_made(layout, place, stand(layout, place))) return discard(layout, place, record);
  if (lacks_pins(layout, place, standing)) keep_missing(layout, record, standing.state.pid);
  return settle(layout, place, record);
}

}  // namespace

Result<Engine> Engine::open() {
  std::string root = TRY(directory_from("HULL_ROOT", default_root()));
  std::string run = TRY(directory_from("HULL_RUN", default_run()));
  return open(std::move(root), std::move(run));
}

Result<Engine> Engine::open(std::string root, std::string run) {
  TRY(prepare_layout(Layout{root, run}));
  return Engine(std::move(root), std::move(run));
}

Result<> Engine::clean_up(std::string_view id) const {
  Layout layout{root_, run_};
  Records records(layout);
  auto place = records.find(id);
  if (!place) return {};  // gone already
  auto lock = RecordLock::take(records.directory(*place));
  if (!lock) return lock.error().kind() == ErrorKind::NotFound ? Result<>() : fail(std::move(lock).error());
  Record record = TRY(records.load(*place));
  return settle(layout, *place, record);
}

// Goes through everything; an object that cannot be dealt with does not stop the others. The first error is returned.
Result<> Engine::clean_up_all() const {
  Layout layout{root_, run_};
  Records records(layout);
  Result<> first;
  for (const Place& place : records.all())
    if (auto done = settle_if_free(layout, place); !done && first && done.error().kind() != ErrorKind::NotFound) first = std::move(done);
  sweep(layout, layout.containers(), false);
  sweep(layout, layout.run_containers(), true);
  sweep_kept(layout);
  records.drop_stale_names();
  return first;
}

}  // namespace hull::engine
