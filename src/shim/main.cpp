// The start of hull-shim: reads its arguments, takes its place as leader of a session and subreaper, opens the log and
// the attach socket, and turns the loop until the container has ended.
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/shim.h"
#include "shim/text.h"

namespace hull::shim {
namespace {

Shim shim;

bool read_options(int argc, char** argv, Options* options) {
  int64_t number = 0;
  if (argc < 3 || !parse_number(argv[2], &number) || number <= 1) return false;
  options->id = argv[1];
  options->pid = static_cast<pid_t>(number);
  for (int i = 3; i < argc; ++i) {
    const char* value;
    if ((value = value_of(argv[i], "tty"))) options->tty = *value == '1';
    else if ((value = value_of(argv[i], "stdin-once"))) options->stdin_once = *value == '1';
    else if ((value = value_of(argv[i], "log"))) options->log_name = value;
    else if ((value = value_of(argv[i], "hull"))) options->hull = value;
    else if ((value = value_of(argv[i], "root"))) options->root = value;
    else if ((value = value_of(argv[i], "run"))) options->run = value;
    else if ((value = value_of(argv[i], "primary")) && parse_number(value, &number)) options->primary_wants = static_cast<uint8_t>(number);
    else if ((value = value_of(argv[i], "max-size")) && parse_number(value, &number)) options->max_size = number;
    else if ((value = value_of(argv[i], "max-file")) && parse_number(value, &number)) options->max_files = number;
    else return false;
  }
  return true;
}

int open_descriptor(int fd) { return fcntl(fd, F_GETFD) >= 0 ? fd : -1; }

void set_nonblocking(int fd) {
  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

// Descriptors are ours alone: whatever else leaked in is closed, and nothing reaches the clean-up program.
void take_descriptors() {
  for (int fd = kRuntimeDirFd; fd <= kLogDirFd; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  syscall(SYS_close_range, kLogDirFd + 1, ~0U, 0);
  const Options& options = shim.options;
  int out = open_descriptor(kStdoutFd);
  set_nonblocking(out);
  if (options.tty) shim.console_socket = out;
  else shim.outputs[0].fd = out;
  shim.outputs[1].fd = options.tty ? -1 : open_descriptor(kStderrFd);
  set_nonblocking(shim.outputs[1].fd);
  if (!options.tty) shim.input = open_descriptor(kStdinFd);
  set_nonblocking(shim.input);
  if (open_descriptor(kPrimaryFd) >= 0) shim.clients.add(kPrimaryFd, options.primary_wants, true);
  if (options.log_name && open_descriptor(kLogDirFd) >= 0)
    shim.log.open(kLogDirFd, options.log_name, options.max_size, options.max_files);
}

// The terminal's hang-up, the session's end and a polite kill are meant for the container, which is told by others.
void set_signals() {
  constexpr int kIgnored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
  for (int signal_number : kIgnored) signal(signal_number, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_SETMASK, &set, nullptr);
  shim.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Bound by a name relative to the directory: sun_path has 108 bytes, and HULL_RUN may be long.
void listen_for_clients() {
  if (fchdir(kRuntimeDirFd) != 0) return;
  unlink(kSocketName);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, kSocketName, strlen(kSocketName) + 1);
  umask(0177);
  bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd, 8) == 0;
  umask(077);
  if (bound) shim.listener = fd;
  else close(fd);
  if (chdir("/") != 0) return;  // pin no directory by standing in it
}

// KERNEL: the last process of a mount namespace takes its mounts apart before its parent hears of its end, and waits
// for an RCU grace period in doing so; do_exit, put_mnt_ns. As long as we hold the namespace too, the exit is reported
// first and the mounts go when we do. PIDFD_GET_MNT_NAMESPACE, since 6.11; without it the report comes later, no more.
void hold_mount_namespace() {
  constexpr unsigned long kPidfdGetMntNamespace = 0xff03;
  int pidfd = static_cast<int>(syscall(SYS_pidfd_open, shim.options.pid, 0));
  if (pidfd < 0) return;
  int held = ioctl(pidfd, kPidfdGetMntNamespace, 0);  // close-on-exec; ours until we end
  static_cast<void>(held);
  close(pidfd);
}

// Refused without CAP_SYS_RESOURCE, which is no reason to stop.
void protect_from_oom_killer() {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "-998", 4) < 0) {}
  close(fd);
}

}  // namespace
}  // namespace hull::shim

int main(int argc, char** argv) {
  using namespace hull::shim;
  if (!read_options(argc, argv, &shim.options)) return 2;
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  set_signals();
  take_descriptors();
  hold_mount_namespace();
  listen_for_clients();
  protect_from_oom_killer();
  reap(shim);  // it may have ended before we listened for SIGCHLD
  run_loop(shim);
  if (shim.clients.somebody_cleans()) return 0;
  become_cleanup(shim.options);
}
