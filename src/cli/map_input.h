// What `hull map` knows of the host: a scan, our containers, kept names, and what /proc says of single processes. Gathers
// only; ns/map.h decides.
#pragma once

#include "ns/map.h"

namespace hull::cli {

// With `all`, also what only threads, open descriptors and sockets keep alive.
Result<ns::Topology> look_at_topology(bool all);

}  // namespace hull::cli
