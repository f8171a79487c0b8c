// Seccomp profiles in docker's JSON: no crash on any text.
#include <cstdint>

#include "kernel/seccomp_profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto profile = hull::kernel::parse_docker_seccomp_profile({reinterpret_cast<const char*>(data), size}, {}, {});
  return profile ? 0 : 0;
}
