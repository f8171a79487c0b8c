#include "kernel/proc_connector.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hull::kernel {
namespace {

constexpr size_t kHead = sizeof(cn_msg);

Result<> subscribe(const Fd& socket) {
  alignas(nlmsghdr) char message[NLMSG_SPACE(kHead + sizeof(proc_cn_mcast_op))] = {};
  auto* header = reinterpret_cast<nlmsghdr*>(message);
  header->nlmsg_len = NLMSG_LENGTH(kHead + sizeof(proc_cn_mcast_op));
  header->nlmsg_type = NLMSG_DONE;
  header->nlmsg_pid = static_cast<uint32_t>(::getpid());
  cn_msg content{};
  content.id = {CN_IDX_PROC, CN_VAL_PROC};
  content.len = sizeof(proc_cn_mcast_op);
  proc_cn_mcast_op operation = PROC_CN_MCAST_LISTEN;
  std::memcpy(NLMSG_DATA(header), &content, kHead);
  std::memcpy(static_cast<char*>(NLMSG_DATA(header)) + kHead, &operation, sizeof operation);
  // KERNEL: nobody listens but in the first net namespace.
  if (::send(socket.get(), message, header->nlmsg_len, 0) < 0) return fail(ErrorKind::Unsupported, "the process connector answers in the host's net namespace only");
  return {};
}

// Calls `visit` with each event of a datagram.
void each_event(const char* data, size_t size, const std::function<void(const proc_event&)>& visit) {
  auto left = static_cast<unsigned>(size);
  for (auto* header = reinterpret_cast<const nlmsghdr*>(data); NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
    proc_event event{};
    size_t payload = header->nlmsg_len - NLMSG_HDRLEN;
    if (payload < kHead + offsetof(proc_event, event_data)) continue;
    std::memcpy(&event, static_cast<const char*>(NLMSG_DATA(header)) + kHead, std::min(sizeof event, payload - kHead));
    visit(event);
  }
}

// KERNEL: from another pid or user namespace the request is dropped without an answer; cn_proc_mcast_ctl().
Result<> wait_for_answer(const Fd& socket) {
  constexpr int kPatienceMs = 200;
  pollfd slot{socket.get(), POLLIN, 0};
  alignas(nlmsghdr) char buffer[4096];
  int refused = -1;
  while (refused < 0 && ::poll(&slot, 1, kPatienceMs) > 0) {
    ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) break;
    each_event(buffer, static_cast<size_t>(got), [&](const proc_event& event) {
      if (event.what == proc_event::PROC_EVENT_NONE) refused = static_cast<int>(event.event_data.ack.err);
    });
  }
  if (refused == 0) return {};
  if (refused > 0) return fail(ErrorKind::Denied, "the process connector needs CAP_NET_ADMIN in the host's user namespace");
  return fail(ErrorKind::Unsupported, "the process connector answers in the host's pid and user namespace only");
}

}  // namespace

Result<ProcessConnector> ProcessConnector::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR));
  if (!socket) return fail(ErrorKind::Unsupported, "the process connector is not in this kernel or net namespace (CONFIG_PROC_EVENTS)");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail(ErrorKind::Denied, "the process connector needs CAP_NET_ADMIN in the host's user namespace");
  constexpr int kBufferBytes = 4 << 20;  // a burst of some ten thousand events
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  TRY(subscribe(socket));
  TRY(wait_for_answer(socket));
  return ProcessConnector(std::move(socket));
}

bool ProcessConnector::read(const std::function<void(ProcessChange, pid_t)>& visit) const {
  alignas(nlmsghdr) char buffer[16384];
  bool whole = true;
  for (;;) {
    ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) whole = false;
    else if (got <= 0) return whole;
    if (got <= 0) continue;
    each_event(buffer, static_cast<size_t>(got), [&](const proc_event& event) {
      const auto& data = event.event_data;
      if (event.what == proc_event::PROC_EVENT_FORK && data.fork.child_pid == data.fork.child_tgid) visit(ProcessChange::Forked, data.fork.child_tgid);
      if (event.what == proc_event::PROC_EVENT_EXEC) visit(ProcessChange::Executed, data.exec.process_tgid);
      if (event.what == proc_event::PROC_EVENT_EXIT && data.exit.process_pid == data.exit.process_tgid) visit(ProcessChange::Ended, data.exit.process_tgid);
    });
  }
}

}  // namespace hull::kernel
