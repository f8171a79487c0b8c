// create and start.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "base/undo.h"
#include "kernel/host_facts.h"
#include "runtime/make.h"
#include "runtime/runtime.h"
#include "sandbox/launch.h"

namespace hull::runtime {
namespace {

std::string now_text() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts;
  ::gmtime_r(&now.tv_sec, &parts);
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                parts.tm_min, parts.tm_sec, now.tv_nsec);
}

Result<std::string> absolute(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return fail_errno("realpath", path);
  std::string out = real;
  ::free(real);
  return out;
}

struct Making {
  CreateOptions options;
  Home home;
  oci::Spec spec;
  State state;
  std::unique_ptr<kernel::Cgroup> group;
  sandbox::PlanOptions plan_options;
  sandbox::LaunchPlan plan;
};

Result<> read_bundle(Making& m) {
  m.home = TRY(home_of(m.options.root, m.options.id));
  m.state.bundle = TRY(absolute(m.options.bundle));
  m.spec = TRY(load_spec(m.state.bundle + "/config.json"));
  std::string& path = m.spec.root.path;
  path = TRY_CONTEXT(absolute(path.starts_with('/') ? path : m.state.bundle + "/" + path), "root.path");
  for (oci::Mount& mount : m.spec.mounts) {
    if (!mount.destination.starts_with('/')) mount.destination = "/" + mount.destination;
    bool bind = mount.type == "bind";
    for (const std::string& option : mount.options) bind |= option == "bind" || option == "rbind";
    if (bind && !mount.source.starts_with('/')) mount.source = m.state.bundle + "/" + mount.source;
  }
  if (m.spec.process.terminal && m.options.console_socket.empty())
    return fail(ErrorKind::Invalid, "process.terminal: needs --console-socket");
  if (!m.spec.process.terminal && !m.options.console_socket.empty())
    return fail(ErrorKind::Invalid, "--console-socket: given without process.terminal");
  m.state.oci_version = "1.2.0";
  m.state.id = m.options.id;
  m.state.rootfs = path;
  m.state.created = now_text();
  m.state.boot = kernel::boot_id();
  m.state.annotations = m.spec.annotations;
  m.state.cgroup = m.spec.linux_.cgroups_path.empty() ? "/" + m.options.id : m.spec.linux_.cgroups_path;
  if (!m.state.cgroup.starts_with('/')) m.state.cgroup.insert(0, "/");
  return {};
}

Result<> claim_directory(Making& m, Undo& undo) {
  TRY(make_directories(m.options.root, 0711));
  if (::mkdir(m.home.directory.c_str(), 0711) != 0) {
    if (errno == EEXIST) return fail(ErrorKind::Exists, format("container with id exists: \"{}\"", m.options.id));
    return fail_errno("mkdir", m.home.directory);
  }
  undo.add([&m] { (void)remove_tree(m.home.directory); });
  TRY(write_state(m.home, m.state));
  TRY(make_directories(m.home.file("root"), 0711));
  return replace_file(m.home.file("config.json"), TRY(read_file(m.state.bundle + "/config.json")), Durability::Volatile);
}

// An existing group is taken when nothing runs in it, as runc does; it is removed with the container.
Result<> claim_cgroup(Making& m, Undo& undo) {
  if (cgroups() == nullptr) return {};
  auto group = cgroups()->create(m.state.cgroup);
  if (!group && group.error().kind() == ErrorKind::Exists) {
    group = cgroups()->find(m.state.cgroup);
    if (group && !TRY((*group)->empty())) return fail(ErrorKind::Exists, format("linux.cgroupsPath: {}: is in use", m.state.cgroup));
  }
  m.group = TRY(std::move(group));
  undo.add([&m] { (void)cgroups()->remove(m.state.cgroup); });
  return {};
}

