// RootFd: the one way to touch a path that someone else controls (a rootfs, a layer, an archive's contents). Every
// path is resolved inside a directory handle as if that directory were "/": absolute paths and links stay inside,
// ".." stops at the top, magic links are refused. It never resolves a path by string; the result is a descriptor.
// The last component of a creating or removing call is one plain name and is never followed.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/fd.h"

namespace hull::kernel {

class RootFd {
 public:
  // A directory of the host that only we and root can move; opened O_PATH|O_DIRECTORY|O_NOFOLLOW.
  static Result<RootFd> open_root(const std::string& host_path);
  explicit RootFd(Fd directory) : directory_(std::move(directory)) {}

  const Fd& fd() const { return directory_; }

  // O_PATH handle of what `path` names, links followed inside the root. For mounts: move_mount onto this.
  Result<Fd> resolve(std::string_view path) const;
  // As resolve, but the last component is not followed: a link is returned as itself.
  Result<Fd> resolve_no_follow(std::string_view path) const;
  // Opens what exists. O_CREAT is refused here; O_CLOEXEC is added.
  Result<Fd> open(std::string_view path, int flags) const;
  // A new regular file, O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW; Exists if anything has the name, even a dangling link.
  Result<Fd> create(std::string_view path, mode_t mode) const;
  // mkdir -p inside the root; existing links on the way are followed inside it. O_PATH handle of the directory.
  Result<Fd> mkdir_p(std::string_view path, mode_t mode) const;
  Result<> symlink(std::string_view target, std::string_view path) const;
  // Hard link; `existing` is not followed when it is a link itself.
  Result<> link(std::string_view existing, std::string_view path) const;
  Result<> unlink(std::string_view path) const;  // rmdir for a directory, which must be empty
  Result<> mknod(std::string_view path, mode_t mode_and_type, dev_t device) const;
  Result<std::string> readlink(std::string_view path) const;
  Result<struct stat> stat(std::string_view path) const;  // of the last component itself, as lstat
  Result<> set_xattr(std::string_view path, const std::string& name, std::string_view value) const;
  bool exists(std::string_view path) const;

  // At most `limit` bytes of a regular file: no device, pipe or terminal is waited for (SECURITY P8).
  Result<std::string> read_untrusted_file(std::string_view path, size_t limit) const;

  // The parent directory (O_PATH) and the plain last name of `path`; Unsafe if that is empty, "." or "..".
  struct Place { Fd parent; std::string name; };
  Result<Place> locate(std::string_view path) const;

  // Makes every RootFd use the component walk that stands in for openat2 where it is refused.
  static void force_component_walk(bool on);

 private:
  Result<Fd> resolve_flags(std::string_view path, int flags) const;
  Fd directory_;
};

}  // namespace hull::kernel
