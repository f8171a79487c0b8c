#include "net/publish.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "kernel/identity.h"
#include "net/forward/protocol.h"

namespace hull::net {
namespace {

// A range of ports needs more descriptors than the soft limit's usual 1024. The container has its limits by its plan.
void raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

tl::unexpected<Error> too_many(Error error) {
  return fail(std::move(error).with_remedy("publish fewer ports, or raise the hard limit of open files"));
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
};

Address make_address(const std::string& ip, uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (::inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
  } else if (::inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
  }
  return address;
}

uint16_t bound_port(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(address).sin_port : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
}

tl::unexpected<Error> bind_error(const PublishedPort& port) {
  int error = errno;
  std::string where = port.host_text();
  if (error == EADDRINUSE)
    return fail(Error(ErrorKind::Conflict, format("Bind for {} failed: port is already allocated: {} address already in use; publish another port, or end what listens there",
                                                  where, protocol_name(port.inside.protocol)), error));
  if (error == EMFILE)
    return too_many(Error::from_errno(error, "failed to bind host port", where));
  return fail(Error::from_errno(error, "failed to bind host port", format("{}/{}", where, protocol_name(port.inside.protocol))));
}

Result<Listening> listen_at(const std::string& ip, uint16_t host_port, ContainerPort inside) {
  Listening made{{ip, host_port, inside}, Fd()};
  Address address = make_address(ip, host_port);
  bool tcp = inside.protocol == Protocol::Tcp;
  made.socket = Fd(::socket(address.family(), (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (!made.socket) return bind_error(made.port);
  int one = 1;
  // Connections of an earlier run may still linger; a datagram socket could be shared with others by this.
  if (tcp) ::setsockopt(made.socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (address.family() == AF_INET6) ::setsockopt(made.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (::bind(made.socket.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) != 0) return bind_error(made.port);
  if (tcp && ::listen(made.socket.get(), SOMAXCONN) != 0) return bind_error(made.port);
  made.port.host_port = bound_port(made.socket);
  return made;
}

// At every address, under one number.
Result<> listen_everywhere(uint16_t host_port, ContainerPort inside, std::vector<Listening>& all) {
  constexpr int kTries = 16;  // for a number that is free in both families
  for (int i = 1;; ++i) {
    Listening v4 = TRY(listen_at("0.0.0.0", host_port, inside));
    auto v6 = listen_at("::", v4.port.host_port, inside);
    int error = v6 ? 0 : v6.error().errno_value();
    bool absent = error == EAFNOSUPPORT || error == EADDRNOTAVAIL;  // this host has no IPv6
    if (!v6 && error == EADDRINUSE && host_port == 0 && i < kTries) continue;
    if (!v6 && !absent) return fail(std::move(v6).error());
    all.push_back(std::move(v4));
    if (v6) all.push_back(std::move(*v6));
    return {};
  }
}

Result<> listen_for(const PortBinding& binding, std::vector<Listening>& all) {
  for (uint32_t port = binding.host_first;; ++port) {
    auto number = static_cast<uint16_t>(port);
    Result<> done;
    if (binding.host_ip.empty()) done = listen_everywhere(number, binding.inside, all);
    else if (auto one = listen_at(binding.host_ip, number, binding.inside)) all.push_back(std::move(*one));
    else done = fail(std::move(one).error());
    if (done || port >= binding.host_last || done.error().errno_value() != EADDRINUSE) return done;
  }
}

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  SpawnActions() { posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions); }
};

// Copies above all their places first: a dup2 may not hit one that is still to be copied, and of a number onto itself would
// leave close-on-exec set.
Result<std::vector<Fd>> add_descriptors(const std::vector<std::pair<int, int>>& list, SpawnActions& spawn) {
  std::vector<Fd> high;
  int above = forward::kFirstListenerFd + static_cast<int>(list.size());
  for (const auto& [fd, place] : list) {
    high.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, above));
    if (!high.back()) return too_many(Error::from_errno("fcntl", "a published port's socket"));
    posix_spawn_file_actions_adddup2(&spawn.actions, high.back().get(), place);
  }
  return high;
}

Result<> await_ready(const Fd& status) {
  std::string said = TRY(read_all(status, 4096, "hull-port's status"));
  if (!said.empty() && said[0] == forward::kReady) return {};
  return fail(ErrorKind::System, format("publish ports: hull-port: {}", said.empty() ? "ended before it served" : escape_controls(said)));
}

}  // namespace

Result<std::vector<Listening>> listen_on(const std::vector<PortBinding>& bindings) {
  raise_file_limit();
  std::vector<Listening> all;
  for (const PortBinding& binding : bindings) {
    TRY(listen_for(binding, all));
    if (all.size() > forward::kMaxListeners) return fail(ErrorKind::Invalid, format("more than {} sockets for published ports; publish fewer", forward::kMaxListeners));
  }
  return all;
}

Result<pid_t> start_forwarder(const ForwarderPlace& place, const std::vector<Listening>& listening) {
  Fd net = TRY(open_file(format("/proc/{}/ns/net", place.container), O_RDONLY)), user;
  if (place.enter_user_ns) user = TRY(open_file(format("/proc/{}/ns/user", place.container), O_RDONLY));
  // A number whose process has ended may be another's by now: only of one that lives are these its own.
  if (kernel::has_ended(place.pidfd)) return fail(ErrorKind::Conflict, "publish ports: the container has just ended");
  SocketPair status = TRY(make_socket_pair(SOCK_STREAM));
  std::vector<std::pair<int, int>> descriptors{{place.pidfd.get(), forward::kPidfdFd}, {net.get(), forward::kNetNsFd}, {place.lock.get(), forward::kLockFd}, {status.second.get(), 1}};
  if (user) descriptors.emplace_back(user.get(), forward::kUserNsFd);
  std::vector<std::string> arguments{"hull-port"};
  for (const Listening& one : listening) {
    descriptors.emplace_back(one.socket.get(), forward::kFirstListenerFd + static_cast<int>(arguments.size()) - 1);
    arguments.push_back(format("{}{}", one.port.inside.protocol == Protocol::Tcp ? forward::kTcp : forward::kUdp, one.port.inside.number));
  }
  SpawnActions spawn;
  posix_spawn_file_actions_addopen(&spawn.actions, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_addopen(&spawn.actions, 2, "/dev/null", O_RDWR, 0);
  std::vector<Fd> high = TRY(add_descriptors(descriptors, spawn));
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  char* no_environment[] = {nullptr};
  pid_t pid = -1;
  int error = ::posix_spawn(&pid, place.program.c_str(), &spawn.actions, nullptr, words.data(), no_environment);
  if (error != 0) return fail(Error::from_errno(error, "execute", place.program));
  status.second.reset();
  high.clear();
  if (auto ready = await_ready(status.first); !ready) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return fail(std::move(ready).error());
  }
  return pid;
}

}  // namespace hull::net
