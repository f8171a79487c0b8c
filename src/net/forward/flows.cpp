// UDP: each peer of a published port has a socket of its own inside, until nothing has passed for a while. Answers leave
// from the address that the peer had written to. When the table is full, who was silent longest makes room.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/forward/forward.h"

namespace hull::net::forward {
namespace {

constexpr int kDatagramsAtOnce = 64;

void close_flow(Forwarder& all, Flow& flow) {
  close(flow.fd);
  flow.fd = 0;
  --all.flows_open;
}

bool same_peer(const Flow& flow, const sockaddr_storage& peer, socklen_t size) {
  if (flow.peer_size != size || flow.peer.ss_family != peer.ss_family) return false;
  if (peer.ss_family == AF_INET) {
    const auto &a = reinterpret_cast<const sockaddr_in&>(flow.peer), &b = reinterpret_cast<const sockaddr_in&>(peer);
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
  }
  const auto &a = reinterpret_cast<const sockaddr_in6&>(flow.peer), &b = reinterpret_cast<const sockaddr_in6&>(peer);
  return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id && memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

// Its place if it is known, else one that is free, else that of the one that was silent longest.
Flow* place_for(Forwarder& all, int listener, const sockaddr_storage& peer, socklen_t size) {
  Flow *free_one = nullptr, *oldest = nullptr;
  for (int i = 0; i < all.flows_used; ++i) {
    Flow& flow = all.flows[i];
    if (flow.fd == 0) free_one = &flow;
    else if (flow.listener == listener && same_peer(flow, peer, size)) return &flow;
    else if (oldest == nullptr || flow.last < oldest->last) oldest = &flow;
  }
  if (free_one == nullptr && all.flows_used < kMaxFlows) free_one = &all.flows[all.flows_used++];
  if (free_one != nullptr) return free_one;
  close_flow(all, *oldest);
  return oldest;
}

// The socket inside, by the flow's present way or the next that there is.
bool open_flow(Forwarder& all, Flow& flow) {
  bool pending = false;
  while (flow.attempt < kAttempts) {
    int fd = connect_inside(SOCK_DGRAM, all.listeners[flow.listener].port, flow.attempt, &pending);
    uint32_t watched = 0;
    if (fd >= 0 && watch(all, fd, &watched, EPOLLIN, tag(About::Flow, static_cast<uint32_t>(&flow - all.flows)))) {
      flow.fd = fd;
      ++all.flows_open;
      return true;
    }
    if (fd >= 0) close(fd);
    ++flow.attempt;
  }
  return false;
}

bool is_refused(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNREFUSED;
}

// Over loopback a refusal is known when send() returns: until somebody has answered, the next way is tried.
void pass_in(Forwarder& all, Flow& flow, size_t size) {
  while (flow.fd > 0 || open_flow(all, flow)) {
    ssize_t sent = send(flow.fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    bool refused = (sent < 0 && errno == ECONNREFUSED) || (!flow.answered && is_refused(flow.fd));
    if (!refused || flow.answered) return;
    close_flow(all, flow);
    ++flow.attempt;
  }
  flow.attempt = 0;
}

// Only what sendmsg() takes back: the packet info, whose form is the same both ways. An answer goes where routes lead,
// not back through the interface; but a link-local address means nothing without its interface.
void keep_control(Flow& flow, msghdr& message) {
  flow.control_size = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO;
    bool v6 = part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO;
    size_t size = CMSG_SPACE(v4 ? sizeof(in_pktinfo) : sizeof(in6_pktinfo));
    if ((!v4 && !v6) || size > sizeof flow.control) continue;
    memcpy(flow.control, part, size);
    flow.control_size = size;
    unsigned char* info = CMSG_DATA(reinterpret_cast<cmsghdr*>(flow.control));
    if (v4) reinterpret_cast<in_pktinfo*>(info)->ipi_ifindex = 0;
    else if (auto* six = reinterpret_cast<in6_pktinfo*>(info); !IN6_IS_ADDR_LINKLOCAL(&six->ipi6_addr)) six->ipi6_ifindex = 0;
  }
}

}  // namespace

void take_datagrams(Forwarder& all, int listener) {
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    sockaddr_storage peer;
    alignas(cmsghdr) char control[128];
    iovec place{buffer, kBufferSize};
    msghdr message{};
    message.msg_name = &peer, message.msg_namelen = sizeof peer;
    message.msg_iov = &place, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(all.listeners[listener].fd, &message, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) continue;  // an ICMP error of an earlier answer
    Flow* flow = place_for(all, listener, peer, message.msg_namelen);
    if (flow->fd == 0) {
      *flow = Flow();
      flow->listener = static_cast<uint16_t>(listener);
      flow->peer = peer;
      flow->peer_size = message.msg_namelen;
    }
    flow->last = all.now;
    keep_control(*flow, message);
    pass_in(all, *flow, static_cast<size_t>(got));
  }
}

void answer_datagrams(Forwarder& all, int index) {
  Flow& flow = all.flows[index];
  for (int i = 0; i < kDatagramsAtOnce && flow.fd > 0; ++i) {
    ssize_t got = recv(flow.fd, buffer, kBufferSize, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) continue;  // refused; the error is gone by having been read
    flow.answered = true;
    flow.last = all.now;
    iovec place{buffer, static_cast<size_t>(got)};
    msghdr message{};
    message.msg_name = &flow.peer, message.msg_namelen = flow.peer_size;
    message.msg_iov = &place, message.msg_iovlen = 1;
    message.msg_control = flow.control_size > 0 ? flow.control : nullptr;
    message.msg_controllen = static_cast<socklen_t>(flow.control_size);
    sendmsg(all.listeners[flow.listener].fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

void end_idle_flows(Forwarder& all) {
  for (int i = 0; i < all.flows_used; ++i)
    if (all.flows[i].fd > 0 && all.now - all.flows[i].last >= kFlowIdleSeconds) close_flow(all, all.flows[i]);
  while (all.flows_used > 0 && all.flows[all.flows_used - 1].fd == 0) --all.flows_used;
}

}  // namespace hull::net::forward
