// What is done to a container that is there: exec, kill, delete, pause, update, lists.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "kernel/host_facts.h"
#include "oci/validate.h"
#include "runtime/make.h"
#include "runtime/runtime.h"
#include "sandbox/launch.h"

namespace hull::runtime {
namespace {

Result<std::unique_ptr<kernel::Cgroup>> group_of(const Standing& standing) {
  if (cgroups() == nullptr) return fail(ErrorKind::Unsupported, "no cgroup hierarchy is mounted");
  return cgroups()->find(standing.state.cgroup);
}

Result<> end_processes(const Standing& standing) {
  if (standing.pidfd) TRY(kernel::send_signal(standing.pidfd, SIGKILL));
  if (cgroups() != nullptr && !standing.state.cgroup.empty())
    if (auto group = cgroups()->find(standing.state.cgroup)) TRY((*group)->kill());
  if (standing.pidfd && !kernel::wait_for_end(standing.pidfd, 10000))
    return fail(ErrorKind::System, format("process {} does not end", standing.state.process.pid));
  return {};
}

}  // namespace

Result<> kill(const std::string& root, const std::string& id, int signal_number, bool all) {
  Standing standing = TRY(stand(root, id));
  if (all) {
    if (cgroups() == nullptr) return fail(ErrorKind::Unsupported, "no cgroup hierarchy is mounted");
    auto group = cgroups()->find(standing.state.cgroup);
    if (!group) return {};
    if (signal_number == SIGKILL) return (*group)->kill();
    for (pid_t pid : TRY((*group)->processes()))
      if (auto pidfd = kernel::open_pidfd(pid)) TRY(kernel::send_signal(*pidfd, signal_number));
    return {};
  }
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, "container not running");
  TRY(kernel::send_signal(standing.pidfd, signal_number));
  // KERNEL: a task killed in a frozen v1 freezer stays until it is thawed; cgroup-v1/freezer-subsystem.rst.
  if (signal_number == SIGKILL && standing.status == "paused") return TRY(group_of(standing))->thaw();
  return {};
}

Result<> remove(const std::string& root, const std::string& id, bool force) {
  auto found = stand(root, id);
  if (!found && found.error().kind() == ErrorKind::NotFound && force) return {};
  Standing standing = TRY(std::move(found));
  Home home = TRY(home_of(root, id));
  bool live = standing.status == "running" || standing.status == "paused";
  if (live && !force) return fail(ErrorKind::Conflict, format("cannot delete container {} that is not stopped: {}", id, standing.status));
  TRY(end_processes(standing));
  if (cgroups() != nullptr && !standing.state.cgroup.empty()) TRY(cgroups()->remove(standing.state.cgroup));
  standing.status = "stopped";
  auto spec = load_spec(home.file("config.json"));
  std::string text = json::to_text(state_json(standing, false));
  TRY(remove_tree(home.directory));
  if (spec) (void)run_hooks(spec->hooks.poststop, "poststop", text, standing.state.bundle);  // runtime-spec: errors are warnings, the rest goes on
  return {};
}

Result<> pause(const std::string& root, const std::string& id, bool freeze) {
  Standing standing = TRY(stand(root, id));
  if (freeze && standing.status != "running" && standing.status != "created")
    return fail(ErrorKind::Conflict, format("cannot pause a container that is {}", standing.status));
  if (!freeze && standing.status != "paused") return fail(ErrorKind::Conflict, "container not paused");
  auto group = TRY(group_of(standing));
  return freeze ? group->freeze() : group->thaw();
}

Result<> update(const std::string& root, const std::string& id, const oci::Resources& resources) {
  Standing standing = TRY(stand(root, id));
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, "container not running");
  return TRY(group_of(standing))->apply(resources);
}

Result<std::vector<pid_t>> processes(const std::string& root, const std::string& id) {
  Standing standing = TRY(stand(root, id));
  return TRY(group_of(standing))->processes();
}

Result<std::vector<Standing>> list(const std::string& root) {
  std::vector<Standing> all;
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(root.c_str()), ::closedir);
  if (!directory) return all;
  while (dirent* entry = ::readdir(directory.get()))
    if (home_of(root, entry->d_name))
      if (auto standing = stand(root, entry->d_name)) all.push_back(std::move(*standing));
  std::sort(all.begin(), all.end(), [](const Standing& a, const Standing& b) { return a.state.id < b.state.id; });
  return all;
}

Result<pid_t> exec(const ExecOptions& options) {
  Standing standing = TRY(stand(options.root, options.id));
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, "cannot exec in a stopped container");
  if (standing.status == "paused" && !options.ignore_paused) return fail(ErrorKind::Conflict, "cannot exec in a paused container");
  Home home = TRY(home_of(options.root, options.id));
  oci::Spec spec = TRY(load_spec(home.file("config.json")));
  oci::Process process = std::move(spec.process);
  TRY(options.change(process));
  TRY(oci::validate(process));
  if (process.terminal == options.console_socket.empty())
    return fail(ErrorKind::Invalid, process.terminal ? "process.terminal: needs --console-socket" : "--console-socket: given without a terminal");
  Filter filter = TRY(seccomp_of(spec));
  sandbox::ExecPlanOptions plan_options;
  plan_options.join_target = TRY(sandbox::differing_namespaces(standing.state.process.pid));
  plan_options.setgroups_refused = kernel::is_unprivileged() && (plan_options.join_target & CLONE_NEWUSER) != 0;
  plan_options.seccomp_filter = std::move(filter.program);
  plan_options.seccomp_flags = filter.flags;
  sandbox::LaunchIo io;
  Fd console = options.console_socket.empty() ? Fd() : TRY(connect_console(options.console_socket));
  std::unique_ptr<kernel::Cgroup> group;
  std::vector<Fd> files;
  if (cgroups() != nullptr) {
    group = TRY(group_of(standing));
    kernel::CgroupEntry entry = group->entry();
    io.cgroup_fd = entry.into;
    for (const std::string& file : entry.files) files.push_back(TRY(open_file(file, O_WRONLY)));
    for (const Fd& file : files) io.cgroup_files.push_back(file.get());
  }
  plan_options.cgroup_file_count = files.size();
  io.console_fd = console.get();
  io.target_pidfd = standing.pidfd.get();
  sandbox::LaunchPlan plan = TRY(sandbox::compile_exec_plan(process, plan_options));
  auto launched = TRY(sandbox::launch(plan, io));
  TRY(write_pid_file(options.pid_file, launched.pid()));
  TRY(launched.go());
  return launched.pid();
}

}  // namespace hull::runtime
