// docker rmi: what loses its name, what is deleted, and which use by a container forbids it. The rules and texts are
// those of dockerd's classic image store.
#include <algorithm>

#include "base/text.h"
#include "image/layout.h"
#include "image/lookup.h"
#include "image/staging.h"
#include "image/store.h"

namespace hull::image {
namespace {

std::string short_id(std::string_view id) { return std::string(id.substr(0, 12)); }

tl::unexpected<Error> conflict(const Digest& id, bool can_force, std::string_view why) {
  return fail(ErrorKind::Conflict, format("conflict: unable to delete {} ({}) - {}", id.short_hex(),
                                          can_force ? "must be forced" : "cannot be forced", why));
}

// A running container forbids deletion always, a stopped one and several names unless forced.
Result<> check_use(const Digest& id, const std::vector<ImageUser>& users, bool force) {
  for (const ImageUser& user : users)
    if (user.running) return conflict(id, false, format("image is being used by running container {}", short_id(user.container_id)));
  if (!users.empty() && !force)
    return conflict(id, true, format("image is being used by stopped container {}", short_id(users[0].container_id)));
  return {};
}

bool in_one_repository(const std::vector<std::string>& names) {
  auto repository = [](const std::string& name) { return name.substr(0, name.rfind(':')); };
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return repository(name) == repository(names[0]); });
}

// One removal, decided on the store's names alone; `untag` and `erase` are what to do.
struct Decision { std::vector<std::string> untag; bool erase = false; };

Result<Decision> decide_by_name(const Match& match, const std::vector<std::string>& names, std::string_view asked,
                                const std::vector<ImageUser>& users, bool force) {
  if (names.size() > 1) return Decision{{match.full_name}, false};
  if (!force && !users.empty())
    return fail(ErrorKind::Conflict,
                format("conflict: unable to remove repository reference \"{}\" (must force) - container {} is using its referenced image {}",
                       asked, short_id(users[0].container_id), match.id.short_hex()));
  bool running = std::any_of(users.begin(), users.end(), [](const ImageUser& user) { return user.running; });
  return Decision{{match.full_name}, !running};  // forced under a running container: it only loses its name
}

Result<Decision> decide_by_id(const Match& match, const std::vector<std::string>& names, const std::vector<ImageUser>& users,
                              bool force) {
  TRY(check_use(match.id, users, force));
  if (names.size() > 1 && !in_one_repository(names) && !force)
    return conflict(match.id, true, "image is referenced in multiple repositories");
  return Decision{names, true};
}

}  // namespace

Result<RemoveReport> ImageStore::remove(std::string_view name_or_id, bool force, const ImageUsers& find_users) const {
  StorePaths paths{root_};
  RemoveReport report;
  {
    StoreLock lock = TRY(StoreLock::take(paths, StoreLock::Mode::Exclusive));
    std::vector<NamedImage> images = TRY(read_index(paths));
    Match match = TRY(find_image(images, name_or_id));
    std::vector<std::string> names = names_of(images, match.id);
    std::vector<ImageUser> users = find_users ? find_users(match.id) : std::vector<ImageUser>{};
    Decision decision = TRY(match.full_name.empty() ? decide_by_id(match, names, users, force)
                                                    : decide_by_name(match, names, name_or_id, users, force));
    for (const std::string& name : decision.untag) {
      remove_name(images, name);
      report.lines.push_back("Untagged: " + familiar_of(name));
    }
    if (decision.erase) {
      std::erase_if(images, [&](const NamedImage& image) { return image.id == match.id; });
      report.lines.push_back("Deleted: " + match.id.text());
    }
    TRY(write_index(paths, images));
    std::vector<std::string> layers = TRY(sweep_unreferenced(paths, images));
    for (const std::string& layer : layers) report.lines.push_back("Deleted: sha256:" + layer);
  }
  TRY(empty_trash(paths));
  return report;
}

}  // namespace hull::image
