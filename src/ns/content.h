// What stands in a namespace: interfaces and listeners, mounts, System V and POSIX IPC, id maps, processes, clock
// offsets, cgroups, names. Read from /proc of a process where the kernel shows it there, else from inside.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "kernel/namespaces.h"

namespace hull::ns {

// A namespace's content as an object of lists of lines ("addresses": ["lo 127.0.0.1/8", …]). `pid` is a process in it,
// 0 when it has none. Denied when we may not look: the text says whose it is.
Result<json::value> namespace_content(const Fd& ns, kernel::NsKind kind, pid_t pid);

// ---- the pure parts

struct ProcessLine {
  pid_t pid = 0, parent = 0;  // as the reader sees them
  std::string inside, name;   // PID in its own namespace, command name
};
// Children two spaces deeper below their parent: "1 (here 812) sh", "  7 (here 830) sleep".
std::vector<std::string> process_tree(std::vector<ProcessLine> processes);
// "0100007F:1F90" of /proc/net/tcp or 32 digits of tcp6: "127.0.0.1:8080", "[::1]:8080".
std::string socket_address(std::string_view hex);
// /proc/PID/cgroup as seen from outside and from inside: where the namespace's roots are, one line a hierarchy.
std::vector<std::string> cgroup_roots(std::string_view outside, std::string_view inside);
// "MOUNTPOINT TYPE SOURCE (options)" of each line of mountinfo.
std::vector<std::string> mount_lines(std::string_view mountinfo);

}  // namespace hull::ns