Result<> compile(Making& m) {
  Filter filter = TRY(seccomp_of(m.spec));
  m.plan_options.mount_point = m.home.file("root");
  m.plan_options.seccomp_filter = std::move(filter.program);
  m.plan_options.seccomp_flags = filter.flags;
  m.plan_options.new_keyring = !m.options.no_new_keyring;
  m.plan_options.report_ready = m.plan_options.wait_start = true;
  if (m.group) m.plan_options.cgroup_enter_files = m.group->entry().files;
  m.plan = TRY_CONTEXT(sandbox::compile_plan(m.spec, kernel::host_facts(), m.plan_options), "config.json");
  return {};
}

Result<> limit(Making& m, oci::Resources resources) {
  if (!m.group) return {};
  return m.group->apply(resources);
}

// Between the namespaces' making and the release: limits, hooks, the pid on disk.
Result<> complete(Making& m, sandbox::Launched& launched, const oci::Resources& limits) {
  TRY(limit(m, limits));
  launched.wait_namespaces();
  TRY(launched.wait_ready());
  m.state.process = TRY(kernel::identify_process(launched.pid(), launched.pidfd()));
  TRY(write_state(m.home, m.state));
  Standing standing{m.state, "creating", TRY(launched.pidfd().duplicate())};
  std::string text = json::to_text(state_json(standing, false));
  TRY(run_hooks(m.spec.hooks.prestart, "prestart", text, m.state.bundle));
  TRY(run_hooks(m.spec.hooks.create_runtime, "createRuntime", text, m.state.bundle));
  TRY(write_pid_file(m.options.pid_file, launched.pid()));
  return launched.go();
}

}  // namespace

Result<pid_t> create(const CreateOptions& options) {
  Making m;
  m.options = options;
  TRY(read_bundle(m));
  Undo undo;
  TRY(claim_directory(m, undo));
  TRY(claim_cgroup(m, undo));
  TRY(compile(m));
  std::string fifo = m.home.file("start.fifo");
  if (::mkfifo(fifo.c_str(), 0600) != 0) return fail_errno("mkfifo", fifo);
  Fd start_fd = TRY(open_file(fifo, O_RDWR));
  Fd console = options.console_socket.empty() ? Fd() : TRY(connect_console(options.console_socket));
  // v1 empties the list of devices before it is filled, and hull-init makes nodes meanwhile: so these come first.
  oci::Resources devices, limits = m.spec.linux_.resources.value_or(oci::Resources{});
  devices.devices = std::exchange(limits.devices, {});
  allow_default_devices(devices);
  if (!devices.devices.empty()) TRY(limit(m, devices));
  sandbox::LaunchIo io;
  io.start_fd = start_fd.get();
  io.console_fd = console.get();
  if (m.group) io.cgroup_fd = m.group->entry().into;
  auto launched = TRY(sandbox::launch(m.plan, io));
  if (Result<> done = complete(m, launched, limits); !done) {
    (void)kernel::send_signal(launched.pidfd(), SIGKILL);
    return fail(std::move(done).error());
  }
  undo.commit();
  return launched.pid();
}

Result<> start(const std::string& root, const std::string& id) {
  Standing standing = TRY(stand(root, id));
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, "cannot start a container that has stopped");
  if (standing.status != "created") return fail(ErrorKind::Conflict, format("cannot start an already running container"));
  Home home = TRY(home_of(root, id));
  std::string fifo = home.file("start.fifo"), taken = home.file("start.taken");
  // The rename decides between two starts at once; a reader is there as long as the process lives.
  Fd writer = TRY(open_file(fifo, O_WRONLY | O_NONBLOCK));
  if (::rename(fifo.c_str(), taken.c_str()) != 0) return fail(ErrorKind::Conflict, "cannot start an already running container");
  if (::write(writer.get(), "S", 1) != 1) return fail_errno("write", fifo);
  ::unlink(taken.c_str());
  oci::Spec spec = TRY(load_spec(home.file("config.json")));
  standing.status = "running";
  return run_hooks(spec.hooks.poststart, "poststart", json::to_text(state_json(standing, false)), standing.state.bundle);
}

Result<int> wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid", std::to_string(child));
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace hull::runtime
