// Published ports in docker's words: "-p [HOSTIP:][HOSTPORT]:PORT[/tcp|udp]" with ranges, "--expose PORT[/PROTO]", and how
// they are shown. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hull::net {

enum class Protocol : uint8_t { Tcp, Udp };
std::string_view protocol_name(Protocol protocol);

struct ContainerPort {
  uint16_t number = 0;
  Protocol protocol = Protocol::Tcp;
  auto operator<=>(const ContainerPort&) const = default;
  std::string text() const;  // "80/tcp"
};

// One port inside and where it is asked for: with host_first 0 at any, else at the first that is free of the range.
struct PortBinding {
  std::string host_ip;  // empty: every address
  uint16_t host_first = 0, host_last = 0;
  ContainerPort inside;
  std::string host_ports() const;  // "8080", "8000-8010"; "": any
  std::string host_text() const;   // "127.0.0.1:8080", "[::1]:any", "*:8080"
};

// Where it is.
struct PublishedPort {
  std::string host_ip;  // "0.0.0.0", "::", …
  uint16_t host_port = 0;
  ContainerPort inside;
  std::string host_text() const;  // "0.0.0.0:8080", "[::]:8080"
};

// Invalid with docker's texts. A range becomes a binding for each of its ports.
Result<std::vector<PortBinding>> parse_publish(std::string_view text);
Result<std::vector<ContainerPort>> parse_expose(std::string_view text);
// "80", "80/udp"; what an image or a user names.
Result<ContainerPort> parse_container_port(std::string_view text);
// Without those that are none: a bad one in an image is no error.
std::vector<ContainerPort> container_ports_from(const std::vector<std::string>& texts);

// The PORTS column: "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp"; neighbours with equal numbers inside and outside
// are joined to ranges.
std::string ports_text(std::vector<PublishedPort> published, const std::vector<ContainerPort>& only_exposed);

}  // namespace hull::net
