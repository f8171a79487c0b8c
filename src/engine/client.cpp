#include "engine/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/duration.h"
#include "base/text.h"
#include "engine/identity.h"
#include "shim/protocol.h"

namespace hull::engine {
namespace {

// One attached session. Input waits in a queue while the shim cannot take it; output is never held back by that.
class ShimSession {
 public:
  ShimSession(const Fd& shim, const Fd& pidfd, const AttachOptions& options, bool tty, DetachKeys keys)
      : shim_(shim), pidfd_(pidfd), options_(options), tty_(tty),
        input_(options.streams.in, tty && ::isatty(options.streams.in), std::move(keys)) {
    if (!options.use_stdin) input_.close(), closed_input_ = true;
  }

  Result<SessionEnd> run() {
    TRY(signals_.open());
    if (tty_ && options_.use_stdin && ::isatty(options_.streams.in)) TRY(raw_.enter(options_.streams.in));
    if (tty_) send_size();
    while (!end_) TRY(turn());
    return *end_;
  }

 private:
  Result<> turn() {
    bool sending = input_.holding() || (input_.ended() && !closed_input_);
    pollfd slots[3] = {{shim_.get(), static_cast<short>(POLLIN | (sending ? POLLOUT : 0)), 0},
                       {signals_.fd(), POLLIN, 0},
                       {input_.wants_read() ? options_.streams.in : -1, POLLIN, 0}};
    if (::poll(slots, 3, -1) < 0) {
      if (errno == EINTR) return {};
      return fail_errno("poll", "");
    }
    if (slots[1].revents) take_signals();
    if (slots[0].revents & (POLLIN | POLLHUP | POLLERR)) TRY(take_message());
    if (end_) return {};
    if (slots[0].revents & POLLOUT) send_input();
    if (slots[2].revents) read_input();
    return {};
  }

  Result<> take_message() {
    ssize_t got = ::recv(shim_.get(), buffer_, sizeof buffer_, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (got <= 0) {
      end_ = SessionEnd{SessionEnd::Kind::Lost, 0};
      return {};
    }
    auto size = static_cast<size_t>(got) - 1;
    if (buffer_[0] == shim::kStdout) return write_output(options_.streams.out, buffer_ + 1, size);
    if (buffer_[0] == shim::kStderr) return write_output(options_.streams.err, buffer_ + 1, size);
    if (buffer_[0] == shim::kExit && size >= sizeof(shim::ExitMessage)) {
      shim::ExitMessage exit;
      std::memcpy(&exit, buffer_ + 1, sizeof exit);
      end_ = SessionEnd{SessionEnd::Kind::Exited, exit.code};
    }
    return {};
  }

  void take_signals() {
    while (auto number = signals_.next()) {
      if (*number == SIGWINCH) {
        if (tty_) send_size();
      } else if (options_.sig_proxy && !tty_) {
        if (is_proxied(*number)) (void)send_signal(pidfd_, *number);
      } else if (*number == SIGINT || *number == SIGTERM || *number == SIGHUP || *number == SIGQUIT) {
        end_ = SessionEnd{SessionEnd::Kind::Interrupted, 128 + *number};
      }
    }
  }

  void send_size() {
    TerminalSize size = terminal_size(options_.streams.out);
    if (size.rows == 0) size = terminal_size(options_.streams.in);
    if (size.rows == 0) return;
    char message[1 + sizeof(shim::ResizeMessage)] = {shim::kResize};
    shim::ResizeMessage resize{size.rows, size.columns};
    std::memcpy(message + 1, &resize, sizeof resize);
    (void)::send(shim_.get(), message, sizeof message, MSG_NOSIGNAL);
  }

  void read_input() {
    if (input_.read() == InputQueue::Read::Detach) end_ = SessionEnd{SessionEnd::Kind::Detached, 0};
    else send_input();
  }

  void send_input() {
    if (input_.holding()) {
      std::string message(1, shim::kInput);
      message += input_.data().substr(0, shim::kMaxInput);
      if (::send(shim_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) input_.taken(message.size() - 1);
    } else if (input_.ended() && !closed_input_) {
      char message = shim::kCloseInput;
      if (::send(shim_.get(), &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) closed_input_ = true;
    }
  }

  const Fd &shim_, &pidfd_;
  const AttachOptions& options_;
  bool tty_;
  InputQueue input_;
  bool closed_input_ = false;
  RawMode raw_;
  SignalStream signals_;
  std::optional<SessionEnd> end_;
  char buffer_[1 + shim::kMaxOutput];
};

}  // namespace

InputQueue::Read InputQueue::read() {
  char typed[8192];
  ssize_t got = ::read(source_, typed, sizeof typed);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return Read::Data;
  if (got <= 0) {
    open_ = false;
    return Read::End;
  }
  std::string_view text(typed, static_cast<size_t>(got));
  if (!watch_keys_) data_ += text;
  else if (keys_.feed(text, data_)) return Read::Detach;
  return Read::Data;
}

Result<> write_output(int fd, const char* data, size_t size) {
  while (size > 0) {
    ssize_t put = ::write(fd, data, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {  // somebody made our standard output non-blocking
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (put < 0 && errno == EPIPE) return {};
    if (put < 0) return fail_errno("write", "output");
    data += put;
    size -= static_cast<size_t>(put);
  }
  return {};
}

bool is_proxied(int signal_number) {
  return signal_number != SIGCHLD && signal_number != SIGPIPE && signal_number != SIGURG && signal_number != SIGWINCH;
}

Result<Fd> connect_shim(const std::string& runtime_directory, uint8_t wants) {
  Fd directory = TRY(open_file(runtime_directory, O_PATH | O_DIRECTORY));
  // sun_path has 108 bytes; the directory's descriptor makes any path short.
  std::string path = format("/proc/self/fd/{}/{}", directory.get(), shim::kSocketName);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", "");
  for (int attempt = 0;; ++attempt) {
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) break;
    if (errno != ENOENT || attempt >= 200) return fail_errno("connect", "hull-shim");
    sleep_ms(5);
  }
  char message[2] = {shim::kAttach, static_cast<char>(wants)};
  if (::send(socket.get(), message, sizeof message, MSG_NOSIGNAL) < 0) return fail_errno("send", "hull-shim");
  return socket;
}

Result<SessionEnd> run_shim_session(const Fd& shim, const Fd& pidfd, const AttachOptions& options, bool tty) {
  DetachKeys keys = TRY(DetachKeys::parse(options.detach_keys));
  ShimSession session(shim, pidfd, options, tty, std::move(keys));
  return session.run();
}

}  // namespace hull::engine
