// The start of hull-port: takes its listeners, enters the container's net namespace, gives up its rights, says that it
// serves, and turns the loop until the container has ended.
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/forward/forward.h"

namespace hull::net::forward {

char buffer[kBufferSize];

namespace {

constinit Forwarder all;

[[noreturn]] void refuse(const char* what) {
  const char* words[] = {what, ": ", strerror(errno)};
  char line[256];
  size_t size = 0;
  for (const char* text : words)
    for (; *text != '\0' && size < sizeof line; ++text) line[size++] = *text;
  if (write(STDOUT_FILENO, line, size) < 0) {}
  _exit(1);
}

bool read_port(const char* text, uint16_t* port) {
  uint32_t value = 0;
  if (*text == '\0') return false;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9') return false;
    value = value * 10 + static_cast<uint32_t>(*text - '0');
    if (value > 0xffff) return false;
  }
  *port = static_cast<uint16_t>(value);
  return value > 0;
}

bool read_listeners(int argc, char** argv) {
  if (argc < 2 || argc - 1 > kMaxListeners) return false;
  for (int i = 1; i < argc; ++i) {
    Listener& listener = all.listeners[all.listener_count];
    listener.fd = kFirstListenerFd + all.listener_count++;
    listener.datagrams = argv[i][0] == kUdp;
    if ((argv[i][0] != kTcp && argv[i][0] != kUdp) || !read_port(argv[i] + 1, &listener.port)) return false;
  }
  return true;
}

// The kernel tells with each datagram which of our addresses it was sent to.
void prepare_listeners() {
  for (int i = 0; i < all.listener_count; ++i) {
    int fd = all.listeners[i].fd, one = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!all.listeners[i].datagrams) continue;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one) != 0) setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
  }
}

// As root of the namespace that owns it where we are nobody here: an ordinary user's container.
void enter() {
  if (fcntl(kUserNsFd, F_GETFD) >= 0 && setns(kUserNsFd, CLONE_NEWUSER) != 0) refuse("enter the user namespace");
  if (setns(kNetNsFd, CLONE_NEWNET) != 0) refuse("enter the net namespace");
  if (!make_source()) refuse("make 192.0.0.8, the address of clients inside");
  close(kUserNsFd);
  close(kNetNsFd);
}

// Two descriptors for a connection, what is left for flows.
void raise_limits() {
  rlimit files{1024, 1024};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_NOFILE, &files);
  rlim_t room = files.rlim_cur > static_cast<rlim_t>(2 * kFirstListenerFd + all.listener_count)
                    ? (files.rlim_cur - static_cast<rlim_t>(2 * kFirstListenerFd + all.listener_count)) / 3 : 1;
  all.connection_limit = room < kMaxConnections ? static_cast<int>(room) : kMaxConnections;
  if (all.connection_limit < 1) all.connection_limit = 1;
}

void watch_all() {
  all.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (all.epoll < 0) refuse("epoll_create1");
  // Where pidfds are refused this is a directory that cannot be waited for: who settles the container ends us.
  uint32_t watched = 0;
  watch(all, kPidfdFd, &watched, EPOLLIN, tag(About::Process, 0));
  for (int i = 0; i < all.listener_count; ++i) {
    watched = 0;
    if (!watch(all, all.listeners[i].fd, &watched, EPOLLIN, tag(About::Listener, static_cast<uint32_t>(i)))) refuse("epoll_ctl");
  }
}

void read_clock() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  all.now = now.tv_sec;
}

void serve(const epoll_event& event) {
  auto about = static_cast<About>(event.data.u64 >> 56);
  int index = static_cast<int>(event.data.u64 & 0xffffffff), side = static_cast<int>(event.data.u64 >> 48 & 1);
  switch (about) {
    case About::Process: _exit(0);
    case About::Listener:
      if (all.listeners[index].datagrams) take_datagrams(all, index);
      else if (!all.resting) accept_all(all, all.listeners[index]);
      return;
    case About::Connection: return serve_connection(all, index, side, event.events);
    case About::Flow: return answer_datagrams(all, index);
  }
}

