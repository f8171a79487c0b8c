// exec: one more process in a running container.
#include "base/duration.h"
#include "base/text.h"
#include "oci/validate.h"
#include "runtime/config.h"
#include "runtime/make.h"
#include "runtime/process.h"

namespace hull::runtime {
namespace {

struct Entering {
  const ExecOptions& options;
  Standing standing;
  oci::Spec spec;
  Fd console, listener;
  Entry entry;
};

Result<> check_standing(const Entering& e) {
  if (e.standing.status == "creating") return fail(ErrorKind::Conflict, "cannot exec in a container that is being created");
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
  TRY(check_selinux(process.selinux_label, "exec: process.selinuxLabel"));
  TRY(check_console(process, e.options.console_socket, e.options.console_fd));
  return process;
}

Result<> set_seccomp(Entering& e) {
  Filter filter = TRY(seccomp_of(e.spec));
  e.entry.options.seccomp_filter = std::move(filter.program);
  e.entry.options.seccomp_flags = filter.flags;
  if (!filter.notifies) return {};
  e.entry.options.listener_state = listener_state(e.spec, e.standing);
  e.listener = TRY(connect_socket(e.spec.linux_.seccomp->listener_path, "linux.seccomp.listenerPath"));
  e.entry.io.listener_fd = e.listener.get();
  return {};
}

Result<> set_io(Entering& e) {
  if (e.options.console_fd >= 0) e.entry.io.console_fd = e.options.console_fd;
  else if (!e.options.console_socket.empty()) {
    e.console = TRY(connect_socket(e.options.console_socket, "--console-socket"));
    e.entry.io.console_fd = e.console.get();
  }
  e.entry.io.preserved = preserved_descriptors(e.options.preserve_fds);
  e.entry.options.preserved_fds = static_cast<int>(e.options.preserve_fds);
  e.entry.options.memory_policy = e.spec.linux_.memory_policy;
  e.entry.options.personality = e.spec.linux_.personality_domain;
  return {};
}

}  // namespace

Result<> wait_for_resume(const std::string& root, const std::string& id) {
  while (TRY(stand(root, id)).status == "paused") sleep_ms(10);
  return {};
}

Result<pid_t> exec(const ExecOptions& options) {
  TRY(sandbox::check_open_files());
  Entering e{options, TRY(stand(options.root, options.id)), {}, {}, {}, {}};
  TRY(check_standing(e));
  Home home = TRY(home_of(options.root, options.id));
  e.spec = TRY(load_config(home));
  oci::Process process = TRY(wanted_process(e));
  TRY(set_seccomp(e));
  TRY(set_io(e));
  e.entry.below = options.cgroups;
  TRY(aim(e.entry, e.standing.state.process.pid, e.standing.pidfd, e.standing.state.cgroup, e.standing.state.unit));
  auto launched = TRY(enter(e.entry, process));
  if (process.oom_score_adj)
    TRY_CONTEXT(write_kernel_file(format("/proc/{}/oom_score_adj", launched.pid()), std::to_string(*process.oom_score_adj)), "process.oomScoreAdj");
  TRY_CONTEXT(kernel::enter_rdt(e.standing.state.rdt, launched.pid()), "linux.intelRdt");
  TRY_CONTEXT(write_pid_file(options.pid_file, launched.pid()), "--pid-file");
  TRY(send_pidfd(options.pidfd_socket, launched.pidfd()));
  TRY(launched.go());
  return launched.pid();
}

}  // namespace hull::runtime
