#include "kernel/identity.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/duration.h"
#include "base/text.h"

namespace hull::kernel {
namespace {

enum class Pidfds { Unknown, Work, Refused };
Pidfds g_pidfds = Pidfds::Unknown;  // once refused, a handle may be a directory of /proc

struct Stat {
  pid_t pid = 0;
  std::string start;   // field 22
  bool ended = false;  // a zombie whose threads have all ended
};

// Its fields after the last ')': the name in parentheses may hold anything.
Result<Stat> parse_stat(const std::string& text, std::string_view path) {
  size_t close = text.rfind(')');
  if (close == std::string::npos) return fail(ErrorKind::Corrupt, format("{}: no name", path));
  auto words = split_words(std::string_view(text).substr(close + 1));
  if (words.size() < 20) return fail(ErrorKind::Corrupt, format("{}: too short", path));
  Stat stat;
  stat.pid = static_cast<pid_t>(parse_uint(split_words(text)[0], 0, INT32_MAX).value_or(0));
  stat.start = std::string(words[19]);
  stat.ended = words[0] == "X" || (words[0] == "Z" && words[17] == "1");
  return stat;
}

Result<std::string> start_time(pid_t pid) {
  std::string path = format("/proc/{}/stat", pid);
  std::string text = TRY(read_file(path));
  return TRY(parse_stat(text, path)).start;
}

bool is_directory(const Fd& handle) {
  constexpr long kProcMagic = 0x9fa0;
  struct statfs fs;
  return g_pidfds == Pidfds::Refused && ::fstatfs(handle.get(), &fs) == 0 && fs.f_type == kProcMagic;
}

// Of a directory of /proc; an error when the process is gone.
Result<Stat> stat_of(const Fd& directory) {
  Fd file = TRY(open_at(directory, "stat", O_RDONLY));
  return parse_stat(TRY(read_all(file)), "/proc/PID/stat");
}

bool directory_has_ended(const Fd& directory) {
  auto stat = stat_of(directory);
  return !stat || stat->ended;
}

// "Pid:" of a pidfd, -1 when its process has ended; fdinfo since 5.2.
pid_t pid_of(const Fd& pidfd) {
  std::string text = read_file(format("/proc/self/fdinfo/{}", pidfd.get())).value_or("");
  for (std::string_view line : split_lines(text))
    if (line.starts_with("Pid:")) return static_cast<pid_t>(parse_uint(trim(line.substr(4)), 1, INT32_MAX).value_or(0));
  return -1;
}

pid_t pid_of_living(const Fd& handle) {
  if (!is_directory(handle)) return pid_of(handle);
  auto stat = stat_of(handle);
  return stat && !stat->ended ? stat->pid : -1;
}

bool pidfds_work() {
  if (g_pidfds == Pidfds::Unknown) (void)open_pidfd(::getpid());
  return g_pidfds == Pidfds::Work;
}

}  // namespace

Result<Fd> open_pidfd(pid_t pid) {
  if (g_pidfds != Pidfds::Refused) {
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    g_pidfds = !pidfd && errno == ENOSYS ? Pidfds::Refused : Pidfds::Work;
    if (pidfd) return pidfd;
    if (g_pidfds == Pidfds::Work) return fail_errno("pidfd_open", std::to_string(pid));
  }
  Fd directory(::open(format("/proc/{}", pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail(Error::from_errno(errno == ENOENT ? ESRCH : errno, "open", format("/proc/{}", pid)));
  return directory;
}

Result<ProcessIdentity> identify_process(pid_t pid, const Fd& pidfd) {
  // KERNEL: before 6.9 every pidfd has the one anonymous inode, so the file system's type decides; statfs(2).
  constexpr long kPidfsMagic = 0x50494446;
  struct statfs fs;
  struct stat status;
  // A pidfd that clone gave names nobody where later commands cannot open one.
  if (pidfds_work() && ::fstatfs(pidfd.get(), &fs) == 0 && fs.f_type == kPidfsMagic && ::fstat(pidfd.get(), &status) == 0)
    return ProcessIdentity{pid, format("pidfs:{}", status.st_ino)};
  return ProcessIdentity{pid, "start:" + TRY(start_time(pid))};
}

const std::string& boot_id() {
  static const std::string id(trim(read_file("/proc/sys/kernel/random/boot_id").value_or("")));
  return id;
}

bool has_ended(const Fd& pidfd) { return wait_for_end(pidfd, 0); }

void reap(pid_t child) {
  while (child > 0 && ::waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {}
}

int poll_with_process(pollfd* slots, size_t count, size_t which, const timespec* timeout) {
  constexpr int64_t kLookNs = 5000000;
  pollfd& slot = slots[which];
  if (slot.fd < 0 || g_pidfds != Pidfds::Refused) return ::ppoll(slots, count, timeout, nullptr);
  Fd handle(slot.fd);
  bool directory = is_directory(handle);
  int64_t left = timeout != nullptr ? timeout->tv_sec * 1000000000 + timeout->tv_nsec : INT64_MAX;
  int ready = 0;
  if (directory) slot.fd = -1;
  do {
    bool ended = directory && directory_has_ended(handle);
    timespec look{0, ended ? 0 : static_cast<long>(std::min(left, kLookNs))};
    ready = ::ppoll(slots, count, directory ? &look : timeout, nullptr);
    if (ended && ready >= 0) slot.revents = POLLIN, ++ready;
    if (left != INT64_MAX) left -= look.tv_nsec;
  } while (directory && ready == 0 && left > 0);
  slot.fd = handle.release();
  return ready;
}

static bool wait_for_directory(const Fd& directory, int64_t timeout_ms) {
  int64_t deadline = monotonic_ms() + timeout_ms;
  for (;;) {
    if (directory_has_ended(directory)) return true;
    int64_t left = timeout_ms < 0 ? INT64_MAX : deadline - monotonic_ms();
    if (left <= 0) return false;
    sleep_ms(2);
  }
}

bool wait_for_end(const Fd& pidfd, int64_t timeout_ms) {
  if (is_directory(pidfd)) return wait_for_directory(pidfd, timeout_ms);
  int64_t deadline = monotonic_ms() + timeout_ms;
  for (;;) {
    pollfd entry{pidfd.get(), POLLIN, 0};
    int64_t left = timeout_ms < 0 ? -1 : deadline - monotonic_ms();
    int ready = ::poll(&entry, 1, left > INT32_MAX ? INT32_MAX : static_cast<int>(left < 0 && timeout_ms >= 0 ? 0 : left));
    if (ready > 0) return true;
    if (ready == 0 && (timeout_ms >= 0 && monotonic_ms() >= deadline)) return false;
    if (ready < 0 && errno != EINTR) return true;
  }
}

Result<Fd> find_process(const ProcessIdentity& process) {
  if (process.pid <= 0) return fail(ErrorKind::NotFound, "no process");
  Fd pidfd = TRY(open_pidfd(process.pid));
  if (g_pidfds == Pidfds::Refused && process.identity.starts_with("pidfs:"))
    return fail(ErrorKind::Unsupported, format("process {} was noted by a pidfd, and those are refused here; run hull as it was started", process.pid));
  bool by_start = process.identity.starts_with("start:");
  std::string identity = by_start ? "start:" + TRY(start_time(process.pid)) : TRY(identify_process(process.pid, pidfd)).identity;
  if (identity != process.identity || has_ended(pidfd))
    return fail(ErrorKind::NotFound, format("process {} has ended", process.pid));
  return pidfd;
}

bool is_gone(const ProcessIdentity& process) {
  auto found = find_process(process);
  return !found && found.error().kind() == ErrorKind::NotFound;
}

Result<> send_signal(const Fd& pidfd, int signal_number) {
  if (!pidfd) return fail(ErrorKind::Unsupported, "the process was noted by a pidfd, and those are refused here; run hull as it was started");
  // KERNEL: a directory of /proc will do as well, since the call is there (5.1); pidfd_send_signal(2).
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number, nullptr, 0) == 0 || errno == ESRCH) return {};
  if (errno != ENOSYS) return fail_errno("pidfd_send_signal", format("signal {}", signal_number));
  pid_t pid = pid_of_living(pidfd);
  if (pid <= 0 || ::kill(pid, signal_number) == 0 || errno == ESRCH) return {};
  return fail_errno("kill", format("signal {}", signal_number));
}

Result<Fd> open_process_directory(const Fd& pidfd) {
  if (is_directory(pidfd)) return pidfd.duplicate();
  Fd directory = TRY(open_file(format("/proc/{}", pid_of(pidfd)), O_RDONLY | O_DIRECTORY));
  if (has_ended(pidfd)) return fail(ErrorKind::NotFound, "the process has ended");  // and the number may be another's
  return directory;
}

}  // namespace hull::kernel
