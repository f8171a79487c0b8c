// /proc/PID/mountinfo with hostile names: the cgroup layout is read without a crash.
#include <cstdint>

#include "kernel/cgroup.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hull::kernel::parse_cgroup_layout({reinterpret_cast<const char*>(data), size});
  return 0;
}
