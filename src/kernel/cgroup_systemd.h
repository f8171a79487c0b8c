// Groups that systemd makes: a transient scope, or slice, asked for on its bus (dbus.h). Names as Kubernetes, runc and crun
// give them. systemd is told the limits that it has properties for, so that a reload of its own keeps them; all limits
// and the device rules are then written by cgroup.h into the group that it made. runtime/unit.cpp is the one caller.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernel/cgroup.h"
#include "kernel/dbus.h"

namespace hull::kernel {

struct SystemdUnit {
  std::string name;   // "runc-ID.scope"
  std::string slice;  // "kubepods-podX.slice": what it is under
  bool is_slice() const { return name.ends_with(".slice"); }
};
// linux.cgroupsPath as "slice:prefix:name"; empty: "system.slice:runc:ID", and user.slice for an ordinary user. Pure.
Result<SystemdUnit> parse_systemd_path(std::string_view cgroups_path, std::string_view id, bool user);
// "a-b.slice" is /a.slice/a-b.slice; "-.slice" is "". Pure.
Result<std::string> expand_slice(std::string_view slice);

// The limits that systemd has properties for; on v1 the devices, too, whose drivers' names are in the text of
// /proc/devices. Invalid values fail as in cgroup.h. Pure.
Result<std::vector<DbusProperty>> systemd_limits(const oci::Resources& resources, CgroupMode mode, std::string_view proc_devices = {});
// Annotations "org.systemd.property.NAME" with a value in GVariant's text form ('text', true, 5, uint64 5, ['a', 'b']);
// NAMESec in seconds is NAMEUSec. Pure.
Result<std::vector<DbusProperty>> systemd_annotations(const std::map<std::string, std::string>& annotations);
// "[(-.slice)]" as the last part of an object's path: what is no letter or digit, in hexadecimal. Pure.
std::string dbus_label(std::string_view name);

// A process that does nothing but keep a new scope from being empty, which systemd refuses. It dies with us.
class UnitHolder {
 public:
  UnitHolder() = default;
  UnitHolder(UnitHolder&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  UnitHolder& operator=(UnitHolder&& other) noexcept {
    if (this != &other) { release(); pid_ = std::exchange(other.pid_, 0); }
    return *this;
  }
  ~UnitHolder() { release(); }
  Result<> hold();
  void release();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

// Whose systemd is asked: an ordinary user's own, or the system's.
bool systemd_is_the_users();

struct SystemdRequest {
  SystemdUnit unit;
  std::string description;
  pid_t pid = 0;                          // its first process; 0 for a slice
  std::vector<DbusProperty> limits, more;  // more: of annotations
};
// Makes it and waits until systemd did; the path of its group. Exists when the name is taken. Each of these calls ends after
// $SYSTEMD_BUS_TIMEOUT, as systemd's own tools do; by default 25 seconds.
Result<std::string> start_systemd_unit(const SystemdRequest& request);
// Until the next boot; systemd has written them into the group when this returns.
Result<> change_systemd_unit(const std::string& name, const std::vector<DbusProperty>& limits);
// Moves a process of ours into it, from wherever it is. For an ordinary user, who may move none across what is not his.
Result<> attach_to_systemd_unit(const std::string& name, pid_t pid);
// Stopped and forgotten; success when there is none. Its processes are to have ended.
Result<> stop_systemd_unit(const std::string& name);

}  // namespace hull::kernel
