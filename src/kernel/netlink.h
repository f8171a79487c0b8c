// rtnetlink, read only: links, addresses, routes of the net namespace that the caller is in, and how one net namespace
// numbers another. Each call opens its own socket. Nothing here changes anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace hull::kernel {

struct NetLink {
  int index = 0;
  std::string name, kind, mac, state;  // kind: "veth", "bridge", …, "" for hardware and lo; state: "up", "down", …
  uint32_t mtu = 0;
  bool up = false;                     // administratively
  int peer_index = 0;                  // of a veth or vlan, 0: none
  std::optional<int> peer_netns_id;    // where the peer is, when elsewhere
  std::vector<std::string> addresses;  // "10.0.0.2/24"
};

struct NetRoute {
  std::string destination;  // "default" or "10.0.0.0/24"
  std::string gateway;      // "" when on the link
  int link_index = 0;
  bool operator==(const NetRoute&) const = default;
};

Result<std::vector<NetLink>> list_links();    // with addresses, by index
Result<std::vector<NetRoute>> list_routes();  // the main table, both families

// The number under which our net namespace knows `other` (`ip netns list-id`), or nothing when it has none.
Result<std::optional<int>> netns_id(const Fd& other);

}  // namespace hull::kernel
