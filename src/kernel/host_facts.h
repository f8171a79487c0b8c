// What a plan needs to know of this host, probed once per process. Plain data, so that compiling a plan stays pure
// and can be tested for hosts that are not ours.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hull::kernel {

struct HostFacts {
  bool cgroup_unified = false;  // only cgroup v2 is mounted, at /sys/fs/cgroup
  // v1 hierarchies as (directory under /sys/fs/cgroup, mount option): ("cpu", "cpu"), ("systemd", "none,name=systemd")
  std::vector<std::pair<std::string, std::string>> cgroup_v1;
  bool in_user_namespace = false;  // we are not in the initial one: mknod and some mounts are refused
  bool unprivileged = false;       // see is_unprivileged()
  bool has_mqueue = false;         // /dev/mqueue is there to be bound
  bool has_kcore = true;           // /proc/kcore, which not every kernel is built with
  int last_capability = 40;
};

// CPUs that are online, whichever of them this process may use (sysconf(3) counts these in one C library, those in the
// other). At least 1.
unsigned online_cpus();

// Reads them from /proc; never fails (an unreadable file leaves the conservative value).
const HostFacts& host_facts();
bool in_user_namespace();
// Without CAP_SETGID, or in a user namespace that gave setgroups up: an ordinary user, whose id maps hold one id.
bool is_unprivileged();
// is_unprivileged(), or root of another user namespace than the host's: mknod and some cgroups are refused.
bool is_ordinary();

}  // namespace hull::kernel
