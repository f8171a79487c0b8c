// Why a pid namespace does not end although its first process was killed. Called by the engine after it has waited.
#pragma once

#include <sys/types.h>

#include <string>

namespace hull::ns {

// KERNEL: the first process of a pid namespace is reported as ended only when every other process in it is: zap_pid_ns_processes,
// pid_namespaces(7). Names one that is not, with what would let it go: a parent outside that has not collected it
// (`hull exec` that is stopped), or the kernel (uninterruptible sleep). One clause; says so when it finds none.
std::string what_holds_up(pid_t first_process);

}  // namespace hull::ns
