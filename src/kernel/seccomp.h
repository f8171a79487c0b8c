// Seccomp filters: compiles the runtime-spec's profile to classic BPF without libseccomp (which needs 12-17 ms for
// docker's profile), a balanced tree over ranges of system call numbers, so that the kernel loads it fast. Pure; the
// filter is installed by hull-init. The default profile is compiled when hull is built (seccomp_default.h).
//
// What a filter decides, in this order:
//  - A foreign architecture that the profile does not list: ENOSYS (libseccomp kills the thread). Native alone is
//    the rule; SCMP_ARCH_X86 (i386 by int 0x80) and SCMP_ARCH_X32 are compiled with their own numbers when listed.
//  - x32 numbers (bit 30) when x32 is not listed: ENOSYS.
//  - Of the rules that name the call, the unconditional one counts, the first if there are several. A conditional
//    rule beside it counts only where it is stricter (libseccomp drops it; so hull is never laxer than runc).
//    Among conditional rules the strictest that matches wins (kill process, kill thread, trap, errno, notify,
//    trace, log, allow), then the first. Arguments of one rule are ANDed; a rule that names one argument twice
//    is taken as one rule per argument, ORed, as runc does.
//  - No rule: the default action; but where the default denies, a number above every one that the profile names,
//    or one that no system call has, gives ENOSYS, so that a libc newer than the profile falls back (as runc does).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"

namespace hull::kernel {

struct SeccompFilter {
  std::vector<sock_filter> program;      // at most BPF_MAXINSNS; begins with loading the architecture
  uint32_t flags = 0;                    // SECCOMP_FILTER_FLAG_* for seccomp(2)
  bool notifies = false;                 // some rule is SCMP_ACT_NOTIFY: flags hold NEW_LISTENER
  std::vector<std::string> unknown_syscalls;  // named by the profile, known on no x86 architecture: ignored
};

// Fails with Invalid, naming it, for an unknown action, operator, flag, architecture or argument index, and when the
// program would be too long. Known architectures that an x86-64 kernel never reports are ignored.
Result<SeccompFilter> compile_seccomp(const oci::Seccomp& profile);

// What profiles may name, and of that what this kernel has; asked of it.
struct SeccompNames {
  std::vector<std::string> operators, flags, available_actions, available_flags;
};
SeccompNames seccomp_names();

// The filter as text, one instruction a line ("0007 jge 0x1b 3 0"), for --dry-run.
std::string seccomp_to_text(const std::vector<sock_filter>& program);

}  // namespace hull::kernel
