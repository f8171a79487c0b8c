#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

namespace hull {

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);  // never retried on EINTR: Linux has closed it already
  fd_ = -1;
}

Result<Fd> Fd::duplicate() const {
  Fd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno("fcntl", "F_DUPFD_CLOEXEC");
  return copy;
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe2", "");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<SocketPair> make_socket_pair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("socketpair", "");
  return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return fail_errno("open", path);
  return fd;
}

Result<Fd> open_at(const Fd& dir, const std::string& name, int flags, mode_t mode) {
  Fd fd(::openat(dir.get(), name.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return fail_errno("openat", name);
  return fd;
}

Result<std::string> read_all(const Fd& fd, size_t limit, std::string_view name) {
  std::string data;
  char buffer[16384];
  for (;;) {
    ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", name);
    if (got == 0) return data;
    if (data.size() + static_cast<size_t>(got) > limit)
      return fail(ErrorKind::Invalid, "read " + std::string(name) + ": larger than " + std::to_string(limit) + " bytes");
    data.append(buffer, static_cast<size_t>(got));
  }
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  return read_all(fd, limit, path);
}

Result<> write_all(const Fd& fd, std::string_view data, std::string_view name) {
  while (!data.empty()) {
    ssize_t put = ::write(fd.get(), data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write", name);
    data.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<> write_kernel_file(const std::string& path, std::string_view data) {
  Fd fd = TRY(open_file(path, O_WRONLY));
  ssize_t put = ::write(fd.get(), data.data(), data.size());
  if (put < 0) return fail_errno("write", path);
  return {};
}

static Result<> sync_directory(const std::string& directory) {
  Fd dir = TRY(open_file(directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(dir.get()) != 0) return fail_errno("fsync", directory);
  return {};
}

Result<> replace_file(const std::string& path, std::string_view data, Durability durability, mode_t mode) {
  std::string temporary = path + ".new." + std::to_string(::getpid());
  Fd fd = TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
  Result<> written = write_all(fd, data, temporary);
  if (written && durability == Durability::Synced && ::fsync(fd.get()) != 0) written = fail_errno("fsync", temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno("rename", path);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (durability == Durability::Volatile) return {};
  size_t slash = path.rfind('/');
  return sync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

Result<> make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) {
    if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod", path);
    return {};
  }
  if (errno == EEXIST) return {};
  if (errno != ENOENT) return fail_errno("mkdir", path);
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos || slash == 0) return fail_errno("mkdir", path);
  TRY(make_directories(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("mkdir", path);
  ::chmod(path.c_str(), mode);
  return {};
}

// Empties the directory behind `dir`; entries on another device are left alone and reported.
static Result<> remove_children(Fd dir, dev_t device, const std::string& name) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(dir.get()), ::closedir);
  if (!stream) return fail_errno("fdopendir", name);
  int raw = dir.release();
  while (dirent* entry = ::readdir(stream.get())) {
    std::string child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (::unlinkat(raw, child.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM && errno != EBUSY) return fail_errno("unlink", name + "/" + child);
    Fd sub(::openat(raw, child.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!sub) return fail_errno("open", name + "/" + child);
    struct stat status;
    if (::fstat(sub.get(), &status) != 0) return fail_errno("fstat", name + "/" + child);
    if (status.st_dev != device)
      return fail(ErrorKind::Conflict, "remove " + name + "/" + child + ": a file system is mounted there; unmount it first");
    TRY(remove_children(std::move(sub), device, name + "/" + child));
    if (::unlinkat(raw, child.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      return fail_errno("rmdir", name + "/" + child);
  }
  return {};
}

Result<> remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM && errno != EBUSY) return fail_errno("unlink", path);
  Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir) return fail_errno("open", path);
  struct stat status;
  if (::fstat(dir.get(), &status) != 0) return fail_errno("fstat", path);
  TRY(remove_children(std::move(dir), status.st_dev, path));
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return fail_errno("rmdir", path);
  return {};
}

bool path_exists(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr)
    if (std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace hull
