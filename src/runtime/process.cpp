#include "runtime/process.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/duration.h"
#include "base/text.h"
#include "kernel/host_facts.h"
#include "kernel/seccomp_profile.h"

namespace hull::runtime {

// Of a group that is there already.
static Result<std::unique_ptr<kernel::Cgroup>> take_group(const std::string& path, OldGroup old) {
  if (old == OldGroup::Replace) {
    TRY(cgroups()->remove(path));
    return cgroups()->create(path);
  }
  auto group = cgroups()->find(path);
  if (!group || old == OldGroup::Join) return group;
  constexpr int kMomentMs = 20;  // who has just made it enters it in a moment
  bool empty = TRY((*group)->empty());
  if (empty) sleep_ms(kMomentMs), empty = TRY((*group)->empty());
  if (!empty) return fail(ErrorKind::Exists, format("linux.cgroupsPath: {}: is in use", path));
  return group;
}

static Result<std::unique_ptr<kernel::Cgroup>> make_group(const std::string& path, OldGroup old) {
  if (old == OldGroup::Join) return take_group(path, old);
  auto group = cgroups()->create(path);
  if (!group && group.error().kind() == ErrorKind::Exists) return take_group(path, old);
  return group;
}

// An ordinary user may learn only now that he gets none. Who makes a user namespace is placed from outside. The others pass
// descriptors on that come of a whole plan.
static bool may_come_later(const Container& container, OldGroup old) {
  const oci::Spec& spec = container.spec;
  bool user = std::any_of(spec.linux_.namespaces.begin(), spec.linux_.namespaces.end(), [](const oci::Namespace& ns) { return ns.type == "user"; });
  bool listens = spec.linux_.seccomp && !spec.linux_.seccomp->listener_path.empty();
  return old != OldGroup::Join && !user && !listens && !sandbox::has_mapped_mounts(spec) && !kernel::is_ordinary();
}

static Result<> claim_later(Container& container, std::function<Result<>()> claim) {
  container.options.group_to_come = true;
  container.claim = std::move(claim);
  return {};
}

Result<> claim_group(Container& container, const std::string& path, OldGroup old, Undo& undo) {
  TRY(kernel::check_cgroup_path(path));
  auto claim = [&container, &undo, path, old](auto make) -> Result<> {
    if (cgroups() == nullptr) return {};
    container.group = TRY(make(path, old));
    if (old != OldGroup::Join) undo.add([path] { (void)cgroups()->remove(path); });
    return {};
  };
  bool later = may_come_later(container, old);
  if (later && kernel::has_v1_alone()) return claim_later(container, [claim] { return claim(make_group); });
  if (!later || cgroups() == nullptr) return claim(make_group);
  // Where v2 has a part in it, a process is cloned into that.
  auto entry = cgroups()->begin(path);
  if (!entry && entry.error().kind() == ErrorKind::Exists) return claim(take_group);
  container.group_entry = TRY(std::move(entry));
  undo.add([path] { (void)cgroups()->remove(path); });
  return claim_later(container, [&container, path]() -> Result<> { container.group = TRY(cgroups()->finish(path)); return {}; });
}

static Result<> take_plan(Container& container, Result<sandbox::LaunchPlan> plan) {
  if (!plan && !container.spec_name.empty()) return fail(std::move(plan).error().with_context(container.spec_name));
  container.plan = TRY(std::move(plan));
  return {};
}

static Result<> compile_whole(Container& container) {
  if (container.prepare) TRY(container.prepare());
  if (container.group && !container.claim) container.options.cgroup_enter_files = container.group->entry().files;
  return take_plan(container, sandbox::compile_plan(container.spec, kernel::host_facts(), container.options));
}

Result<> compile(Container& container) {
  if (!container.claim) return compile_whole(container);
  return take_plan(container, sandbox::compile_beginning(container.spec, container.options));
}

// What the process enters by itself; opened by us while it has other things to do.
static Result<> open_group_files(Container& container) {
  if (!container.group) return {};
  container.group_files = TRY(container.group->open_files());
  kernel::CgroupEntry way = container.group->entry();
  bool missed_v2 = !container.group_entry && way.into >= 0;  // there was more than seemed likely
  if (missed_v2) container.group_files.push_back(TRY(open_file(way.into_fallback_file, O_WRONLY)));
  container.options.cgroup_enter_files.clear();
  if (container.group_files.size() > sandbox::kMaxGroupFiles) container.options.cgroup_enter_files = way.files, container.group_files.clear();
  container.options.group_files = container.group_files.size();
  return {};
}

// KERNEL: v1 empties the list of devices before it is filled, and hull-init makes nodes meanwhile; and a group without
// realtime of its own refuses a realtime scheduler (EPERM), CONFIG_RT_GROUP_SCHED: so these come first.
static Result<> limit_first(const Container& container) {
  if (!container.group || !container.spec.linux_.resources) return {};
  const oci::Resources& all = *container.spec.linux_.resources;
  oci::Resources first;
  first.cpu.realtime_period = all.cpu.realtime_period;
  first.cpu.realtime_runtime = all.cpu.realtime_runtime;
  TRY_CONTEXT(container.group->apply(first), "linux.resources");
  first = {};
  first.devices = all.devices;
  Result<> done = container.group->apply(first);
  // An ordinary user may load no filter, even into a group that is his, and needs none: he makes no nodes and opens only
  // what the host lets him. As runc does.
  if (!done && kernel::is_ordinary() && done.error().errno_value() == EPERM) return {};
  return done;
}

Result<sandbox::Launched> launch(Container& container, sandbox::LaunchIo io) {
  if (container.claim) {
    io.cgroup_fd = container.group_entry.get();
    io.place = [&container](pid_t) -> Result<std::vector<int>> {
      TRY(container.claim());
      TRY(open_group_files(container));
      TRY(compile_whole(container));
      TRY(limit_first(container));
      std::vector<int> files;
      for (const Fd& file : container.group_files) files.push_back(file.get());
      return files;
    };
    return sandbox::launch(container.plan, io);
  }
  if (!container.users_unit.empty() && (container.plan.new_namespaces & CLONE_NEWUSER) != 0)
    io.place = [&container](pid_t pid) -> Result<std::vector<int>> {
      TRY(kernel::attach_to_systemd_unit(container.users_unit, pid));
      return std::vector<int>();
    };
  else if (container.group) io.cgroup_fd = container.group->entry().into;
  TRY(limit_first(container));
  return sandbox::launch(container.plan, io);
}

Result<> limit(const Container& container) {
  if (!container.group || !container.spec.linux_.resources) return {};
  oci::Resources limits = *container.spec.linux_.resources;
  limits.devices.clear();
  limits.cpu.realtime_period.reset();
  limits.cpu.realtime_runtime.reset();
  return container.group->apply(limits);
}

Error with_oom_kills(Error error, const kernel::Cgroup& group) {
  if (group.oom_kills().value_or(0) == 0) return error;
  return std::move(error).with_remedy(format("the kernel killed it for want of memory: the limit is {} bytes; raise memory.limit", group.memory_limit().value_or(0)));
}

// A group below the container's own is what its processes made of it: of plain components, so never one beside it.
static Result<> aim_below(Entry& entry, const std::string& group, const std::string& wish, std::vector<std::string>& files) {
  size_t colon = wish.find(':');
  std::vector<std::string> controllers = colon == std::string::npos ? std::vector<std::string>() : split(wish.substr(0, colon), ',');
  std::string path = wish.substr(colon == std::string::npos ? 0 : colon + 1);
  if (path == "/") return {};
  if (!path.starts_with('/')) path.insert(0, "/");
  TRY_CONTEXT(kernel::check_cgroup_path(path), "--cgroup");
  std::string whole = group + path;
  if (controllers.empty()) {
    entry.groups.push_back(TRY_CONTEXT(cgroups()->find(whole), "--cgroup"));
    kernel::CgroupEntry way = entry.groups.back()->entry();
    if (way.into >= 0) entry.io.cgroup_fd = way.into;
    files = way.files;
    return {};
  }
  if (cgroups()->mode() == kernel::CgroupMode::V2)
    return fail(ErrorKind::Invalid, format("--cgroup \"{}\": cgroup v2 has one hierarchy for all controllers; write the path alone", wish));
  kernel::CgroupLayout layout = TRY(kernel::discover_cgroups());
  for (const std::string& controller : controllers) {
    auto of = std::find_if(layout.v1.begin(), layout.v1.end(), [&](const kernel::CgroupHierarchy& one) {
      return std::find(one.controllers.begin(), one.controllers.end(), controller) != one.controllers.end();
    });
    if (of == layout.v1.end()) return fail(ErrorKind::NotFound, format("--cgroup \"{}\": this host has no controller {}", wish, controller));
    for (std::string& file : files)
      if (file.starts_with(of->mount_point + "/")) file = of->mount_point + whole + "/tasks";
  }
  return {};
}

// KERNEL: cgroup v1 asks for the rights of whoever opened the file only since 5.16; __cgroup1_procs_write().
static bool opener_enters_groups() {
  kernel::KernelVersion version = kernel::host_kernel_version();
  return version.major > 5 || (version.major == 5 && version.minor >= 16);
}

Result<> aim(Entry& entry, pid_t pid, const Fd& pidfd, const std::string& group, const std::string& unit) {
  entry.io.target_pidfd = pidfd.get();
  entry.options.join_target = TRY(sandbox::differing_namespaces(pid));
  entry.options.setgroups_refused = kernel::is_unprivileged() && (entry.options.join_target & CLONE_NEWUSER) != 0;
  if (cgroups() == nullptr || group.empty()) {
    if (!entry.below.empty()) return fail(ErrorKind::Unsupported, "--cgroup: the container has no group of its own");
    return {};
  }
  entry.groups.push_back(TRY(cgroups()->find(group)));
  kernel::CgroupEntry way = entry.groups.back()->entry();
  if (!unit.empty() && kernel::systemd_is_the_users()) entry.users_unit = unit;
  else entry.io.cgroup_fd = way.into;
  if (!entry.below.empty() && !entry.users_unit.empty()) return fail(ErrorKind::Unsupported, "--cgroup: an ordinary user's systemd places the process itself");
  std::vector<std::string> files = way.files;
  for (const std::string& wish : entry.below) TRY(aim_below(entry, group, wish, files));
  for (const std::string& file : files) entry.files.push_back(TRY(open_file(file, O_WRONLY)));
  for (const Fd& file : entry.files) entry.io.cgroup_files.push_back(file.get());
  entry.options.cgroup_file_count = entry.files.size();
  entry.options.opener_enters_groups = opener_enters_groups();
  return {};
}

Result<sandbox::Launched> enter(Entry& entry, const oci::Process& process) {
  entry.plan = TRY(sandbox::compile_exec_plan(process, entry.options));
  auto launched = TRY(sandbox::launch(entry.plan, entry.io));
  if (!entry.users_unit.empty()) TRY(kernel::attach_to_systemd_unit(entry.users_unit, launched.pid()));
  return launched;
}

}  // namespace hull::runtime
