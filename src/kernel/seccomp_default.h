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
// The prebuilt filter, or one compiled now from the profile inside hull (about 0.3 ms). With `with_i386` (for images of
// linux/386 alone) i386 calls are let through by the same rules, but for socketcall: its arguments lie behind a pointer,
// so that no filter can see the socket family; it gives ENOSYS, and libc takes the direct calls.
Result<std::vector<sock_filter>> default_seccomp_filter(CapMask capabilities, bool with_i386 = false);
// The profile's JSON text in docker's form.
std::string_view default_seccomp_profile();

}  // namespace hull::kernel
