// What stands in a namespace: interfaces and listeners, mounts, System V and POSIX IPC, id maps,
// processes, clock offsets, cgroups, names. Read from /proc where the kernel shows it there, else by a child that
// enters the namespace, looks and ends.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "base/json.h"
#include "kernel/namespaces.h"

namespace hull::ns {

// A namespace's content as an object of lists of lines ("addresses": ["lo 127.0.0.1/8", …]). `pid` is a process in it,
// 0 when it has none. Denied when we may not look: the text says whose it is.
Result<json::value> namespace_content(const Fd& ns, kernel::NsKind kind, pid_t pid);

}  // namespace hull::ns
