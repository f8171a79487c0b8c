// The host's side of published ports: sockets bound on the host, and hull-port (net/forward), which serves them.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/fd.h"
#include "net/port_spec.h"

namespace hull::net {

struct Listening {
  PublishedPort port;
  Fd socket;  // TCP: listening; UDP: bound
};

// All of them or none. An address that is taken is Conflict with docker's words. "Every address" is two sockets with one
// port number, of IPv4 and, where the host has it, IPv6.
Result<std::vector<Listening>> listen_on(const std::vector<PortBinding>& bindings);

struct ForwarderPlace {
  std::string program;         // hull-port
  pid_t container = 0;         // in whose net namespace connections are made
  const Fd& pidfd;             // its handle: the forwarder ends with it
  const Fd& lock;              // a file that is locked: the forwarder holds it as long as it lives
  bool enter_user_ns = false;  // we have no rights over the net namespace but as its owner
};
// Returns once it serves; our child. The sockets are its own from then on, and the caller's copies can go.
Result<pid_t> start_forwarder(const ForwarderPlace& place, const std::vector<Listening>& listening);

}  // namespace hull::net
