// hull's default seccomp profile (profiles/default-seccomp.json): docker's semantics hardened (SECURITY §5, L).
// Compiled when hull is built for the default capability sets; the start path only copies an array.
#pragma once

#include <linux/filter.h>

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/capabilities.h"

namespace hull::kernel {

// The prebuilt filter when `capabilities` select the same rules as a default set (extra capabilities that no rule
// mentions, such as NET_ADMIN, do not matter); empty when default_seccomp_filter has to compile.
std::span<const sock_filter> prebuilt_seccomp_filter(CapMask capabilities);
// The prebuilt filter, or one compiled now from the profile inside hull (about 0.3 ms).
Result<std::vector<sock_filter>> default_seccomp_filter(CapMask capabilities);
// The profile's JSON text in docker's form.
std::string_view default_seccomp_profile();

}  // namespace hull::kernel
