// /proc/PID/mountinfo with hostile names: the cgroup layout and resctrl's place are read without a crash.
#include <cstdint>

#include "kernel/cgroup.h"
#include "kernel/resctrl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  hull::kernel::parse_cgroup_layout(text);
  hull::kernel::resctrl_mount_point(text);
  return 0;
}
