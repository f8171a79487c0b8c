#include "kernel/net_move.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "kernel/clone.h"
#include "kernel/identity.h"
#include "kernel/netlink.h"

namespace hull::kernel {
namespace {

// One rtnetlink request: header, body, attributes.
class Request {
 public:
  template <typename Body>
  Request(uint16_t type, uint16_t flags, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    add(&header, sizeof header);
    add(&body, sizeof body);
  }
  void attribute(uint16_t type, const void* data, size_t size) {
    rtattr header{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    add(&header, sizeof header);
    add(data, size);
  }
  // Sends it and waits for the answer: 0 or an errno.
  int send() {
    auto size = static_cast<uint32_t>(text_.size());
    std::memcpy(text_.data(), &size, sizeof size);
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd || ::send(fd.get(), text_.data(), text_.size(), 0) < 0) return errno;
    alignas(nlmsghdr) char answer[4096];
    ssize_t got = ::recv(fd.get(), answer, sizeof answer, 0);
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return got < 0 ? errno : EPROTO;
    nlmsgerr error;
    std::memcpy(&error, answer + NLMSG_HDRLEN, sizeof error);
    return -error.error;
  }

 private:
  void add(const void* data, size_t size) {
    text_.append(static_cast<const char*>(data), size);
    text_.resize((text_.size() + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO);
  }
  std::string text_;
};

struct Arrival {
  const Fd& net_ns;
  const std::string& name;
  const std::vector<std::string>& addresses;
  int error = 0;
  std::string what;
};

int give_address(int index, const std::string& text) {
  std::vector<std::string> parts = split(text, '/');
  unsigned char bytes[16];
  ifaddrmsg body{};
  body.ifa_family = text.find(':') != std::string::npos ? AF_INET6 : AF_INET;
  body.ifa_prefixlen = static_cast<uint8_t>(parse_uint(parts.back(), 0, 128).value_or(0));
  body.ifa_index = static_cast<uint32_t>(index);
  if (::inet_pton(body.ifa_family, parts[0].c_str(), bytes) != 1) return EINVAL;
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body);
  size_t size = body.ifa_family == AF_INET6 ? sizeof(in6_addr) : sizeof(in_addr);
  request.attribute(IFA_LOCAL, bytes, size);
  request.attribute(IFA_ADDRESS, bytes, size);
  return request.send();
}

int bring_up(int index) {
  ifinfomsg body{};
  body.ifi_index = index;
  body.ifi_flags = body.ifi_change = IFF_UP;
  return Request(RTM_NEWLINK, 0, body).send();
}

// In a child that enters the namespace, so that we never leave ours.
int settle_in(void* context) {
  auto& arrival = *static_cast<Arrival*>(context);
  arrival.what = "enter the container's network namespace";
  if (::setns(arrival.net_ns.get(), CLONE_NEWNET) != 0) return arrival.error = errno, 1;
  arrival.what = "find it there";
  auto index = static_cast<int>(::if_nametoindex(arrival.name.c_str()));
  if (index == 0) return arrival.error = errno, 1;
  for (const std::string& address : arrival.addresses) {
    if (address.starts_with("fe80:")) continue;  // the kernel makes that one itself
    arrival.what = "give it the address " + address;
    if ((arrival.error = give_address(index, address)) != 0) return 1;
  }
  arrival.what = "bring it up";
  arrival.error = bring_up(index);
  return arrival.error != 0;
}

}  // namespace

Result<> move_device(const std::string& device, const Fd& net_ns, const std::string& name) {
  std::vector<NetLink> links = TRY(list_links());
  const NetLink* found = nullptr;
  for (const NetLink& link : links)
    if (link.name == device) found = &link;
  if (found == nullptr) return fail(ErrorKind::NotFound, format("there is no network device {}", device));
  const std::string& inside = name.empty() ? device : name;
  ifinfomsg body{};
  body.ifi_index = found->index;
  Request request(RTM_NEWLINK, 0, body);
  int fd = net_ns.get();
  request.attribute(IFLA_NET_NS_FD, &fd, sizeof fd);
  request.attribute(IFLA_IFNAME, inside.c_str(), inside.size() + 1);
  if (int error = request.send(); error != 0) return fail(Error::from_errno(error, "move", device));
  Arrival arrival{net_ns, inside, found->addresses, 0, {}};
  auto child = TRY(clone_sharing_memory({0, -1, false}, settle_in, &arrival));
  reap(child.pid);
  if (arrival.error != 0) return fail(Error::from_errno(arrival.error, arrival.what, inside));
  return {};
}

}  // namespace hull::kernel
