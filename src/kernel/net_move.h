// Moves a network device into another net namespace: runtime-spec's netDevices. Its addresses, which the kernel takes from a
// device that changes namespace, are given back there, and it is brought up.
#pragma once

#include <string>

#include "base/fd.h"

namespace hull::kernel {

// `name` is what it is called there; "" keeps `device`. NotFound when there is no such device here.
Result<> move_device(const std::string& device, const Fd& net_ns, const std::string& name);

}  // namespace hull::kernel
