// exec: one more process in a running container.
#include <fcntl.h>
#include <sched.h>

#include <memory>

#include "base/text.h"
#include "kernel/host_facts.h"
#include "oci/validate.h"
#include "runtime/make.h"
#include "sandbox/launch.h"

namespace hull::runtime {
namespace {

struct Entering {
  const ExecOptions& options;
  Standing standing;
  oci::Spec spec;
  std::unique_ptr<kernel::Cgroup> group;
  std::vector<Fd> files;
  Fd console, listener;
  sandbox::ExecPlanOptions plan;
  sandbox::LaunchIo io;
};

Result<> check_standing(const Entering& e) {
  if (e.standing.status == "stopped") return fail(ErrorKind::Conflict, "cannot exec in a stopped container");
  if (e.standing.status == "paused" && !e.options.ignore_paused) return fail(ErrorKind::Conflict, "cannot exec in a paused container");
  return {};
}

Result<oci::Process> wanted_process(Entering& e) {
  oci::Process process = e.spec.process;
  process.scheduler.reset();  // the first process's own
  process.exec_cpu_affinity = e.spec.process.exec_cpu_affinity;
  TRY(e.options.change(process));
  TRY_CONTEXT(oci::validate(process), "exec");
  TRY(adapt_process(process, e.options.warn));
  TRY(check_console(process, e.options.console_socket, e.options.console_fd));
  return process;
}

Result<> open_group(Entering& e) {
  if (cgroups() == nullptr || e.standing.state.cgroup.empty()) return {};
  e.group = TRY(cgroups()->find(e.standing.state.cgroup));
  kernel::CgroupEntry entry = e.group->entry();
  e.io.cgroup_fd = entry.into;
  for (const std::string& file : entry.files) e.files.push_back(TRY(open_file(file, O_WRONLY)));
  for (const Fd& file : e.files) e.io.cgroup_files.push_back(file.get());
  e.plan.cgroup_file_count = e.files.size();
  return {};
}

Result<> set_seccomp(Entering& e) {
  Filter filter = TRY(seccomp_of(e.spec));
  e.plan.seccomp_filter = std::move(filter.program);
  e.plan.seccomp_flags = filter.flags;
  if (!filter.notifies) return {};
  e.plan.listener_state = listener_state(e.spec, e.standing);
  e.listener = TRY(connect_socket(e.spec.linux_.seccomp->listener_path, "linux.seccomp.listenerPath"));
  e.io.listener_fd = e.listener.get();
  return {};
}

Result<> set_io(Entering& e) {
  if (e.options.console_fd >= 0) e.io.console_fd = e.options.console_fd;
  else if (!e.options.console_socket.empty()) {
    e.console = TRY(connect_socket(e.options.console_socket, "--console-socket"));
    e.io.console_fd = e.console.get();
  }
  e.io.target_pidfd = e.standing.pidfd.get();
  e.io.preserved = preserved_descriptors(e.options.preserve_fds);
  e.plan.preserved_fds = static_cast<int>(e.options.preserve_fds);
  e.plan.memory_policy = e.spec.linux_.memory_policy;
  e.plan.personality = e.spec.linux_.personality_domain;
  e.plan.join_target = TRY(sandbox::differing_namespaces(e.standing.state.process.pid));
  e.plan.setgroups_refused = kernel::is_unprivileged() && (e.plan.join_target & CLONE_NEWUSER) != 0;
  return {};
}

}  // namespace

Result<pid_t> exec(const ExecOptions& options) {
  Entering e{options, TRY(stand(options.root, options.id)), {}, {}, {}, {}, {}, {}, {}};
  TRY(check_standing(e));
  Home home = TRY(home_of(options.root, options.id));
  e.spec = TRY(load_config(home));
  oci::Process process = TRY(wanted_process(e));
  TRY(set_seccomp(e));
  TRY(open_group(e));
  TRY(set_io(e));
  sandbox::LaunchPlan plan = TRY(sandbox::compile_exec_plan(process, e.plan));
  auto launched = TRY(sandbox::launch(plan, e.io));
  TRY(write_pid_file(options.pid_file, launched.pid()));
  TRY(launched.go());
  return launched.pid();
}

}  // namespace hull::runtime
