// What /proc/PID/cgroup says, whose names any process may choose: the layout and the engine's name are read without a crash.
#include <cstdint>

#include "kernel/cgroup.h"
#include "ns/label.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto layout = hull::kernel::guess_cgroup_layout(text)) (void)layout->mode();
  (void)hull::ns::cgroup_label(text);
  return 0;
}
