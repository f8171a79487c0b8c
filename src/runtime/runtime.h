// The OCI lifecycle over the sandbox's launch: create, start, run, kill, delete, exec, pause. There is no shim: the caller's
// subreaper (containerd-shim, conmon) becomes the parent of what is made here once this program ends.
//
//   create: directory -> clone -> state.json (intent) -> cgroup -> state.json (pid) -> hooks -> released: hull-init finds the
//           program, lets go of us and waits on start.fifo     start: a byte into start.fifo, which is then removed
//           (where the group cannot come later, intent and group are before the clone: claim_group)
//   run:    the same without a wait: released, hull-init becomes the program, and making.fifo, a mark only, is removed
//
// A create that is killed leaves a process that dies of its closed control socket, and a state that delete undoes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/notify.h"
#include "runtime/state.h"

namespace hull::runtime {

using Warn = std::function<void(const std::string&)>;

struct CreateOptions {
  std::string root, id, bundle = ".", pid_file, pidfd_socket, console_socket;
  std::string config;  // the text of config.json, which is kept
  int console_fd = -1;  // a connected socket instead of console_socket
  std::vector<std::string> extra_environment;
  uint32_t preserve_fds = 0;
  bool no_new_keyring = false, no_pivot = false, systemd_cgroup = false, no_cgroup = false;
  bool notify = false;  // the caller has NOTIFY_SOCKET, and `start` will have it
  Warn warn;
};
// `spec`: of the options' config (config.h). Everything made is undone on failure. The process's parent is the caller.
Result<pid_t> create(const CreateOptions& options, oci::Spec spec);

struct Running {
  pid_t pid;
  Notifier notifier;
  Home home;
  Fd directory;  // home's: another container of that id has another
  State state;
  std::vector<oci::Hook> poststop;
};
// create and start in one: the program has begun. `notify_socket`: the caller's (notify.h), or "".
Result<Running> run(const CreateOptions& options, oci::Spec spec, const std::string& notify_socket);

// With startContainer hooks, waits for the program and tells which failed; a poststart hook that fails ends the container.
// `notify_socket` as run's.
Result<Notifier> start(const std::string& root, const std::string& id, const std::string& notify_socket);
Result<> kill(const std::string& root, const std::string& id, int signal_number, bool all);
// Conflict for a container that runs, unless forced. A missing one is NotFound, or success when forced.
// With `force` also one that runs, or whose state cannot be read: then by the group that its configuration names.
Result<> remove(const std::string& root, const std::string& id, bool force, const Warn& warn = {});
// What `run` made and has waited for; what was deleted meanwhile, even if another has the id now, is left alone.
Result<> remove(const Running& running, const Warn& warn);
Result<> pause(const std::string& root, const std::string& id, bool freeze);
// `rdt_schemata`: lines for the container's class of service.
Result<> update(const std::string& root, const std::string& id, oci::Resources resources, const std::vector<std::string>& rdt_schemata);
Result<std::vector<pid_t>> processes(const std::string& root, const std::string& id);
Result<kernel::CgroupStats> stats(const std::string& root, const std::string& id);
Result<std::vector<Standing>> list(const std::string& root);

struct ExecOptions {
  std::string root, id, pid_file, pidfd_socket, console_socket;
  int console_fd = -1;
  uint32_t preserve_fds = 0;
  std::vector<std::string> cgroups;  // as Entry::below
  std::function<Result<>(oci::Process&)> change;  // turns the container's own process into the one wanted
  bool ignore_paused = false;
  Warn warn;
};
Result<pid_t> exec(const ExecOptions& options);
// Until the container is not paused. For exec --ignore-paused, which as runc's is done once the container goes on.
// KERNEL: who joins a frozen group sleeps before its program, and who makes it with it, deaf to signals: so the wait comes
// first; cgroup-v1/freezer-subsystem.rst.
Result<> wait_for_resume(const std::string& root, const std::string& id);
// For a process of the container that was killed: `error`, with the memory limit if that was it.
Error with_cause(const std::string& root, const std::string& id, Error error);

}  // namespace hull::runtime
