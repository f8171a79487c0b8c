#include "cli/oci_wait.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "kernel/identity.h"
#include "sandbox/launch.h"

namespace hull::cli {

Result<> Foreground::open(bool terminal) {
  TRY(signals_.open());
  if (terminal) pair_ = TRY(make_socket_pair(SOCK_STREAM));
  return {};
}

Result<> Foreground::take_master() {
  char byte;
  iovec data{&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  pair_.second.reset();
  if (::recvmsg(pair_.first.get(), &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == nullptr)
    return fail(ErrorKind::System, "the terminal's master did not come");
  int fd;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  master_ = Fd(fd);
  resize();
  if (::isatty(0) == 1) TRY(raw_.enter(0));
  return {};
}

void Foreground::resize() {
  engine::TerminalSize size = engine::terminal_size(0);
  if (!master_ || size.rows == 0) return;
  winsize window{size.rows, size.columns, 0, 0};
  ::ioctl(master_.get(), TIOCSWINSZ, &window);
}

Result<> Foreground::carry(bool typed, bool shown) {
  char buffer[16384];
  if (typed) {
    ssize_t got = ::read(0, buffer, sizeof buffer);
    if (got > 0) TRY(write_all(master_, {buffer, static_cast<size_t>(got)}, "terminal"));
    typing_ = got > 0 || (got < 0 && errno == EINTR);
  }
  if (!shown) return {};
  ssize_t got = ::read(master_.get(), buffer, sizeof buffer);
  if (got > 0) {
    for (ssize_t put = 0; put < got;) {
      ssize_t now = ::write(1, buffer + put, static_cast<size_t>(got - put));
      if (now < 0 && errno != EINTR) return fail_errno("write", "standard output");
      if (now > 0) put += now;
    }
  } else if (got == 0 || errno != EINTR) {
    master_.reset();  // EIO: nobody has the terminal any more
  }
  return {};
}

static Result<std::optional<int>> reaped(pid_t child) {
  int status = 0;
  bool unborn = sandbox::killed_before_program(child);
  if (::waitpid(child, &status, WNOHANG) != child) return std::nullopt;
  if (unborn) return fail(ErrorKind::System, "the process was killed before its program began");
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<int> Foreground::wait(pid_t child, runtime::Notifier& notifier) {
  if (pair_.first) TRY(take_master());
  Fd ended = TRY(kernel::open_pidfd(child));
  std::optional<int> code = TRY(reaped(child));
  while (!code || master_) {
    pollfd polled[] = {{signals_.fd(), POLLIN, 0}, {master_ ? master_.get() : -1, POLLIN, 0}, {master_ && typing_ ? 0 : -1, POLLIN, 0},
                       {code ? -1 : ended.get(), POLLIN, 0}, {notifier.fd(), POLLIN, 0}};
    constexpr timespec kNow{0, 0};
    int ready = kernel::poll_with_process(polled, 5, 3, code ? &kNow : nullptr);
    if (ready == 0) break;  // ended, and nothing more to show
    if (ready < 0 && errno != EINTR) return fail_errno("poll", "");
    while (std::optional<int> signal_number = signals_.next()) {
      if (*signal_number == SIGWINCH) resize();
      else if (!code) ::kill(child, *signal_number);  // our own child, not reaped
    }
    if (polled[4].revents != 0) TRY(notifier.take());
    if (!code) code = TRY(reaped(child));
    if (master_) TRY(carry(polled[2].revents != 0, polled[1].revents != 0));
  }
  return *code;
}

}  // namespace hull::cli
