// Where the cgroups of a process are mounted for us. Called by nsenter.cpp and settings.cpp.
#pragma once

#include <string>
#include <string_view>

namespace hull::ns {

// Where a group of one hierarchy is mounted for us: of several mounts of the hierarchy, the last (others may lie hidden
// beneath it) whose root is above the group; "" when none is.
// `controllers` as /proc/PID/cgroup has them ("cpu,cpuacct", "name=systemd", "" for v2).
std::string find_group(std::string_view mountinfo, std::string_view controllers, std::string_view path);

}  // namespace hull::ns
