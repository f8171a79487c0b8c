#include "image/staging.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/text.h"

namespace hull::image {
namespace {

constexpr std::string_view kTrashPrefix = "trash-";

// Held while a staging directory is made and while dead ones are looked for, so that none is seen without its lock.
Result<std::optional<Fd>> lock_all(const StorePaths& paths) { return lock_file(paths.staging() + "/.lock", true, true); }

// Names of trash and of directories whose owner no longer holds their lock. Call under lock_all.
std::vector<std::string> find_abandoned(const StorePaths& paths) {
  std::vector<std::string> abandoned;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(paths.staging().c_str()), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
    std::string name = entry->d_name;
    if (name.starts_with('.')) continue;
    std::string path = paths.staging() + "/" + name;
    if (!name.starts_with(kTrashPrefix) && path_exists(path + "/lock")) {
      Result<std::optional<Fd>> owner_gone = lock_file(path + "/lock", true, false);
      if (!owner_gone || !*owner_gone) continue;
    }
    abandoned.push_back(path);
  }
  return abandoned;
}

}  // namespace

Result<Staging> Staging::make(const StorePaths& paths, std::string_view purpose) {
  TRY(make_directories(paths.staging()));
  std::optional<Fd> all = TRY(lock_all(paths));
  std::string path = format("{}/{}-{}-{}", paths.staging(), purpose, ::getpid(), random_id().substr(0, 12));
  TRY(make_directories(path));
  std::optional<Fd> lock = TRY(lock_file(path + "/lock", true, false));
  if (!lock) return fail(ErrorKind::Conflict, format("lock {}: already held", path));
  return Staging(std::move(path), std::move(*lock));
}

Staging::~Staging() {
  if (path_.empty() || !lock_) return;
  // Best effort: what stays is removed by the next command's empty_trash().
  if (Result<> removed = remove_tree(path_); !removed) lock_.reset();
}

Result<> move_to_trash(const StorePaths& paths, const std::string& path) {
  std::string target = format("{}/{}{}", paths.staging(), kTrashPrefix, random_id().substr(0, 24));
  if (::rename(path.c_str(), target.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno("rename", path);
}

Result<> empty_trash(const StorePaths& paths) {
  // No wait: if another process is making or sweeping staging, it or the next command does this.
  std::optional<Fd> all = TRY(lock_file(paths.staging() + "/.lock", true, false));
  if (!all) return {};
  std::vector<std::string> abandoned = find_abandoned(paths);
  std::vector<std::string> trash;
  for (const std::string& path : abandoned) {
    std::string target = format("{}/{}{}", paths.staging(), kTrashPrefix, random_id().substr(0, 24));
    bool renamed = ::rename(path.c_str(), target.c_str()) == 0;
    trash.push_back(renamed ? target : path);
  }
  all.reset();
  for (const std::string& path : trash) (void)remove_tree(path);
  return {};
}

}  // namespace hull::image
