#include "cli/oci_wait.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "cli/output.h"
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
  ::fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
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

// What was typed goes on as the terminal takes it; one that nobody reads any more takes nothing.
void Foreground::type() {
  char buffer[4096];
  if (typed_.empty()) {
    ssize_t got = ::read(0, buffer, sizeof buffer);
    if (got > 0) typed_.assign(buffer, static_cast<size_t>(got));
    typing_ = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
  }
  ssize_t put = typed_.empty() ? 0 : ::write(master_.get(), typed_.data(), typed_.size());
  if (put > 0) typed_.erase(0, static_cast<size_t>(put));
  if (put < 0 && errno != EINTR && errno != EAGAIN) typing_ = false, typed_.clear();
}

// A pipe that polls as writable takes this much without waiting; pipe(7), PIPE_BUF. Output that nobody takes any more, or that
// cannot be kept, ends no container: it is left out.
void Foreground::show() {
  constexpr size_t kMost = 4096;
  ssize_t put = deaf_ ? -1 : ::write(1, shown_.data(), std::min(shown_.size(), kMost));
  if (put > 0) shown_.erase(0, static_cast<size_t>(put));
  if (put >= 0 || (!deaf_ && (errno == EINTR || errno == EAGAIN))) return;
  if (!deaf_ && errno != EPIPE) print_error(format("warning: write standard output: {}; the rest of the output is lost", errno_text(errno)));
  deaf_ = true;
  shown_.clear();
}

// KERNEL: EIO says that nobody has the terminal open now; one who knows its name may open it again.
void Foreground::take_output() {
  char buffer[16384];
  ssize_t got = ::read(master_.get(), buffer, sizeof buffer);
  if (got > 0) shown_.assign(buffer, static_cast<size_t>(got));
  left_ = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

static Result<std::optional<int>> reaped(pid_t child) {
  int status = 0;
  bool unborn = sandbox::killed_before_program(child);
  if (::waitpid(child, &status, WNOHANG) != child) return std::nullopt;
  if (unborn) return fail(ErrorKind::System, "the process was killed before its program began");
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool Foreground::pass_signals(pid_t child, bool ended) {
  bool ends = false;
  while (std::optional<int> signal_number = signals_.next()) {
    if (*signal_number == SIGWINCH) resize();
    else if (!ended) ::kill(child, *signal_number);  // our own child, not reaped
    else ends |= *signal_number == SIGTERM || *signal_number == SIGINT || *signal_number == SIGHUP || *signal_number == SIGQUIT;
  }
  return ends;
}

// Nothing in here waits but the poll, so that a signal is always heard.
Result<int> Foreground::wait(pid_t child, runtime::Notifier& notifier) {
  if (pair_.first) TRY(take_master());
  Fd ended = TRY(kernel::open_pidfd(child));
  std::optional<int> code = TRY(reaped(child));
  while (!code || master_ || !shown_.empty()) {
    auto on_master = static_cast<short>((shown_.empty() ? POLLIN : 0) | (typed_.empty() ? 0 : POLLOUT));
    bool reads = master_ && !code && typing_ && typed_.empty();
    enum { Signals, Master, Stdin, Child, Notify, Stdout, Count };
    pollfd polled[Count] = {{signals_.fd(), POLLIN, 0}, {on_master != 0 && !left_ ? master_.get() : -1, on_master, 0},
                            {reads ? 0 : -1, POLLIN, 0}, {code ? -1 : ended.get(), POLLIN, 0},
                            {notifier.fd(), POLLIN, 0}, {shown_.empty() ? -1 : 1, POLLOUT, 0}};
    constexpr timespec kNow{0, 0}, kLook{0, 50000000};
    int ready = kernel::poll_with_process(polled, Count, Child, code && shown_.empty() ? &kNow : left_ ? &kLook : nullptr);
    if (ready < 0 && errno != EINTR) return fail_errno("poll", "");
    if (pass_signals(child, code.has_value())) break;  // ended, and nobody waits for its output
    if (polled[Notify].revents != 0) TRY(notifier.take());
    if (!code) code = TRY(reaped(child));
    if (polled[Stdout].revents != 0) show();
    if (polled[Stdin].revents != 0 || (!typed_.empty() && polled[Master].revents != 0)) type();
    bool has_more = left_ ? ready == 0 : (polled[Master].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
    if (shown_.empty() && has_more) take_output();
    if (ready == 0 && code && shown_.empty()) break;  // ended, and nothing more to show
  }
  return *code;
}

}  // namespace hull::cli
