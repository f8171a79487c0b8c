// What is done to a container that is there: kill, delete, pause, update, lists.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/text.h"
#include "runtime/config.h"
#include "runtime/make.h"
#include "runtime/process.h"
#include "runtime/runtime.h"

namespace hull::runtime {
namespace {

Result<std::unique_ptr<kernel::Cgroup>> group_of(const Standing& standing) {
  if (cgroups() == nullptr) return fail(ErrorKind::Unsupported, "no cgroup hierarchy is mounted");
  if (standing.state.cgroup.empty()) return fail(ErrorKind::Unsupported, format("container {} has no cgroup: it was made without one", standing.state.id));
  return cgroups()->find(standing.state.cgroup);
}

Result<> end_processes(const Standing& standing) {
  if (standing.pidfd) TRY(kernel::send_signal(standing.pidfd, SIGKILL));
  if (cgroups() != nullptr && !standing.state.cgroup.empty())
    if (auto group = cgroups()->find(standing.state.cgroup); group && !TRY((*group)->empty())) TRY((*group)->kill());
  if (standing.pidfd && !kernel::wait_for_end(standing.pidfd, 10000))
    return fail(ErrorKind::System, format("process {} does not end", standing.state.process.pid));
  return {};
}

// What has ended has most often left an empty group. With a unit systemd is told first.
Result<> end_and_release(const Standing& standing) {
  const State& state = standing.state;
  bool idle = !standing.pidfd && state.unit.empty() && !state.cgroup.empty() && cgroups() != nullptr;
  if (idle && cgroups()->remove(state.cgroup, 0)) return {};
  TRY(end_processes(standing));
  return release_group(state.cgroup, state.unit);
}

}  // namespace

Result<> kill(const std::string& root, const std::string& id, int signal_number, bool all) {
  Standing standing = TRY(stand(root, id));
  if (all) {
    if (standing.state.cgroup.empty()) return kill(root, id, signal_number, false);
    auto group = group_of(standing);
    if (!group && group.error().kind() == ErrorKind::NotFound) return {};
    if (!group) return fail(std::move(group).error());
    if (signal_number == SIGKILL) return (*group)->kill();
    for (pid_t pid : TRY((*group)->processes()))
      if (auto pidfd = kernel::open_pidfd(pid)) TRY(kernel::send_signal(*pidfd, signal_number));
    return {};
  }
  if (!standing.pidfd) return fail(ErrorKind::Conflict, "container not running");
  TRY(kernel::send_signal(standing.pidfd, signal_number));
  // KERNEL: a task killed in a frozen v1 freezer stays until it is thawed; cgroup-v1/freezer-subsystem.rst.
  if (signal_number == SIGKILL && standing.status == "paused") return TRY(group_of(standing))->thaw();
  return {};
}

// What of a damaged state can be told without it.
static Standing guess_standing(const std::string& id, const Result<oci::Spec>& spec) {
  Standing standing{State{}, "stopped", Fd()};
  standing.state.oci_version = oci::kSpecVersion;
  standing.state.id = id;
  standing.state.bundle = "/";
  if (!spec) return standing;  // and no group is taken for its own by its name
  standing.state.cgroup = spec->linux_.cgroups_path.empty() ? "/" + id : spec->linux_.cgroups_path;
  if (!standing.state.cgroup.starts_with('/')) standing.state.cgroup.insert(0, "/");
  return standing;
}

static Result<> take_away(const Home& home, Standing& standing, const std::vector<oci::Hook>& poststop, const Warn& warn) {
  TRY(end_and_release(standing));
  TRY(kernel::release_rdt(standing.state.rdt));
  standing.status = "stopped";
  TRY(remove_home(home));
  if (!poststop.empty()) run_all_hooks(poststop, "poststop", json::to_text(state_json(standing, false)), standing.state.bundle, warn);
  return {};
}

Result<> remove(const std::string& root, const std::string& id, bool force, const Warn& warn) {
  Home home = TRY(home_of(root, id));
  Fd directory(::open(home.directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory && !TRY(lock_home(directory, home))) return remove(root, id, force, warn);  // there may be another by now
  auto found = stand(root, id);
  if (!found && found.error().kind() == ErrorKind::NotFound && force) return {};
  std::string config = read_file(home.file("config.json")).value_or("");
  auto spec = !found || may_name(config, {"poststop"}) ? parse_config(config) : Result<oci::Spec>(oci::Spec());
  if (!found && force && path_exists(home.directory)) {
    if (warn) warn(found.error().text() + "; its processes are looked for in the group that its configuration names");
    found = guess_standing(id, spec);
  }
  Standing standing = TRY(std::move(found));
  bool live = standing.status == "running" || standing.status == "paused" || standing.has_creator;
  if (live && !force) return fail(ErrorKind::Conflict, format("cannot delete container {} that is not stopped: {}", id, standing.status));
  return take_away(home, standing, spec ? spec->hooks.poststop : std::vector<oci::Hook>(), warn);
}

Result<> remove(const Running& running, const Warn& warn) {
  if (!TRY(lock_home(running.directory, running.home))) return {};
  Standing standing{running.state, "stopped", Fd()};
  return take_away(running.home, standing, running.poststop, warn);
}

Result<> pause(const std::string& root, const std::string& id, bool freeze) {
  Standing standing = TRY(stand(root, id));
  if (freeze && standing.status != "running" && standing.status != "created")
    return fail(ErrorKind::Conflict, format("cannot pause a container that is {}", standing.status));
  if (!freeze && standing.status != "paused") return fail(ErrorKind::Conflict, "container not paused");
  auto group = TRY(group_of(standing));
  return freeze ? group->freeze() : group->thaw();
}

// runtime-spec: with checkBeforeUpdate a limit below the present use is refused instead of met by killing.
static Result<> check_use(const kernel::Cgroup& group, const oci::Memory& memory) {
  if (!memory.check_before_update.value_or(false) || memory.limit.value_or(-1) <= 0) return {};
  uint64_t used = group.memory_usage().value_or(0);
  if (used > static_cast<uint64_t>(*memory.limit))
    return fail(ErrorKind::Conflict, format("memory.limit: {} bytes are in use, more than {}", used, *memory.limit));
  return {};
}

Result<> update(const std::string& root, const std::string& id, oci::Resources resources, const std::vector<std::string>& rdt_schemata) {
  drop_zeros(resources);
  Standing standing = TRY(stand(root, id));
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, "container not running");
  if (!rdt_schemata.empty()) TRY(kernel::change_rdt(standing.state.rdt, rdt_schemata));
  auto group = TRY(group_of(standing));
  TRY(check_use(*group, resources.memory));
  if (resources.cpu.quota.has_value() != resources.cpu.period.has_value()) {  // v2 and systemd take them together
    oci::Cpu present = group->bandwidth();
    if (!resources.cpu.quota) resources.cpu.quota = present.quota;
    if (!resources.cpu.period) resources.cpu.period = present.period;
  }
  return change_limits(*group, standing.state.unit, resources);
}

Result<std::vector<pid_t>> processes(const std::string& root, const std::string& id) {
  Standing standing = TRY(stand(root, id));
  if (!standing.state.cgroup.empty() || !standing.pidfd) return TRY(group_of(standing))->processes();
  return std::vector<pid_t>{standing.state.process.pid};
}

Result<std::vector<Standing>> list(const std::string& root) {
  std::vector<Standing> all;
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(root.c_str()), ::closedir);
  if (!directory && errno != ENOENT) return fail_errno("opendir", root);
  if (!directory) return all;
  while (dirent* entry = ::readdir(directory.get()))
    if (home_of(root, entry->d_name))
      if (auto standing = stand(root, entry->d_name)) all.push_back(std::move(*standing));
  std::sort(all.begin(), all.end(), [](const Standing& a, const Standing& b) { return a.state.id < b.state.id; });
  return all;
}

Error with_cause(const std::string& root, const std::string& id, Error error) {
  auto standing = stand(root, id);
  if (!standing) return error;
  auto group = group_of(*standing);
  return group ? with_oom_kills(std::move(error), **group) : std::move(error);
}

Result<kernel::CgroupStats> stats(const std::string& root, const std::string& id) {
  Standing standing = TRY(stand(root, id));
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, format("container with id {} is not running", id));
  auto group = TRY(group_of(standing));
  return group->stats();
}

}  // namespace hull::runtime
