// Whose a process is, when no container of ours claims it: another engine's container or a systemd unit, by the layout
// of its cgroup path; else nothing. Pure.
#pragma once

#include <string>
#include <string_view>

namespace hull::ns {

// `cgroups` is the text of /proc/PID/cgroup. "docker 0123456789ab", "podman …", "containerd …", "crio …",
// "nspawn NAME", "unit NAME", or "".
std::string cgroup_label(std::string_view cgroups);

}  // namespace hull::ns
