#include "engine/layout.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace hull::engine {
namespace {

Result<> check_directory(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return fail_errno("stat", path);
  if (!S_ISDIR(status.st_mode)) return fail(ErrorKind::Denied, format("{} is no directory; remove it or choose another", path));
  if (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
    return fail(ErrorKind::Denied, format("{} belongs to uid {} with mode {:o}; it must be ours and writable by nobody else",
                                          path, status.st_uid, status.st_mode & 07777));
  return {};
}

// One mkdir on the usual path: the innermost directory exists when all do.
Result<> prepare(const std::string& base, mode_t mode, std::initializer_list<const char*> folders) {
  if (!path_exists(base)) TRY(make_directories(base, mode));
  TRY(check_directory(base));
  for (const char* folder : folders) {
    std::string path = base + "/" + folder;
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", path);
  }
  return {};
}

}  // namespace

std::string cgroup_path(const Record& record) {
  std::string parent = record.config.cgroup_parent.empty() ? "/hull" : record.config.cgroup_parent;
  if (parent.front() != '/') parent.insert(0, "/");
  return parent + "/" + record.id;
}

std::string log_name(std::string_view id) { return std::string(id) + "-json.log"; }

Result<> prepare_layout(const Layout& layout) {
  TRY(prepare(layout.root, 0700, {"containers", "names"}));
  return prepare(layout.run, 0711, {"containers", "names", "rootfs"});
}

}  // namespace hull::engine