[[noreturn]] void loop() {
  constexpr int kEvents = 64, kTickMs = 1000;
  int64_t looked = 0;
  for (;;) {
    epoll_event events[kEvents];
    int count = epoll_wait(all.epoll, events, kEvents, all.resting || all.flows_open > 0 ? kTickMs : -1);
    read_clock();
    for (int i = 0; i < count; ++i) serve(events[i]);
    bool closed = all.closed_list > 0;
    free_closed(all);
    if (all.resting && (closed || count == 0)) rest(all, false);
    if (all.now != looked) end_idle_flows(all);
    looked = all.now;
  }
}

}  // namespace

uint64_t tag(About about, uint32_t index, int side) {
  return static_cast<uint64_t>(about) << 56 | static_cast<uint64_t>(side) << 48 | index;
}

// KERNEL: EPOLLERR and EPOLLHUP are reported whatever was asked for; epoll_ctl(2). What nothing is wanted of is taken out,
// or a peer that has gone while the other is slow would keep us busy.
bool watch(Forwarder& forwarder, int fd, uint32_t* watched, uint32_t wanted, uint64_t data) {
  if (*watched == wanted || fd == 0) return true;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = data;
  int operation = wanted == 0 ? EPOLL_CTL_DEL : *watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(forwarder.epoll, operation, fd, &event) != 0) return false;
  *watched = wanted;
  return true;
}

void rest(Forwarder& forwarder, bool resting) {
  if (forwarder.resting == resting) return;
  forwarder.resting = resting;
  for (int i = 0; i < forwarder.listener_count; ++i) {
    if (forwarder.listeners[i].datagrams) continue;
    uint32_t watched = resting ? EPOLLIN : 0;
    watch(forwarder, forwarder.listeners[i].fd, &watched, resting ? 0 : EPOLLIN, tag(About::Listener, static_cast<uint32_t>(i)));
  }
}

// The first IPv4 address of an interface other than lo, for a service that listens there alone. False: there is none.
static bool first_address(int fd, in_addr* address) {
  ifreq requests[16];
  ifconf list{};
  list.ifc_len = sizeof requests;
  list.ifc_req = requests;
  if (ioctl(fd, SIOCGIFCONF, &list) != 0) return false;
  for (size_t i = 0; i < static_cast<size_t>(list.ifc_len) / sizeof *requests; ++i) {
    sockaddr_in found;
    memcpy(&found, &requests[i].ifr_addr, sizeof found);
    if (ntohl(found.sin_addr.s_addr) >> 24 == 127) continue;
    *address = found.sin_addr;
    return true;
  }
  return false;
}

int connect_inside(int type, uint16_t port, int attempt, bool* pending) {
  constexpr int kSix = 1, kOther = 2;
  *pending = false;
  int family = attempt == kSix ? AF_INET6 : AF_INET;
  int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr.s6_addr[15] = 1;
  bool known = bind_source(fd, family) && (attempt != kOther || first_address(fd, &v4.sin_addr));
  auto* address = attempt == kSix ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  if (known && connect(fd, address, attempt == kSix ? sizeof v6 : sizeof v4) == 0) return fd;
  if (known && errno == EINPROGRESS) {
    *pending = true;
    return fd;
  }
  close(fd);
  return -1;
}

}  // namespace hull::net::forward

int main(int argc, char** argv) {
  using namespace hull::net::forward;
  if (!read_listeners(argc, argv)) return 2;
  syscall(SYS_close_range, kFirstListenerFd + all.listener_count, ~0U, 0);
  setsid();
  if (chdir("/") != 0) refuse("chdir /");
  sigset_t every;
  sigfillset(&every);
  sigprocmask(SIG_SETMASK, &every, nullptr);
  prepare_listeners();
  enter();
  raise_limits();
  watch_all();
  if (const char* failed = confine()) refuse(failed);
  send(STDOUT_FILENO, &kReady, 1, MSG_NOSIGNAL);
  close(STDOUT_FILENO);
  loop();
}
