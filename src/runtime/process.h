// A container's process, from its specification to the point where it waits to be released: the group, the plan, the
// launch. `hull oci` makes containers of bundles with it (create.cpp, exec.cpp), the engine of records (launcher.cpp,
// exec.cpp). There is no other way to a container.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/undo.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_systemd.h"
#include "oci/spec.h"
#include "sandbox/launch.h"
#include "sandbox/plan.h"

namespace hull::runtime {

inline kernel::Cgroups* cgroups() { return kernel::host_cgroups(); }

// The first process.
struct Container {
  oci::Spec spec;
  sandbox::PlanOptions options;             // but for what the group decides
  std::unique_ptr<kernel::Cgroup> group;    // claim_group or claim_unit; null: nothing is limited, or it is to come
  std::function<Result<>()> claim;          // claim_group: launch makes the group while hull-init begins, which then enters it
  Fd group_entry;                           // Cgroups::begin
  std::vector<Fd> group_files;              // Cgroup::open_files, with `claim`
  std::function<Result<>()> prepare;        // fills in options that take work, before a whole plan is compiled; or null
  std::string spec_name;                    // of what the specification was read from, for errors
  kernel::UnitHolder holder;                // claim_unit; until the process is in the group
  std::string users_unit;                   // claim_unit: that an ordinary user's own systemd made
  sandbox::LaunchPlan plan;                 // compile; outlives the launch
};

enum class OldGroup {  // what becomes of a group of that name that is there
  Join,                // it has to be: a cgroup namespace that was kept is rooted in it. Never removed by `undo`
  Take,                // taken when nothing runs in it, as runc does; else Exists
  Replace,             // left by a start that was killed: removed first
};
// Now, or by the launch, which `undo` outlives.
Result<> claim_group(Container& container, const std::string& path, OldGroup old, Undo& undo);

// The same through systemd (unit.cpp); the group is where systemd says it is.
Result<> claim_unit(Container& container, const kernel::SystemdUnit& unit, const std::string& description, Undo& undo);
// A group's removal, and its unit's if it has one: also when systemd is not there any more.
Result<> release_group(const std::string& path, const std::string& unit);
// Other limits for a group that lives.
Result<> change_limits(kernel::Cgroup& group, const std::string& unit, const oci::Resources& resources);

// Where the group is to come, most often the plan's beginning alone; the launch compiles the rest while hull-init begins.
Result<> compile(Container& container);

// The group's device rules and realtime, then the process. `io` is completed with the group.
Result<sandbox::Launched> launch(Container& container, sandbox::LaunchIo io);

// The group's other limits, while hull-init builds the mounts: before it is released there is nothing to limit but itself.
Result<> limit(const Container& container);

// What the kernel killed for want of memory says nothing itself: `error` with that cause, if the group has seen such kills.
Error with_oom_kills(Error error, const kernel::Cgroup& group);

// A further process.
struct Entry {
  sandbox::ExecPlanOptions options;
  sandbox::LaunchIo io;
  std::vector<std::string> below;  // runc's --cgroup: "[CONTROLLER,…:]PATH", existing groups below the container's own
  std::vector<std::unique_ptr<kernel::Cgroup>> groups;  // hold LaunchIo::cgroup_fd
  std::string users_unit;    // as a Container's
  std::vector<Fd> files;     // of the group, as descriptors: once inside, their paths are out of sight
  sandbox::LaunchPlan plan;  // enter; outlives the launch
};
// What every process that joins the running `pid` needs of its namespaces and of its group ("": it has none), and of that group's unit.
Result<> aim(Entry& entry, pid_t pid, const Fd& pidfd, const std::string& group, const std::string& unit = {});
Result<sandbox::Launched> enter(Entry& entry, const oci::Process& process);

}  // namespace hull::runtime
