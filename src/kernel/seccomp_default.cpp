#include "kernel/seccomp_default.h"

#include <cerrno>

#include "kernel/seccomp.h"
#include "kernel/seccomp_profile.h"

namespace hull::kernel {

namespace {
struct Prebuilt {
  CapMask capabilities;  // of those that the profile mentions
  std::span<const sock_filter> filter;
};
#include "seccomp_default.inc"
}  // namespace

std::span<const sock_filter> prebuilt_seccomp_filter(CapMask capabilities) {
  for (const Prebuilt& prebuilt : kPrebuilt)
    if (prebuilt.capabilities == (capabilities & kMentioned)) return prebuilt.filter;
  return {};
}

Result<std::vector<sock_filter>> default_seccomp_filter(CapMask capabilities, bool with_i386) {
  std::span<const sock_filter> prebuilt = prebuilt_seccomp_filter(capabilities);
  if (!prebuilt.empty() && !with_i386) return std::vector<sock_filter>(prebuilt.begin(), prebuilt.end());
  oci::Seccomp profile = TRY(parse_docker_seccomp_profile(kProfile, capabilities, "default seccomp profile"));
  if (with_i386) {
    profile.architectures.push_back("SCMP_ARCH_X86");
    oci::SeccompRule socketcall{{"socketcall"}, "SCMP_ACT_ERRNO", ENOSYS, {}};
    profile.syscalls.insert(profile.syscalls.begin(), std::move(socketcall));  // the first of two unconditional rules counts
  }
  return TRY(compile_seccomp(profile)).program;
}

std::string_view default_seccomp_profile() { return {kProfile, sizeof kProfile - 1}; }

}  // namespace hull::kernel
