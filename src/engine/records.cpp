#include "engine/records.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/duration.h"
#include "base/text.h"
#include "base/undo.h"
#include "engine/names.h"

namespace hull::engine {
namespace {

constexpr int kLockPauseMs = 2, kLockAttempts = 30000 / kLockPauseMs;

bool is_full_id(std::string_view text) { return text.size() == 64 && is_id_prefix(text); }

std::optional<std::string> read_link(const std::string& path) {
  char target[128];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size != 64 || !is_full_id({target, 64})) return std::nullopt;
  return std::string(target, 64);
}

Result<> sync_path(const std::string& path) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  if (::fsync(fd.get()) != 0) return fail_errno("fsync", path);
  return {};
}

}  // namespace

// ---- locks

Result<std::optional<RecordLock>> RecordLock::try_take(const std::string& record_directory) {
  auto directory = open_file(record_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) return fail(std::move(directory).error());
  if (::flock(directory->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return std::optional<RecordLock>();
    return fail_errno("flock", record_directory);
  }
  // The directory may have been removed while we waited for its lock.
  if (!is_still_at(*directory, record_directory)) return fail(ErrorKind::NotFound, record_directory + ": gone");
  return std::optional<RecordLock>(RecordLock(std::move(*directory)));
}

Result<RecordLock> RecordLock::take(const std::string& record_directory) {
  for (int i = 0; i < kLockAttempts; ++i) {
    auto lock = TRY(try_take(record_directory));
    if (lock) return std::move(*lock);
    sleep_ms(kLockPauseMs);
  }
  return fail(ErrorKind::Conflict, format("container {} is busy: another hull command holds it; try again",
                                          short_id(record_directory.substr(record_directory.rfind('/') + 1))));
}

// ---- making

// Until it is locked another command's sweep takes the directory for one that a kill left.
static Result<RecordLock> make_locked(const std::string& directory) {
  constexpr int kAttempts = 100;
  for (int i = 1;; ++i) {
    if (::mkdir(directory.c_str(), 0700) != 0) return fail_errno("mkdir", directory);
    Result<RecordLock> lock = RecordLock::take(directory);
    if (lock) return lock;
    (void)::rmdir(directory.c_str());
    if (lock.error().kind() != ErrorKind::NotFound || i == kAttempts) return lock;
  }
}

// Order, and what a kill leaves behind: directory (empty, unlocked: swept), name (its record has no config.json:
// swept with it), config.json (a created container: a user can see and remove it).
Result<RecordLock> Records::create(Record& record, bool starting) const {
  bool ephemeral = record.config.rm;
  std::string directory = layout_.record_directory(record.id, ephemeral);
  RecordLock lock = TRY(make_locked(directory));
  Undo undo;
  undo.add([&] { (void)remove_tree(directory); });
  if (record.name.empty()) TRY(make_up_name(record));
  else TRY(claim_name(record.name, {record.id, ephemeral}));
  undo.add([&] { release_name(record.name, {record.id, ephemeral}); });
  if (starting) TRY(write_intent(record.id));
  TRY(save(record));
  undo.commit();
  return lock;
}

Result<> Records::write_intent(std::string_view id) const {
  std::string directory = layout_.runtime_directory(id);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", directory);
  TRY(open_file(layout_.intent(id), O_WRONLY | O_CREAT, 0600));
  return {};
}

Result<> Records::save(const Record& record) const {
  std::string path = layout_.record_directory(record.id, record.config.rm) + "/config.json";
  return replace_file(path, json::to_text(to_json(record)), Durability::Volatile);
}

Result<> Records::sync(const Record& record) const {
  if (record.config.rm) return {};
  std::string directory = layout_.record_directory(record.id, false);
  TRY(sync_path(directory + "/config.json"));
  TRY(sync_path(directory));
  TRY(sync_path(layout_.containers()));
  return sync_path(layout_.names(false));
}

Result<Record> Records::load(const Place& place) const {
  std::string path = directory(place) + "/config.json";
  std::string text = TRY(read_file(path, 8 << 20));
  json::value v = TRY(json::parse(text, path));
  Record record = TRY(record_from_json(v));
  if (record.id != place.id) return fail(ErrorKind::Corrupt, format("{}: holds the record of another container", path));
  return record;
}

// ---- names

// Durable and ephemeral names live apart but are one set: each side makes its own link first and then looks for the
// other's, so of two racing claims at least one gives way.
Result<> Records::claim_name(std::string_view name, const Place& place) const {
  TRY(check_name(name));  // it becomes a path
  std::string link = layout_.names(place.ephemeral) + "/" + std::string(name);
  auto taken_by = [&](const std::string& id) {
    return fail(ErrorKind::Exists, format("Conflict. The container name \"/{}\" is already in use by container \"{}\". You have "
                                          "to remove (or rename) that container to be able to reuse that name.", name, id));
  };
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (::symlink(place.id.c_str(), link.c_str()) == 0) {
      auto other = read_link(layout_.names(!place.ephemeral) + "/" + std::string(name));
      if (!other || !path_exists(layout_.record_directory(*other, !place.ephemeral))) return {};
      ::unlink(link.c_str());
      return taken_by(*other);
    }
    if (errno != EEXIST) return fail_errno("symlink", link);
    auto holder = read_link(link);
    if (holder && path_exists(layout_.record_directory(*holder, place.ephemeral))) return taken_by(*holder);
    drop_stale_names();
  }
  return taken_by("unknown");
}

