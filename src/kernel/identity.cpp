#include "kernel/identity.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace hull::kernel {
namespace {

// Field 22 of /proc/PID/stat, after the last ')': the name in parentheses may hold anything.
Result<std::string> start_time(pid_t pid) {
  std::string text = TRY(read_file(format("/proc/{}/stat", pid)));
  size_t close = text.rfind(')');
  if (close == std::string::npos) return fail(ErrorKind::Corrupt, format("/proc/{}/stat: no name", pid));
  auto words = split_words(std::string_view(text).substr(close + 1));
  if (words.size() < 20) return fail(ErrorKind::Corrupt, format("/proc/{}/stat: too short", pid));
  return std::string(words[19]);
}

int64_t monotonic_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

Result<Fd> open_pidfd(pid_t pid) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return fail_errno("pidfd_open", std::to_string(pid));
  return pidfd;
}

Result<ProcessIdentity> identify_process(pid_t pid, const Fd& pidfd) {
  // KERNEL: before 6.9 every pidfd has the one anonymous inode, so the file system's type decides; statfs(2).
  constexpr long kPidfsMagic = 0x50494446;
  struct statfs fs;
  struct stat status;
  if (::fstatfs(pidfd.get(), &fs) == 0 && fs.f_type == kPidfsMagic && ::fstat(pidfd.get(), &status) == 0)
    return ProcessIdentity{pid, format("pidfs:{}", status.st_ino)};
  return ProcessIdentity{pid, "start:" + TRY(start_time(pid))};
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id");
  return text ? std::string(trim(*text)) : "";
}

bool has_ended(const Fd& pidfd) { return wait_for_end(pidfd, 0); }

bool wait_for_end(const Fd& pidfd, int64_t timeout_ms) {
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
  ProcessIdentity now = TRY(identify_process(process.pid, pidfd));
  if (now.identity != process.identity || has_ended(pidfd))
    return fail(ErrorKind::NotFound, format("process {} has ended", process.pid));
  return pidfd;
}

Result<> send_signal(const Fd& pidfd, int signal_number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number, nullptr, 0) == 0 || errno == ESRCH) return {};
  return fail_errno("pidfd_send_signal", format("signal {}", signal_number));
}

}  // namespace hull::kernel
