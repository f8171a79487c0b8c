#include "net/port_spec.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"

namespace hull::net {
namespace {

tl::unexpected<Error> invalid(std::string text) { return fail(ErrorKind::Invalid, std::move(text)); }

struct Range { uint16_t first = 0, last = 0; };

std::optional<Range> parse_range(std::string_view text) {
  size_t dash = text.find('-');
  auto first = parse_uint(text.substr(0, dash), 0, 65535);
  auto last = dash == std::string_view::npos ? first : parse_uint(text.substr(dash + 1), 0, 65535);
  if (!first || !last || *last < *first) return std::nullopt;
  return Range{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

Result<Protocol> parse_protocol(std::string_view text) {
  std::string name = to_lower(text);
  if (name == "tcp") return Protocol::Tcp;
  if (name == "udp") return Protocol::Udp;
  if (name == "sctp") return fail(ErrorKind::Unsupported, "sctp ports cannot be published; use tcp or udp");
  return invalid(format("invalid proto: {}", text));
}

// "80-90/udp"
Result<std::pair<Range, Protocol>> parse_inside(std::string_view text, std::string_view what) {
  size_t slash = text.find('/');
  std::string_view numbers = text.substr(0, slash);
  auto range = parse_range(numbers);
  if (!range || range->first == 0) return invalid(format("{}: {}", what, numbers));
  Protocol protocol = slash == std::string_view::npos || slash + 1 == text.size() ? Protocol::Tcp : TRY(parse_protocol(text.substr(slash + 1)));
  return std::pair(*range, protocol);
}

Result<std::string> parse_host_ip(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  unsigned char address[16];
  bool known = text.empty() || ::inet_pton(AF_INET, text.c_str(), address) == 1 || ::inet_pton(AF_INET6, text.c_str(), address) == 1;
  if (!known) return invalid(format("invalid IP address: {}", text));
  return text;
}

// "published=8080,target=80,protocol=tcp", docker's long form.
Result<std::string> short_form(std::string_view text) {
  std::map<std::string, std::string, std::less<>> words{{"protocol", "tcp"}};
  for (const std::string& pair : split(text, ',')) {
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) return invalid(format("invalid publish opts format (should be name=value but got '{}')", pair));
    words[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return format("{}:{}/{}", words["published"], words["target"], words["protocol"]);
}

std::string joined(std::string_view ip, std::string_view port) {
  return ip.find(':') == std::string_view::npos ? format("{}:{}", ip, port) : format("[{}]:{}", ip, port);
}

// A run of ports whose numbers inside and outside are equal; without address: only exposed.
struct Group {
  std::string ip;
  Protocol protocol;
  uint16_t first, last;
  std::string text() const {
    std::string numbers = first == last ? std::to_string(first) : format("{}-{}", first, last);
    std::string where = ip.empty() ? numbers : joined(ip, numbers) + "->" + numbers;
    return format("{}/{}", where, protocol_name(protocol));
  }
};

}  // namespace

std::string_view protocol_name(Protocol protocol) { return protocol == Protocol::Tcp ? "tcp" : "udp"; }
std::string ContainerPort::text() const { return format("{}/{}", number, protocol_name(protocol)); }

std::string PortBinding::host_ports() const {
  if (host_first == 0) return "";
  return host_first == host_last ? std::to_string(host_first) : format("{}-{}", host_first, host_last);
}

std::string PortBinding::host_text() const { return joined(host_ip.empty() ? "*" : host_ip, host_first == 0 ? "any" : host_ports()); }
std::string PublishedPort::host_text() const { return joined(host_ip, std::to_string(host_port)); }

Result<std::vector<PortBinding>> parse_publish(std::string_view given) {
  std::string text = given.find('=') == std::string_view::npos ? std::string(given) : TRY(short_form(given));
  size_t last = text.rfind(':');
  size_t before = last == std::string::npos || last == 0 ? std::string::npos : text.rfind(':', last - 1);
  std::string inside_text = last == std::string::npos ? text : text.substr(last + 1);
  std::string host_text = last == std::string::npos ? "" : text.substr(before == std::string::npos ? 0 : before + 1, last - (before == std::string::npos ? 0 : before + 1));
  std::string host_ip = TRY(parse_host_ip(before == std::string::npos ? "" : text.substr(0, before)));
  if (inside_text.empty() || inside_text[0] == '/') return invalid(format("no port specified: {}<empty>", given));
  auto [inside, protocol] = TRY(parse_inside(inside_text, "invalid containerPort"));
  auto host = host_text.empty() ? Range{} : parse_range(host_text).value_or(Range{1, 0});
  if (host.last < host.first) return invalid(format("invalid hostPort: {}", host_text));
  int count = inside.last - inside.first;
  bool paired = host.first != 0 && host.last - host.first == count;
  if (host.first != 0 && !paired && count != 0)
    return invalid(format("invalid ranges specified for container and host Ports: {} and {}", inside_text.substr(0, inside_text.find('/')), host_text));
  std::vector<PortBinding> bindings;
  for (int i = 0; i <= count; ++i) {
    PortBinding binding{host_ip, host.first, host.last, {static_cast<uint16_t>(inside.first + i), protocol}};
    if (paired) binding.host_first = binding.host_last = static_cast<uint16_t>(host.first + i);
    bindings.push_back(std::move(binding));
  }
  return bindings;
}

Result<std::vector<ContainerPort>> parse_expose(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return invalid(format("invalid port format for --expose: {}", text));
  auto [range, protocol] = TRY(parse_inside(text, "invalid range format for --expose"));
  std::vector<ContainerPort> ports;
  for (int number = range.first; number <= range.last; ++number) ports.push_back({static_cast<uint16_t>(number), protocol});
  return ports;
}

Result<ContainerPort> parse_container_port(std::string_view text) {
  auto [range, protocol] = TRY(parse_inside(text, "invalid port"));
  if (range.first != range.last) return invalid(format("invalid port: {}", text));
  return ContainerPort{range.first, protocol};
}

std::vector<ContainerPort> container_ports_from(const std::vector<std::string>& texts) {
  std::vector<ContainerPort> ports;
  for (const std::string& text : texts)
    if (auto port = parse_container_port(text)) ports.push_back(*port);
  return ports;
}

std::string ports_text(std::vector<PublishedPort> published, const std::vector<ContainerPort>& only_exposed) {
  for (const ContainerPort& port : only_exposed) published.push_back({"", port.number, port});
  std::sort(published.begin(), published.end(), [](const PublishedPort& a, const PublishedPort& b) {
    return std::tie(a.inside.number, a.host_ip, a.host_port, a.inside.protocol) < std::tie(b.inside.number, b.host_ip, b.host_port, b.inside.protocol);
  });
  std::vector<Group> groups;  // the last of each address and protocol may still grow
  std::vector<std::string> done, moved;
  for (const PublishedPort& port : published) {
    uint16_t number = port.inside.number;
    if (port.host_port != number) {
      moved.push_back(port.host_text() + "->" + port.inside.text());
      continue;
    }
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.ip == port.host_ip && g.protocol == port.inside.protocol; });
    if (group == groups.end()) groups.push_back({port.host_ip, port.inside.protocol, number, number});
    else if (number == group->last + 1) group->last = number;
    else {
      done.push_back(group->text());
      group->first = group->last = number;
    }
  }
  for (const Group& group : groups) done.push_back(group.text());
  done.insert(done.end(), moved.begin(), moved.end());
  return join(done, ", ");
}

}  // namespace hull::net
