// Settings that are compared but not shown: the sysctls of a namespace, read from inside it, and what restrains a
// process besides its namespaces: capabilities, seccomp, resource limits, the limits of its cgroup. Objects of lists of
// lines, as content.h's. Called by `hull ns diff`.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/fd.h"
#include "base/json.h"
#include "kernel/namespaces.h"

namespace hull::ns {

// {"sysctls": ["net.ipv4.ip_forward = 0", …]}; an empty object for kinds that have none. Keys that hold secrets or count
// what happens are left out. Denied when we may not look.
Result<json::value> namespace_settings(const Fd& ns, kernel::NsKind kind);
// NotFound when the process is gone.
Result<json::value> process_settings(pid_t pid);

// ---- the pure parts

// Of /proc/PID/status: "capabilities effective" and so on, "seccomp", "no_new_privs", "user".
json::object status_facts(std::string_view status);
// Of /proc/PID/limits: "Max open files = 1024 524288".
json::array limit_lines(std::string_view limits);

}  // namespace hull::ns
