#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
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
  static char buffer[16384];  // not on the stack, where each call's depth would touch a page of its own; hull has no threads
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
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno("open", path);
  Result<> written = write_all(fd, data, path);
  if (written && durability == Durability::Synced && ::fsync(fd.get()) != 0) written = fail_errno("fsync", path);
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

namespace {

// Removes what is below one directory with few descriptors, however deep somebody nested it: what lies deeper than
// kDeepest is moved up to the top, where its turn comes again.
class TreeRemoval {
 public:
  TreeRemoval(const Fd& top, dev_t device) : top_(top), device_(device) {}
  Result<> empty(const Fd& dir, const std::string& name, int depth);
  unsigned lifted() const { return lifted_; }  // up to now

 private:
  static constexpr int kDeepest = 100;
  Result<> remove(const Fd& dir, const dirent64& entry, const std::string& name, int depth);
  Result<> remove_directory(const Fd& dir, const char* child, const std::string& name, int depth);
  Result<> lift(const Fd& dir, const char* child, const std::string& name);

  const Fd& top_;
  const dev_t device_;  // entries on another one are left alone and reported
  unsigned lifted_ = 0;
};

Result<> TreeRemoval::empty(const Fd& dir, const std::string& name, int depth) {
  alignas(dirent64) char buffer[2048];
  for (;;) {
    ssize_t got = ::getdents64(dir.get(), buffer, sizeof buffer);
    if (got < 0) return fail_errno("getdents64", name);
    if (got == 0) return {};
    for (ssize_t at = 0; at < got;) {
      const auto& entry = *reinterpret_cast<const dirent64*>(buffer + at);
      TRY(remove(dir, entry, name, depth));
      at += entry.d_reclen;
    }
  }
}

Result<> TreeRemoval::remove(const Fd& dir, const dirent64& entry, const std::string& name, int depth) {
  const char* child = entry.d_name;
  if (std::strcmp(child, ".") == 0 || std::strcmp(child, "..") == 0) return {};
  if (entry.d_type != DT_DIR) {
    if (::unlinkat(dir.get(), child, 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM && errno != EBUSY) return fail_errno("unlink", name + "/" + child);
  }
  return depth < kDeepest ? remove_directory(dir, child, name, depth) : lift(dir, child, name);
}

Result<> TreeRemoval::remove_directory(const Fd& dir, const char* child, const std::string& name, int depth) {
  Fd sub(::openat(dir.get(), child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!sub) return fail_errno("open", name + "/" + child);
  struct stat status;
  if (::fstat(sub.get(), &status) != 0) return fail_errno("fstat", name + "/" + child);
  if (status.st_dev != device_)
    return fail(ErrorKind::Conflict, "remove " + name + "/" + child + ": a file system is mounted there; unmount it first");
  TRY(empty(sub, name + "/" + child, depth + 1));
  if (::unlinkat(dir.get(), child, AT_REMOVEDIR) != 0 && errno != ENOENT) return fail_errno("rmdir", name + "/" + child);
  return {};
}

Result<> TreeRemoval::lift(const Fd& dir, const char* child, const std::string& name) {
  for (;;) {
    std::string up = ".hull-lifted-" + std::to_string(lifted_++);
    if (::renameat2(dir.get(), child, top_.get(), up.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno != EEXIST) return fail_errno("rename", name + "/" + child);
  }
}

}  // namespace

Result<> remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM && errno != EBUSY) return fail_errno("unlink", path);
  Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir) return fail_errno("open", path);
  struct stat status;
  if (::fstat(dir.get(), &status) != 0) return fail_errno("fstat", path);
  TreeRemoval removal(dir, status.st_dev);
  for (unsigned before = 0;; before = removal.lifted()) {
    TRY(removal.empty(dir, path, 0));
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
    bool moved_up = removal.lifted() != before;  // else somebody is filling it meanwhile
    if (errno != ENOTEMPTY || !moved_up || ::lseek(dir.get(), 0, SEEK_SET) != 0) return fail_errno("rmdir", path);
  }
}

Result<> send_message(const Fd& socket, std::string_view text, const std::vector<int>& fds, const std::string& what) {
  iovec data{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char space[CMSG_SPACE(kMostSent * sizeof(int))] = {};
  if (fds.size() > kMostSent) return fail(ErrorKind::Invalid, what + ": too many descriptors for one message");
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  return ::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0 ? fail_errno("sendmsg", what) : Result<>();
}

bool is_still_at(const Fd& open, const std::string& path) {
  struct stat held, there;
  return ::fstat(open.get(), &held) == 0 && ::lstat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
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
