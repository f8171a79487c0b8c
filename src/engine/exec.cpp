// exec: one more process in a running container, by the same launch as the first, with the container's namespaces
// joined through its pidfd and its cgroup entered by the process itself.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/text.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_session.h"
#include "engine/facts.h"
#include "engine/launcher.h"
#include "engine/names.h"
#include "engine/state.h"
#include "kernel/host_facts.h"
#include "kernel/identity.h"

namespace hull::engine {
namespace {

struct Target {
  Record record;
  Standing standing;
};

Result<Target> find_target(const Layout& layout, std::string_view container) {
  Records records(layout);
  Place place = TRY(records.find(container));
  Record record = TRY(records.load(place));
  Standing standing = stand(layout, place);
  if (!standing.state.running()) return fail(ErrorKind::Conflict, format("container {} is not running", record.id));
  if (standing.state.status == Status::Paused)
    return fail(ErrorKind::Conflict, format("container {} is paused, unpause the container before exec", record.name));
  return Target{std::move(record), std::move(standing)};
}

// Entries of `more` replace those of the same name.
void merge_environment(std::vector<std::string>& env, const std::vector<std::string>& more) {
  for (const std::string& entry : more) {
    std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(env, [&](const std::string& old) { return !name.empty() && old.starts_with(name); });
    env.push_back(entry);
  }
}

Result<oci::Process> exec_process(const Target& target, const ExecOptions& options) {
  Record record = target.record;  // a variation of the container's own process
  record.process.args = options.command;
  record.process.workdir = options.workdir.empty() ? record.process.workdir : options.workdir;
  record.config.tty = options.tty;
  record.config.oom_score_adj.reset();
  record.config.privileged = options.privileged || record.config.privileged;
  if (!options.user.empty()) {
    record.process.user = options.user;
    std::erase_if(record.process.env, [](const std::string& entry) { return entry.starts_with("HOME="); });
  }
  merge_environment(record.process.env, options.env);
  if (options.tty) merge_environment(record.process.env, {"TERM=xterm"});
  OciFacts facts;
  facts.capabilities = kernel::host_capabilities();
  facts.user = TRY(look_up_user(record.process.user, {running_root(target.standing.state.pid)}, record.config.group_add));
  TerminalSize size = options.tty ? terminal_size(options.streams.out) : TerminalSize{};
  facts.rows = size.rows;
  facts.columns = size.columns;
  oci::Process process = TRY(oci_process(record, facts));
  process.rlimits.clear();  // inherited from us, as the container's were
  return process;
}

struct ExecIo {
  Fd container_in, container_out, container_err, console;
  ExecStreams ours;
};

Result<> connect_streams(const ExecOptions& options, ExecIo& io) {
  if (options.detach && !options.tty) return {};
  if (options.tty) {
    SocketPair console = TRY(make_socket_pair(SOCK_STREAM));
    io.console = std::move(console.first);
    io.ours.console = std::move(console.second);
    return {};
  }
  Pipe out = TRY(make_pipe()), err = TRY(make_pipe());
  io.container_out = std::move(out.write), io.ours.out = std::move(out.read);
  io.container_err = std::move(err.write), io.ours.err = std::move(err.read);
  if (!options.interactive) return {};
  Pipe in = TRY(make_pipe());
  io.container_in = std::move(in.read), io.ours.in = std::move(in.write);
  return {};
}

// KERNEL: a pid namespace ends only when all its processes are reaped, and one whose parent is outside waits for that
// parent; zap_pid_ns_processes. So what outlives `hull exec -d` gets a shim as its parent, which does nothing but reap.
Result<sandbox::ParentProgram> reaping_parent(const Record& record) {
  sandbox::ParentProgram shim;
  shim.path = TRY(find_helper("hull-shim"));
  shim.arguments = {"hull-shim", record.id, "%pid"};
  shim.dismiss = kernel::reap;  // it ends with its child
  return shim;
}

// docker's three: made, started, ended. They are one exec by their execID.
void tell_exec(const Layout& layout, const Record& record, const std::string& exec_id, const std::vector<std::string>& actions, EventAttributes more = {}) {
  more["execID"] = exec_id;
  std::vector<Event> events;
  for (const std::string& action : actions) events.push_back(container_event(record, action, more));
  append_events(layout, events);
}

Result<> aim(runtime::Entry& entry, const Target& target, const ExecOptions& options) {
  TRY(runtime::aim(entry, target.standing.state.pid, target.standing.pidfd, host_cgroups() != nullptr ? cgroup_path(target.record) : ""));
  if (!options.privileged) {
    auto [filter, flags] = TRY(container_seccomp(target.record));
    entry.options.seccomp_filter = std::move(filter);
    entry.options.seccomp_flags = flags;
  }
  if (options.detach) entry.io.parent = TRY(reaping_parent(target.record));
  return {};
}

}  // namespace

Result<Outcome> Engine::exec(std::string_view container, const ExecOptions& options) const {
  Layout layout{root_, run_};
  TRY(sandbox::check_open_files());
  TRY(DetachKeys::parse(options.detach_keys));
  Target target = TRY(find_target(layout, container));
  runtime::Entry entry;
  TRY(aim(entry, target, options));
  ExecIo io;
  TRY(connect_streams(options, io));
  entry.io.stdin_fd = io.container_in.get();
  entry.io.stdout_fd = io.container_out.get();
  entry.io.stderr_fd = io.container_err.get();
  entry.io.console_fd = io.console.get();
  oci::Process process = TRY(exec_process(target, options));
  auto launched = TRY(runtime::enter(entry, process));
  io.container_in.reset(), io.container_out.reset(), io.container_err.reset(), io.console.reset();
  Outcome outcome;
  outcome.id = target.record.id;
  outcome.detached = options.detach;
  if (auto released = launched.go(); !released) {
    if (options.detach) kernel::reap(launched.parent_pid());
    outcome.exit_code = launched.command_failed() ? exit_code_of_command_failure(released.error()) : 125;
    outcome.error = std::move(released).error();
    return outcome;
  }
  std::string exec_id = random_id(), words = join(options.command, " ");
  tell_exec(layout, target.record, exec_id, {"exec_create: " + words, "exec_start: " + words});
  if (options.detach) return outcome;
  SessionEnd end = TRY(run_exec_session(std::move(io.ours), launched.pid(), launched.pidfd(), options));
  outcome.exit_code = end.exit_code;
  outcome.detached = end.kind == SessionEnd::Kind::Detached;
  if (outcome.detached) tell_exec(layout, target.record, exec_id, {"exec_detach"});
  else tell_exec(layout, target.record, exec_id, {"exec_die"}, {{"exitCode", std::to_string(end.exit_code)}});
  return outcome;
}

}  // namespace hull::engine
