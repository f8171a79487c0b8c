// What stands in the namespaces of a process: interfaces and listeners, mounts, System V and POSIX IPC, id maps,
// processes, clock offsets, cgroups, names. Read from /proc where the kernel shows it there, else by a child that
// enters the namespace, looks and ends.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "kernel/namespaces.h"

namespace hull::ns {

// One kind's content as an object of lists of lines ("addresses": ["lo 127.0.0.1/8", …]). Denied when we may not look.
Result<json::value> namespace_content(pid_t pid, kernel::NsKind kind);

// Any process of the namespace with this inode; NotFound when there is none (held by a file alone, or gone).
Result<pid_t> process_in_namespace(uint64_t inode);

}  // namespace hull::ns
