#include "engine/exec_session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/identity.h"

namespace hull::engine {
namespace {

Result<Fd> receive_terminal(const Fd& socket) {
  char byte;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  ssize_t got = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return fail(ErrorKind::System, "the terminal did not come");
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

void set_nonblocking(const Fd& fd) {
  if (fd) ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

class ExecSession {
 public:
  ExecSession(ExecStreams& streams, pid_t pid, const Fd& pidfd, const ExecOptions& options, DetachKeys keys)
      : streams_(streams), pid_(pid), pidfd_(pidfd), options_(options),
        input_(options.streams.in, options.tty && ::isatty(options.streams.in), std::move(keys)) {
    if (!options.interactive) input_.close();
  }

  Result<SessionEnd> run() {
    TRY(signals_.open());
    if (options_.tty) TRY(take_terminal());
    for (const Fd* fd : {&streams_.in, &streams_.out, &streams_.err}) set_nonblocking(*fd);
    while (!end_) TRY(turn());
    return *end_;
  }

 private:
  // The terminal is both output and input.
  Result<> take_terminal() {
    streams_.out = TRY(receive_terminal(streams_.console));
    streams_.in = TRY(streams_.out.duplicate());
    if (options_.interactive && ::isatty(options_.streams.in)) TRY(raw_.enter(options_.streams.in));
    return {};
  }

  Result<> turn() {
    bool closing = streams_.in && input_.ended() && !options_.tty;
    if (closing) streams_.in.reset();
    pollfd slots[6] = {{pidfd_.get(), POLLIN, 0},
                       {signals_.fd(), POLLIN, 0},
                       {streams_.out.get(), POLLIN, 0},
                       {streams_.err.get(), POLLIN, 0},
                       {input_.wants_read() ? options_.streams.in : -1, POLLIN, 0},
                       {input_.holding() ? streams_.in.get() : -1, POLLOUT, 0}};
    if (poll_with_process(slots, 6, 0, nullptr) < 0) {
      if (errno == EINTR) return {};
      return fail_errno("poll", "");
    }
    if (slots[1].revents) take_signals();
    if (slots[2].revents) TRY(pump(streams_.out, options_.streams.out));
    if (slots[3].revents) TRY(pump(streams_.err, options_.streams.err));
    if (slots[4].revents && input_.read() == InputQueue::Read::Detach) end_ = SessionEnd{SessionEnd::Kind::Detached, 0};
    if (slots[5].revents) send_input();
    if (slots[0].revents && !end_) TRY(finish());
    return {};
  }

  // One read; the stream is closed at its end. True if there may be more.
  Result<bool> pump(Fd& from, int to) {
    if (!from) return false;
    ssize_t got = ::read(from.get(), buffer_, sizeof buffer_);
    if (got > 0) {
      TRY(write_output(to, buffer_, static_cast<size_t>(got)));
      return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    from.reset();  // the end of a pipe, or EIO of a terminal that nobody holds open any more
    return false;
  }

  // What it wrote is in the pipes; what its children may write later is not waited for.
  Result<> finish() {
    while (TRY(pump(streams_.out, options_.streams.out))) {}
    while (TRY(pump(streams_.err, options_.streams.err))) {}
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
      if (errno != EINTR) return fail_errno("waitpid", "");
    end_ = SessionEnd{SessionEnd::Kind::Exited, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
    return {};
  }

  void take_signals() {
    while (auto number = signals_.next()) {
      if (*number == SIGWINCH) resize();
      else if (*number == SIGINT || *number == SIGTERM || *number == SIGHUP || *number == SIGQUIT)
        end_ = SessionEnd{SessionEnd::Kind::Interrupted, 128 + *number};
    }
  }

  void resize() {
    TerminalSize size = terminal_size(options_.streams.out);
    if (!options_.tty || size.rows == 0 || !streams_.out) return;
    winsize window{size.rows, size.columns, 0, 0};
    ::ioctl(streams_.out.get(), TIOCSWINSZ, &window);
  }

  void send_input() {
    std::string_view data = input_.data();
    ssize_t put = ::write(streams_.in.get(), data.data(), data.size());
    if (put > 0) input_.taken(static_cast<size_t>(put));
    else if (put < 0 && errno != EAGAIN && errno != EINTR) input_.close();  // it reads no more
  }

  ExecStreams& streams_;
  pid_t pid_;
  const Fd& pidfd_;
  const ExecOptions& options_;
  InputQueue input_;
  RawMode raw_;
  SignalStream signals_;
  std::optional<SessionEnd> end_;
  char buffer_[32 << 10];
};

}  // namespace

Result<SessionEnd> run_exec_session(ExecStreams streams, pid_t pid, const Fd& pidfd, const ExecOptions& options) {
  DetachKeys keys = TRY(DetachKeys::parse(options.detach_keys));
  ExecSession session(streams, pid, pidfd, options, std::move(keys));
  return session.run();
}

}  // namespace hull::engine
