// Fd owns one file descriptor: closed once, never retried, close-on-exec at birth. Helpers that open, read and
// write whole small files relative to a directory. Never used for paths that a container controls: those go
// through kernel/rootfd.h.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hull {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) { reset(); fd_ = std::exchange(other.fd_, -1); }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();
  Result<Fd> duplicate() const;  // F_DUPFD_CLOEXEC, always >= 3

 private:
  int fd_ = -1;
};

struct Pipe { Fd read, write; };
Result<Pipe> make_pipe();                                     // O_CLOEXEC
struct SocketPair { Fd first, second; };
Result<SocketPair> make_socket_pair(int type);                // AF_UNIX, SOCK_CLOEXEC

constexpr size_t kMostSent = 32;  // descriptors
// One message with at most kMostSent descriptors (SCM_RIGHTS); unix(7). `what` names the socket in errors.
Result<> send_message(const Fd& socket, std::string_view text, const std::vector<int>& fds, const std::string& what);

// open(2)/openat(2) with O_CLOEXEC added.
Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0);
Result<Fd> open_at(const Fd& dir, const std::string& name, int flags, mode_t mode = 0);

// The whole file, at most `limit` bytes (more is an Error of kind Invalid).
Result<std::string> read_file(const std::string& path, size_t limit = 16 << 20);
Result<std::string> read_all(const Fd& fd, size_t limit = 16 << 20, std::string_view name = "file");
Result<> write_all(const Fd& fd, std::string_view data, std::string_view name = "file");
// Opens an existing (kernel) file and writes the data with one write(2): for procfs, sysfs and cgroupfs.
Result<> write_kernel_file(const std::string& path, std::string_view data);
// Writes data to a temporary file beside `path` and renames it over; with `sync`, fsyncs file and directory.
enum class Durability { Volatile, Synced };
Result<> replace_file(const std::string& path, std::string_view data, Durability durability, mode_t mode = 0600);
// mkdir -p; new directories get `mode` whatever the umask.
Result<> make_directories(const std::string& path, mode_t mode = 0700);
// rm -r of a tree that hull itself made; never crosses a mount point or follows a link. Missing is success.
Result<> remove_tree(const std::string& path);
// Whether it is still this that the path names, itself and not where a link leads.
bool is_still_at(const Fd& open, const std::string& path);
bool path_exists(const std::string& path);
// The names in a directory, sorted, without "." and ".."; none when it cannot be read.
std::vector<std::string> list_directory(const std::string& path);

}  // namespace hull
