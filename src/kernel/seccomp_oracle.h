// Test support: builds a profile with libseccomp (loaded at run time, in tests alone) to compare ours with.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <optional>
#include <vector>

#include "oci/spec.h"

namespace hull::kernel::test {

// The profile's rules added as runc adds them; nothing when libseccomp is not installed or refuses.
std::optional<std::vector<sock_filter>> libseccomp_filter(const oci::Seccomp& profile);

}  // namespace hull::kernel::test
