#include "ns/content_net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/text.h"
#include "kernel/netlink.h"
#include "ns/content.h"

namespace hull::ns {
namespace {

json::array to_array(const std::vector<std::string>& lines) {
  json::array out;
  for (const std::string& line : lines) out.push_back(json::string(line));
  return out;
}

std::string text_of(const Fd& proc_self, const std::string& name) {
  auto file = open_at(proc_self, name, O_RDONLY);
  auto text = file ? read_all(*file) : Result<std::string>();
  return text ? *text : std::string();
}

void add_inet_listeners(const Fd& proc_self, std::vector<std::string>& found) {
  struct Table { const char* name; const char* state; };  // TCP_LISTEN; an unconnected datagram socket is in TCP_CLOSE
  constexpr Table kTables[] = {{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"}};
  for (const Table& table : kTables) {
    std::string text = text_of(proc_self, format("net/{}", table.name));
    for (std::string_view line : split_lines(text)) {
      auto words = split_words(line);
      if (words.size() > 3 && words[3] == table.state) found.push_back(format("{} {}", table.name, socket_address(words[1])));
    }
  }
}

void add_unix_listeners(const Fd& proc_self, std::vector<std::string>& found) {
  constexpr std::string_view kAccepts = "00010000";  // SO_ACCEPTCON in the flags
  std::string text = text_of(proc_self, "net/unix");
  for (std::string_view line : split_lines(text)) {
    auto words = split_words(line);
    if (words.size() > 7 && words[3] == kAccepts) found.push_back("unix " + escape_controls(words[7]));
  }
}

std::string link_line(const kernel::NetLink& link) {
  std::string line = format("{} {}", link.name, link.up ? "up" : "down");
  if (!link.kind.empty()) line += " " + link.kind;
  if (!link.mac.empty() && link.name != "lo") line += " " + link.mac;
  line += format(" mtu {}", link.mtu);
  if (link.peer_index != 0) line += format(" peer if{}", link.peer_index);
  return link.peer_netns_id ? line + format(" in netns {}", *link.peer_netns_id) : line;
}

std::string name_of(const std::vector<kernel::NetLink>& links, int index) {
  for (const kernel::NetLink& link : links)
    if (link.index == index) return link.name;
  return format("if{}", index);
}

std::string route_line(const kernel::NetRoute& route, const std::vector<kernel::NetLink>& links) {
  std::string line = route.destination;
  if (!route.gateway.empty()) line += " via " + route.gateway;
  return route.link_index != 0 ? line + " dev " + name_of(links, route.link_index) : line;
}

}  // namespace

std::string socket_address(std::string_view hex) {
  size_t colon = hex.find(':');
  if (colon != 8 && colon != 32) return std::string(hex);
  unsigned port = 0;
  std::from_chars(hex.data() + colon + 1, hex.data() + hex.size(), port, 16);
  unsigned char bytes[16] = {};
  for (size_t i = 0; i < colon / 8; ++i) {
    uint32_t word = 0;
    std::from_chars(hex.data() + i * 8, hex.data() + i * 8 + 8, word, 16);
    std::copy_n(reinterpret_cast<const unsigned char*>(&word), 4, bytes + i * 4);  // the kernel prints it in host order
  }
  bool four = colon == 8;
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(four ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return four ? format("{}:{}", text, port) : format("[{}]:{}", text, port);
}

json::value look_at_network(const Fd& proc_self) {
  std::vector<std::string> links, addresses, routes, listeners;
  auto found = kernel::list_links().value_or(std::vector<kernel::NetLink>());
  for (const kernel::NetLink& link : found) {
    links.push_back(escape_controls(link_line(link)));
    for (const std::string& address : link.addresses) addresses.push_back(escape_controls(link.name + " " + address));
  }
  for (const kernel::NetRoute& route : kernel::list_routes().value_or(std::vector<kernel::NetRoute>()))
    routes.push_back(escape_controls(route_line(route, found)));
  add_inet_listeners(proc_self, listeners);
  add_unix_listeners(proc_self, listeners);
  std::sort(listeners.begin(), listeners.end());
  listeners.erase(std::unique(listeners.begin(), listeners.end()), listeners.end());
  return json::object{{"links", to_array(links)}, {"addresses", to_array(addresses)},
                      {"routes", to_array(routes)}, {"listeners", to_array(listeners)}};
}

}  // namespace hull::ns
