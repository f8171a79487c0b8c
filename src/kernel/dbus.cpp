// The connection: a socket that never blocks, and a deadline for everything.
#include "kernel/dbus.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/text.h"
#include "kernel/cgroup_tree.h"

namespace hull::kernel {

constexpr size_t kLongestLine = 1024;   // of the authentication
constexpr size_t kMostSignals = 4096;   // that are kept

static Result<Fd> connect_unix(const DbusAddress& address, int64_t deadline) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string& path = address.path;
  if (path.empty() || path.size() >= sizeof name.sun_path) return fail(ErrorKind::Invalid, format("{}: no path of a socket", escape_controls(path)));
  memcpy(name.sun_path, path.data(), path.size());
  bool abstract = path[0] == '@';
  if (abstract) name.sun_path[0] = '\0';
  socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", path);
  while (::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) {
    // KERNEL: a full backlog is EAGAIN at once, and no poll tells of room; unix(7).
    if (errno != EINTR && (errno != EAGAIN || monotonic_ms() >= deadline)) return fail_errno("connect", path);
    sleep_ms(5);
  }
  return fd;
}

Result<> DbusConnection::wait(short events, int64_t deadline) {
  for (;;) {
    int64_t left = deadline - monotonic_ms();
    pollfd wait{socket_.get(), events, 0};
    int ready = left <= 0 ? 0 : ::poll(&wait, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno("poll", address_.path);
    if (left <= 0) return fail(Error::from_errno(ETIMEDOUT, "wait", address_.path));
  }
}

Result<> DbusConnection::send(std::string_view data, int64_t deadline) {
  while (!data.empty()) {
    ssize_t sent = ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (sent > 0) data.remove_prefix(static_cast<size_t>(sent));
    else if (errno == EAGAIN) TRY(wait(POLLOUT, deadline));
    else if (errno != EINTR) return fail_errno("send", address_.path);
  }
  return {};
}

// At least `size` bytes in the buffer.
Result<> DbusConnection::fill(size_t size, int64_t deadline) {
  while (buffer_.size() < size) {
    TRY(wait(POLLIN, deadline));
    char data[4096];
    ssize_t got = ::recv(socket_.get(), data, sizeof data, 0);
    if (got == 0) return fail(Error(ErrorKind::System, format("{}: the peer hung up", address_.path), ECONNRESET));
    if (got < 0 && errno != EAGAIN && errno != EINTR) return fail_errno("recv", address_.path);
    if (got > 0) buffer_.append(data, static_cast<size_t>(got));
  }
  return {};
}

Result<std::string> DbusConnection::line(int64_t deadline) {
  for (;;) {
    size_t end = buffer_.find("\r\n");
    if (end != std::string::npos && end <= kLongestLine) {
      std::string out = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return out;
    }
    if (buffer_.size() > kLongestLine) return fail(ErrorKind::Corrupt, format("{}: does not speak D-Bus", address_.path));
    TRY(fill(buffer_.size() + 1, deadline));
  }
}

// EXTERNAL with no identity of our own words: the peer asks the kernel, which knows it in every user namespace.
// All in one write, as sd-bus does: a BEGIN that systemd reads together with the first call leaves that call lying unread.
Result<> DbusConnection::authenticate(int64_t deadline) {
  constexpr char kWords[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
  TRY(send(std::string_view(kWords, sizeof kWords - 1), deadline));
  std::string answer = TRY(line(deadline));
  if (answer == "DATA" || answer.starts_with("DATA ")) answer = TRY(line(deadline));
  if (answer.starts_with("REJECTED"))
    return fail(ErrorKind::Denied, format("{}: the bus refuses this user", address_.path));
  if (!answer.starts_with("OK")) return fail(ErrorKind::Corrupt, format("{}: does not speak D-Bus", address_.path));
  return {};
}

Result<DbusConnection> DbusConnection::open(const DbusAddress& address, int64_t deadline) {
  DbusConnection connection(TRY(connect_unix(address, deadline)), address);
  TRY(connection.authenticate(deadline));
  if (!address.is_bus) return connection;
  DbusMessage hello;
  hello.path = "/org/freedesktop/DBus";
  hello.interface = hello.destination = "org.freedesktop.DBus";
  hello.member = "Hello";
  DbusMessage answer = TRY(connection.call(std::move(hello), deadline));
  if (answer.type == DbusType::Error) return fail(ErrorKind::System, format("{}: {}", address.path, dbus_error_text(answer)));
  return connection;
}

Result<DbusMessage> DbusConnection::receive(int64_t deadline) {
  TRY(fill(kDbusFixedHeader, deadline));
  size_t size = TRY_CONTEXT(dbus_message_size(std::string_view(buffer_).substr(0, kDbusFixedHeader)), address_.path);
  TRY(fill(size, deadline));
  DbusMessage message = TRY_CONTEXT(parse_dbus_message(std::string_view(buffer_).substr(0, size)), address_.path);
  buffer_.erase(0, size);
  return message;
}

void DbusConnection::keep(DbusMessage message, std::string_view member) {
  if (!member.empty() && message.type == DbusType::Signal && message.member == member && signals_.size() < kMostSignals)
    signals_.push_back(std::move(message));
}

Result<DbusMessage> DbusConnection::call(DbusMessage message, int64_t deadline, std::string_view kept) {
  message.type = DbusType::Call;
  message.serial = ++serial_;
  TRY(send(write_dbus_message(message), deadline));
  // A peer that never stops talking of other things is as silent: the deadline holds between messages, too.
  while (monotonic_ms() < deadline) {
    DbusMessage got = TRY(receive(deadline));
    bool answer = got.type == DbusType::Return || got.type == DbusType::Error;
    if (answer && got.reply_serial == message.serial) return got;
    keep(std::move(got), kept);
  }
  return fail(Error::from_errno(ETIMEDOUT, "wait", address_.path));
}

Result<DbusMessage> DbusConnection::signal(std::string_view member, int64_t deadline) {
  while (signals_.empty()) {
    if (monotonic_ms() >= deadline) return fail(Error::from_errno(ETIMEDOUT, "wait", address_.path));
    keep(TRY(receive(deadline)), member);
  }
  DbusMessage first = std::move(signals_.front());
  signals_.erase(signals_.begin());
  return first;
}

}  // namespace hull::kernel
