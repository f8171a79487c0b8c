// Seccomp profiles as JSON, in docker's form (archMap, includes, excludes, minKernel) and in the runtime-spec's,
// resolved for a set of capabilities into oci::Seccomp. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "kernel/capabilities.h"
#include "oci/spec.h"

namespace hull::kernel {

struct KernelVersion {
  unsigned major = 0, minor = 0;
  auto operator<=>(const KernelVersion&) const = default;
};

// docker's rules: an entry counts when every capability, some architecture and the kernel version of "includes" hold
// and none of "excludes" does. An archMap gives the native architecture's entry with its subArchitectures.
// `name` stands in errors. Fails with Invalid, naming the member.
Result<oci::Seccomp> parse_docker_seccomp_profile(std::string_view json_text, CapMask capabilities,
                                                  std::string_view name = "seccomp profile",
                                                  KernelVersion kernel = {6, 0});
// This host's, from uname(2).
KernelVersion host_kernel_version();

}  // namespace hull::kernel
