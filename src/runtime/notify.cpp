#include "runtime/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "kernel/identity.h"

namespace hull::runtime {
namespace {

constexpr const char* kInside = "/run/notify";

struct Address {
  sockaddr_un name{};
  socklen_t size = 0;
};

// unix(7): a path, or "@name" for an abstract one.
Result<Address> address_of(const std::string& path) {
  Address address;
  address.name.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.name.sun_path) return fail(ErrorKind::Invalid, format("NOTIFY_SOCKET: {}: too long", escape_controls(path)));
  std::memcpy(address.name.sun_path, path.data(), path.size());
  if (path.starts_with('@')) address.name.sun_path[0] = '\0';
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path.starts_with('@') ? 0 : 1));
  return address;
}

Result<Fd> datagram_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return fd ? Result<Fd>(std::move(fd)) : fail_errno("socket", "NOTIFY_SOCKET");
}

bool says_ready(std::string_view message) {
  for (std::string_view line : split_lines(message))
    if (line == "READY=1") return true;
  return false;
}

Result<Fd> connect_caller(const std::string& caller) {
  Address address = TRY(address_of(caller));
  Fd to = TRY(datagram_socket());
  if (::connect(to.get(), reinterpret_cast<sockaddr*>(&address.name), address.size) == 0) return to;
  return fail(Error(kind_of_errno(errno), format("NOTIFY_SOCKET {}: {}", escape_controls(caller), errno_text(errno)), errno)
                  .with_remedy("give a socket that the service manager reads, or unset it"));
}

}  // namespace

void add_notify(oci::Spec& spec, const std::string& directory) {
  oci::Mount mount;
  mount.destination = kInside;
  mount.type = "bind";
  mount.source = directory;
  mount.options = {"bind", "nosuid", "noexec", "nodev", "ro"};
  spec.mounts.push_back(std::move(mount));
  std::erase_if(spec.process.env, [](const std::string& entry) { return entry.starts_with("NOTIFY_SOCKET="); });
  spec.process.env.push_back(format("NOTIFY_SOCKET={}/{}", kInside, kNotifyName));
}

Result<Notifier> Notifier::listen(const std::string& directory, const std::string& caller, pid_t pid, const Fd& pidfd) {
  Notifier notifier;
  notifier.caller_ = TRY(connect_caller(caller));
  notifier.pid_ = pid;
  notifier.pidfd_ = TRY(pidfd.duplicate());
  Fd parent = TRY(open_file(directory, O_PATH | O_DIRECTORY));
  std::string path = format("/proc/self/fd/{}/{}", parent.get(), kNotifyName);  // of any length in truth
  Address address = TRY(address_of(path));
  notifier.socket_ = TRY(datagram_socket());
  ::unlink(path.c_str());  // of a start that was killed
  if (::bind(notifier.socket_.get(), reinterpret_cast<sockaddr*>(&address.name), address.size) != 0) return fail_errno("bind", directory);
  if (::chmod(path.c_str(), 0777) != 0) return fail_errno("chmod", directory);  // whoever the program runs as
  return notifier;
}

Result<> Notifier::tell_caller() {
  TRY(send_message(caller_, format("READY=1\nMAINPID={}\n", pid_), {}, "NOTIFY_SOCKET"));
  Pipe pipe = TRY(make_pipe());
  barrier_ = std::move(pipe.read);
  return send_message(caller_, "BARRIER=1", {pipe.write.get()}, "NOTIFY_SOCKET");
}

Result<> Notifier::take() {
  char message[4096];
  ssize_t got = ::recv(socket_.get(), message, sizeof message, MSG_DONTWAIT);
  if (got <= 0 || !says_ready({message, static_cast<size_t>(got)})) return {};
  socket_.reset();
  return tell_caller();
}

Result<> Notifier::wait() {
  while (socket_) {
    pollfd polled[] = {{socket_.get(), POLLIN, 0}, {pidfd_.get(), POLLIN, 0}};
    if (kernel::poll_with_process(polled, 2, 1, nullptr) < 0 && errno != EINTR) return fail_errno("poll", "NOTIFY_SOCKET");
    if (polled[0].revents != 0) TRY(take());
    else if (polled[1].revents != 0) return {};
  }
  constexpr int kLongestMs = 30000;
  pollfd read{barrier_.get(), POLLIN, 0};
  while (barrier_ && ::poll(&read, 1, kLongestMs) < 0 && errno == EINTR) {}
  return {};
}

}  // namespace hull::runtime