Result<> Records::make_up_name(Record& record) const {
  for (unsigned attempt = 0;; ++attempt) {
    record.name = generate_name(attempt);
    auto claimed = claim_name(record.name, {record.id, record.config.rm});
    if (claimed || claimed.error().kind() != ErrorKind::Exists || attempt > 20) return claimed;
  }
}

void Records::release_name(std::string_view name, const Place& place) const {
  std::string link = layout_.names(place.ephemeral) + "/" + std::string(name);
  if (read_link(link) == place.id) ::unlink(link.c_str());
}

// A link may only be taken from a dead record by one process at a time, or the second would take the first's new one.
void Records::drop_stale_names() const {
  for (bool ephemeral : {false, true}) {
    std::string names = layout_.names(ephemeral);
    auto directory = open_file(names, O_RDONLY | O_DIRECTORY);
    if (!directory || ::flock(directory->get(), LOCK_EX) != 0) continue;
    for (const std::string& name : list_directory(names)) {
      auto id = read_link(names + "/" + name);
      if (!id || !path_exists(layout_.record_directory(*id, ephemeral))) ::unlink((names + "/" + name).c_str());
    }
  }
}

Result<> Records::rename(Record& record, std::string_view new_name) const {
  std::string old_name = record.name;
  Place place{record.id, record.config.rm};
  TRY(claim_name(new_name, place));
  record.name = std::string(new_name);
  if (auto saved = save(record); !saved) {
    release_name(new_name, place);
    return saved;
  }
  release_name(old_name, place);
  return sync(record);
}

bool Records::has_its_name(const Record& record) const { return read_link(layout_.names(record.config.rm) + "/" + record.name) == record.id; }

// ---- finding

std::optional<Place> Records::by_name(std::string_view name) const {
  for (bool ephemeral : {false, true}) {
    auto id = read_link(layout_.names(ephemeral) + "/" + std::string(name));
    if (id && path_exists(layout_.record_directory(*id, ephemeral) + "/config.json")) return Place{*id, ephemeral};
  }
  return std::nullopt;
}

std::optional<Place> Records::by_id(std::string_view id) const {
  for (bool ephemeral : {false, true})
    if (path_exists(layout_.record_directory(id, ephemeral) + "/config.json")) return Place{std::string(id), ephemeral};
  return std::nullopt;
}

Result<Place> Records::find(std::string_view text) const {
  if (text.starts_with('/')) text.remove_prefix(1);
  auto none = [&] { return fail(ErrorKind::NotFound, format("No such container: {}", escape_controls(text))); };
  if (is_valid_name(text))
    if (auto place = by_name(text)) return *place;
  if (!is_id_prefix(text)) return none();
  if (is_full_id(text)) {
    if (auto place = by_id(text)) return *place;
    return none();
  }
  std::optional<Place> found;
  for (Place& place : all()) {
    if (!id_has_prefix(place.id, text)) continue;
    if (found && found->id != place.id) return fail(ErrorKind::Conflict, format("multiple IDs found with provided prefix: {}", text));
    found = std::move(place);
  }
  if (!found) return none();
  return *found;
}

std::vector<Place> Records::all() const {
  std::vector<Place> places;
  for (bool ephemeral : {false, true}) {
    std::string directory = (ephemeral ? layout_.run : layout_.root) + "/containers";
    for (std::string& name : list_directory(directory))
      // A durable container's runtime directory has no config.json: it is no record of its own.
      if (is_full_id(name) && path_exists(directory + "/" + name + "/config.json")) places.push_back({std::move(name), ephemeral});
  }
  return places;
}

Result<> Records::drop(const Place& place, std::string_view name) const {
  release_name(name, place);
  return remove_tree(directory(place));
}

}  // namespace hull::engine
