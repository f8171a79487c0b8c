// clone3(2) as hull needs it: a child that shares our memory until it execs (as vfork does), so that starting a
// process never copies our page tables, with namespaces, a pidfd and a cgroup in the same call.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/fd.h"

namespace hull::kernel {

struct CloneRequest {
  uint64_t flags = 0;      // CLONE_NEW*, CLONE_FILES; CLONE_VM|CLONE_VFORK are added
  int cgroup_fd = -1;      // a cgroup v2 directory for CLONE_INTO_CGROUP
  bool want_pidfd = false;
};

struct CloneResult {
  pid_t pid = 0;
  Fd pidfd;
};

// Runs `body(context)` in the child on a stack of its own; the caller sleeps until the child has exec'd or ended.
// The child may use our memory but must end in exec or _exit: its return value becomes its exit code.
// All signals are blocked in the child. Where clone3 is refused clone(2) does it, and the child enters the cgroup itself.
Result<CloneResult> clone_sharing_memory(const CloneRequest& request, int (*body)(void*), void* context);

}  // namespace hull::kernel
