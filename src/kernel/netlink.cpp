#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "base/text.h"

namespace hull::kernel {
namespace {

using Attributes = std::vector<std::pair<uint16_t, std::string_view>>;

Attributes parse_attributes(std::string_view data) {
  Attributes attributes;
  while (data.size() >= sizeof(rtattr)) {
    rtattr head;
    memcpy(&head, data.data(), sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > data.size()) break;
    attributes.emplace_back(head.rta_type & NLA_TYPE_MASK, data.substr(RTA_LENGTH(0), head.rta_len - RTA_LENGTH(0)));
    data.remove_prefix(std::min<size_t>(RTA_ALIGN(head.rta_len), data.size()));
  }
  return attributes;
}

std::optional<std::string_view> find(const Attributes& attributes, uint16_t type) {
  for (const auto& [found, data] : attributes)
    if (found == type) return data;
  return std::nullopt;
}

template <typename T>
T value_of(const Attributes& attributes, uint16_t type, T fallback = {}) {
  std::optional<std::string_view> data = find(attributes, type);
  if (!data || data->size() < sizeof(T)) return fallback;
  T value;
  memcpy(&value, data->data(), sizeof value);
  return value;
}

std::string text_of(const Attributes& attributes, uint16_t type) {
  std::string_view data = find(attributes, type).value_or("");
  return std::string(data.substr(0, data.find('\0')));
}

std::string address_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if (bytes.size() != 4 && bytes.size() != 16) return "";
  return ::inet_ntop(family, bytes.data(), text, sizeof text) != nullptr ? text : "";
}

using Visit = std::function<void(uint16_t type, std::string_view payload)>;

// One datagram of answers; true when the last has come.
Result<bool> take_answers(std::string_view data, const Visit& visit) {
  while (data.size() >= sizeof(nlmsghdr)) {
    nlmsghdr head;
    memcpy(&head, data.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > data.size()) return fail(ErrorKind::Corrupt, "netlink: malformed answer");
    std::string_view payload = data.substr(NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN);
    if (head.nlmsg_type == NLMSG_DONE) return true;
    if (head.nlmsg_type == NLMSG_ERROR) {
      int code = 0;
      if (payload.size() >= sizeof code) memcpy(&code, payload.data(), sizeof code);
      if (code != 0) return fail(Error::from_errno(-code, "netlink", ""));
      return true;
    }
    visit(head.nlmsg_type, payload);
    if (!(head.nlmsg_flags & NLM_F_MULTI)) return true;
    data.remove_prefix(std::min<size_t>(NLMSG_ALIGN(head.nlmsg_len), data.size()));
  }
  return false;
}

Result<> ask(uint16_t type, uint16_t flags, std::string_view body, const Visit& visit) {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail_errno("socket", "AF_NETLINK");
  nlmsghdr head{static_cast<uint32_t>(NLMSG_HDRLEN + body.size()), type, static_cast<uint16_t>(NLM_F_REQUEST | flags), 1, 0};
  std::string message(reinterpret_cast<char*>(&head), sizeof head);
  message.append(body);
  if (::send(socket.get(), message.data(), message.size(), 0) < 0) return fail_errno("send", "netlink");
  std::string buffer(65536, '\0');
  for (;;) {
    ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("recv", "netlink");
    if (TRY(take_answers(std::string_view(buffer.data(), static_cast<size_t>(got)), visit))) return {};
  }
}

template <typename Header>
Result<> dump(uint16_t type, const std::function<void(const Header&, const Attributes&)>& visit) {
  Header request{};
  return ask(type, NLM_F_DUMP, std::string_view(reinterpret_cast<char*>(&request), sizeof request),
             [&](uint16_t, std::string_view payload) {
               if (payload.size() < sizeof(Header)) return;
               Header header;
               memcpy(&header, payload.data(), sizeof header);
               visit(header, parse_attributes(payload.substr(std::min<size_t>(NLMSG_ALIGN(sizeof header), payload.size()))));
             });
}

std::string mac_text(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) text += format("{}{:02x}", text.empty() ? "" : ":", byte);
  return text;
}

NetLink to_link(const ifinfomsg& header, const Attributes& attributes) {
  static constexpr const char* kStates[] = {"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"};
  NetLink link;
  link.index = header.ifi_index;
  link.up = (header.ifi_flags & IFF_UP) != 0;
  link.name = text_of(attributes, IFLA_IFNAME);
  link.mtu = value_of<uint32_t>(attributes, IFLA_MTU);
  link.mac = mac_text(find(attributes, IFLA_ADDRESS).value_or(""));
  link.state = kStates[std::min<size_t>(value_of<uint8_t>(attributes, IFLA_OPERSTATE), std::size(kStates) - 1)];
  link.peer_index = value_of<int>(attributes, IFLA_LINK);
  if (find(attributes, IFLA_LINK_NETNSID)) link.peer_netns_id = value_of<int>(attributes, IFLA_LINK_NETNSID);
  link.kind = text_of(parse_attributes(find(attributes, IFLA_LINKINFO).value_or("")), IFLA_INFO_KIND);
  return link;
}

}  // namespace

Result<std::vector<NetLink>> list_links() {
  std::vector<NetLink> links;
  TRY(dump<ifinfomsg>(RTM_GETLINK, [&](const ifinfomsg& header, const Attributes& attributes) {
    links.push_back(to_link(header, attributes));
  }));
  TRY(dump<ifaddrmsg>(RTM_GETADDR, [&](const ifaddrmsg& header, const Attributes& attributes) {
    std::optional<std::string_view> bytes = find(attributes, IFA_LOCAL);
    if (!bytes) bytes = find(attributes, IFA_ADDRESS);
    for (NetLink& link : links)
      if (bytes && link.index == static_cast<int>(header.ifa_index))
        link.addresses.push_back(format("{}/{}", address_text(*bytes), header.ifa_prefixlen));
  }));
  return links;
}

Result<std::vector<NetRoute>> list_routes() {
  std::vector<NetRoute> routes;
  TRY(dump<rtmsg>(RTM_GETROUTE, [&](const rtmsg& header, const Attributes& attributes) {
    if (value_of<uint32_t>(attributes, RTA_TABLE, header.rtm_table) != RT_TABLE_MAIN || header.rtm_type != RTN_UNICAST) return;
    NetRoute route;
    std::optional<std::string_view> to = find(attributes, RTA_DST);
    route.destination = to ? format("{}/{}", address_text(*to), header.rtm_dst_len) : "default";
    route.gateway = address_text(find(attributes, RTA_GATEWAY).value_or(""));
    route.link_index = value_of<int>(attributes, RTA_OIF);
    routes.push_back(std::move(route));
  }));
  return routes;
}

Result<std::optional<int>> netns_id(const Fd& other) {
  struct { rtgenmsg family; uint8_t padding[3]; rtattr head; uint32_t fd; } body{};
  body.head = {sizeof(rtattr) + sizeof(uint32_t), NETNSA_FD};
  body.fd = static_cast<uint32_t>(other.get());
  std::optional<int> id;
  TRY(ask(RTM_GETNSID, 0, std::string_view(reinterpret_cast<char*>(&body), sizeof body), [&](uint16_t, std::string_view payload) {
    if (payload.size() < NLMSG_ALIGN(sizeof(rtgenmsg))) return;
    int found = value_of<int>(parse_attributes(payload.substr(NLMSG_ALIGN(sizeof(rtgenmsg)))), NETNSA_NSID, NETNSA_NSID_NOT_ASSIGNED);
    if (found != NETNSA_NSID_NOT_ASSIGNED) id = found;
  }));
  return id;
}

}  // namespace hull::kernel
