// create and run.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "base/undo.h"
#include "kernel/host_facts.h"
#include "kernel/namespaces.h"
#include "kernel/net_move.h"
#include "oci/validate.h"
#include "runtime/make.h"
#include "runtime/process.h"
#include "runtime/runtime.h"

namespace hull::runtime {
namespace {

Result<std::string> absolute(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return fail_errno("realpath", path);
  std::string out = real;
  ::free(real);
  return out;
}

struct Making {
  const CreateOptions& options;
  Home home;
  Container container;
  State state;
  std::optional<kernel::SystemdUnit> unit;
  bool hooks_began = false;
  const std::string* notify_socket = nullptr;  // run's; null: it waits for a start
  Notifier notifier = {};
  Fd directory = {};  // run's: of the home

  bool runs() const { return notify_socket != nullptr; }
  oci::Spec& spec() { return container.spec; }
  const oci::Spec& spec() const { return container.spec; }
  bool has_host_hooks() const { return !spec().hooks.prestart.empty() || !spec().hooks.create_runtime.empty(); }
};

// Paths of the specification that are relative to the bundle or to the container's root.
Result<> make_absolute(Making& m) {
  std::string& root = m.spec().root.path;
  root = TRY_CONTEXT(absolute(root.starts_with('/') ? root : m.state.bundle + "/" + root), "root.path");
  for (oci::Mount& mount : m.spec().mounts) {
    if (!mount.destination.starts_with('/')) mount.destination = "/" + mount.destination;
    if (mount.is_bind() && !mount.source.empty() && !mount.source.starts_with('/')) mount.source = m.state.bundle + "/" + mount.source;
  }
  return {};
}

// A namespace that is joined by path may turn out to be the host's, whose settings and root are no container's.
Result<> check_joined(const oci::Spec& spec) {
  for (const oci::Namespace& ns : spec.linux_.namespaces) {
    auto kind = kernel::ns_kind_from_name(ns.type);
    struct stat status;
    if (ns.path.empty() || !kind || ::stat(ns.path.c_str(), &status) != 0 || status.st_ino != kernel::ns_inode(0, *kind)) continue;
    if (kind == kernel::NsKind::Mnt)
      return fail(ErrorKind::Denied, format("config.json: linux.namespaces: {} is the host's mount namespace, and the container's root would become the host's", ns.path));
    for (const auto& [name, value] : spec.linux_.sysctl)
      if (ns.type == oci::sysctl_owner(name))
        return fail(ErrorKind::Denied, format("config.json: linux.sysctl[\"{}\"]: {} is the host's {} namespace", escape_controls(name), ns.path, ns.type));
  }
  return {};
}

void settle_limits(Making& m) {
  oci::Resources& resources = m.spec().linux_.resources ? *m.spec().linux_.resources : m.spec().linux_.resources.emplace();
  allow_default_devices(resources);
  drop_zeros(resources);
}

// Beside the devices', which are in every configuration.
bool asks_limits(const Making& m) {
  auto limits = kernel::cgroup_v1_writes(m.spec().linux_.resources.value_or(oci::Resources{}));
  return !limits || !limits->empty();
}

// Below the root; for an ordinary user beside the group that he is in, which may be his to divide.
// KERNEL: not below it: a group with processes gives no controllers to those below; cgroup-v2.rst.
std::string default_parent() {
  if (!kernel::is_ordinary() || cgroups() == nullptr || cgroups()->mode() != kernel::CgroupMode::V2) return "";
  std::string own = read_file("/proc/self/cgroup").value_or("");
  if (!own.starts_with("0::/")) return "";
  own = trim(own.substr(3));
  return own.substr(0, own.rfind('/'));
}

// A group that systemd makes is in the state once it is ours: its name may be another's, and an empty scope ends by itself.
Result<> name_group(Making& m) {
  const std::string& path = m.spec().linux_.cgroups_path;
  if (m.options.no_cgroup)
    return asks_limits(m) ? fail(ErrorKind::Invalid, "config.json: linux.resources: cgroups are disabled by --cgroup-manager; remove the limits") : Result<>();
  if (m.options.systemd_cgroup) {
    m.unit = TRY_CONTEXT(kernel::parse_systemd_path(path, m.options.id, kernel::systemd_is_the_users()), "config.json");
    return {};
  }
  m.state.cgroup = path.empty() ? default_parent() + "/" + m.options.id : path;
  if (!m.state.cgroup.starts_with('/')) m.state.cgroup.insert(0, "/");
  return {};
}

Result<> read_bundle(Making& m) {
  m.home = TRY(home_of(m.options.root, m.options.id));
  TRY(sandbox::check_open_files());
  if (path_exists(m.home.directory)) return fail(ErrorKind::Exists, format("container with id exists: \"{}\"", m.options.id));
  m.state.bundle = TRY_CONTEXT(absolute(m.options.bundle), "--bundle");
  if (m.options.notify) add_notify(m.spec(), m.home.file("notify"));
  settle_limits(m);
  TRY(check_joined(m.spec()));
  TRY(adapt_process(m.spec().process, m.options.warn));
  TRY(check_selinux(m.spec().process.selinux_label, "config.json: process.selinuxLabel"));
  TRY(check_selinux(m.spec().linux_.mount_label, "config.json: linux.mountLabel"));
  TRY(make_absolute(m));
  TRY(check_console(m.spec().process, m.options.console_socket, m.options.console_fd));
  for (const std::string& entry : m.options.extra_environment) m.spec().process.env.push_back(entry);
  m.state.oci_version = oci::kSpecVersion;
  m.state.id = m.options.id;
  m.state.rootfs = m.spec().root.path;
  m.state.created = now_rfc3339();
  m.state.annotations = m.spec().annotations;
  return name_group(m);
}

Result<> claim_directory(Making& m, Undo& undo) {
  auto make = [&] { return ::mkdir(m.home.directory.c_str(), 0711) == 0; };
  bool made = make();
  if (!made && errno == ENOENT) {
    TRY(make_directories(m.options.root, 0711));
    made = make();
  }
  if (!made && errno == EEXIST) return fail(ErrorKind::Exists, format("container with id exists: \"{}\"", m.options.id));
  if (!made) return fail_errno("mkdir", m.home.directory);
  undo.add([&m] { (void)remove_home(m.home); });
  if (m.runs()) m.directory = TRY(open_file(m.home.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return {};
}

Result<> save(Making& m) {
  if (m.state.boot.empty()) {
    m.state.boot = kernel::boot_id();
    Fd self = TRY(kernel::open_pidfd(::getpid()));  // whether there are pidfds decides how processes are noted
    m.state.creator = TRY(kernel::identify_process(::getpid(), self));
  }
  return write_state(m.home, m.state);
}

// What delete needs to undo a creation that is killed, before anything is made.
Result<> note_intent(Making& m) {
  TRY(save(m));
  if (::mkdir(m.home.file("root").c_str(), 0711) != 0) return fail_errno("mkdir", m.home.file("root"));
  if (m.options.notify && ::mkdir(m.home.file("notify").c_str(), 0755) != 0) return fail_errno("mkdir", m.home.file("notify"));
  return {};
}

// Before the process is known to others: the mark of one that is made, and what its hooks are read from later.
Result<> note_making(Making& m) {
  std::string making = m.home.file("making.fifo");
  if (m.runs() && ::mkfifo(making.c_str(), 0600) != 0) return fail_errno("mkfifo", making);  // create's is there to be waited on
  Fd copy = TRY(open_file(m.home.file("config.json"), O_WRONLY | O_CREAT | O_EXCL, 0600));
  return write_all(copy, m.options.config, "config.json");
}

// An ordinary user whom nobody gave a part of the hierarchies has no group, and so no limits.
bool goes_without_group(const Making& m, const Error& error) {
  bool refused = error.errno_value() == EACCES || error.errno_value() == EPERM || error.errno_value() == EROFS;
  return refused && !asks_limits(m) && kernel::is_ordinary();
}

Result<> claim_systemd_unit(Making& m, Undo& undo) {
  TRY(claim_unit(m.container, *m.unit, "hull container " + m.options.id, undo));
  m.state.cgroup = m.container.group->path();
  m.state.unit = m.unit->name;
  return save(m);
}

Result<> claim_cgroup(Making& m, Undo& undo) {
  if (m.unit) return claim_systemd_unit(m, undo);
  if (m.options.no_cgroup) return {};
  auto claimed = claim_group(m.container, m.state.cgroup, OldGroup::Take, undo);
  if (claimed || !goes_without_group(m, claimed.error())) return claimed;
  m.state.cgroup.clear();
  return {};
}

Result<> claim_rdt(Making& m, Undo& undo) {
  if (!m.spec().linux_.intel_rdt) return {};
  std::string mountinfo = TRY(read_file("/proc/self/mountinfo"));
  auto top = kernel::resctrl_mount_point(mountinfo);
  if (!top)
    return fail(ErrorKind::Unsupported, "config.json: linux.intelRdt: no resctrl is mounted; mount it where the processor has it: mount -t resctrl resctrl /sys/fs/resctrl");
  m.state.rdt = TRY_CONTEXT(kernel::claim_rdt(*top, *m.spec().linux_.intel_rdt, m.options.id), "config.json: linux.intelRdt");
  undo.add([&m] { (void)kernel::release_rdt(m.state.rdt); });
  return save(m);
}

// What takes work.
Result<> prepare(Making& m) {
  Filter filter = TRY(seccomp_of(m.spec()));
  Standing creating{m.state, "creating", Fd()}, created{m.state, "created", Fd()};
  sandbox::PlanOptions& options = m.container.options;
  options.seccomp_filter = std::move(filter.program);
  options.seccomp_flags = filter.flags;
  if (filter.notifies) options.listener_state = listener_state(m.spec(), creating);
  if (!m.spec().hooks.create_container.empty()) options.hook_state = state_text_for_hooks(creating);
  if (!m.spec().hooks.start_container.empty()) options.start_hook_state = state_text_for_hooks(created);
  return {};
}

Result<> plan(Making& m) {
  sandbox::PlanOptions& options = m.container.options;
  options.mount_point = m.home.file("root");
  options.new_keyring = !m.options.no_new_keyring;
  options.no_pivot = m.options.no_pivot;
  options.set_joined_names = true;
  options.preserved_fds = static_cast<int>(m.options.preserve_fds);
  options.host_hooks = m.has_host_hooks();
  options.report_namespaces = options.host_hooks || !m.spec().linux_.net_devices.empty();
  options.wait_start = !m.runs();
  options.report_ready = m.runs() && !m.spec().hooks.start_container.empty();
  options.tell_outcome = options.wait_start && !m.spec().hooks.start_container.empty();
  if (m.container.group || m.container.claim) options.cgroup_path = m.state.cgroup;
  m.container.prepare = [&m] { return prepare(m); };
  m.container.spec_name = "config.json";
  return compile(m.container);
}

// runtime-spec, linux.netDevices. What the kernel made (veth, dummy) ends with the namespace; hardware comes back to the host.
Result<> move_devices(const Making& m, sandbox::Launched& launched) {
  if (m.spec().linux_.net_devices.empty()) return {};
  TRY(launched.wait_namespaces());
  Fd net_ns = TRY(kernel::open_ns(launched.pid(), kernel::NsKind::Net));
  for (const auto& [host, name] : m.spec().linux_.net_devices)
    TRY_CONTEXT(kernel::move_device(host, net_ns, name), format("linux.netDevices[\"{}\"]", host));
  return {};
}

Result<> run_host_hooks(Making& m, sandbox::Launched& launched) {
  TRY(launched.wait_namespaces());
  TRY(launched.wait_ready());
  Standing standing{m.state, "creating", TRY(launched.pidfd().duplicate())};
  std::string text = json::to_text(state_json(standing, false));
  TRY(run_hooks(m.spec().hooks.prestart, "prestart", text, m.state.bundle));
  TRY(run_hooks(m.spec().hooks.create_runtime, "createRuntime", text, m.state.bundle));
  return launched.hooks_done();
}

// From now on it may be started.
Result<> let_wait(const Making& m, sandbox::Launched& launched) {
  TRY(launched.go());
  std::string made = m.home.file("making.fifo"), ready = m.home.file("start.fifo");
  return ::rename(made.c_str(), ready.c_str()) == 0 ? Result<>() : fail_errno("rename", made);
}

// KERNEL: exec closes our socket, and so does an exit, which has let go of the program by then; kernel/exit.c, do_exit().
bool was_killed(const sandbox::Launched& launched) {
  if (sandbox::is_hull_init(launched.pid()) || errno != ENOENT) return false;
  return kernel::wait_for_end(launched.pidfd(), 10000) && sandbox::killed_before_program(launched.pid());
}

Result<> take_mark_away(const Making& m) {
  std::string mark = m.home.file("making.fifo");
  return ::unlink(mark.c_str()) == 0 ? Result<>() : fail_errno("unlink", mark);
}

// While startContainer hooks run, it is one that runs.
Result<> let_run(Making& m, sandbox::Launched& launched) {
  if (m.options.notify) m.notifier = TRY(Notifier::listen(m.home.file("notify"), *m.notify_socket, launched.pid(), launched.pidfd()));
  if (m.container.options.report_ready) {
    TRY(launched.wait_ready());
    TRY(take_mark_away(m));
  }
  TRY(launched.go());
  if (was_killed(launched)) return fail(ErrorKind::System, "the container's process was killed before its program began");
  return m.container.options.report_ready ? Result<>() : take_mark_away(m);
}

// Between the namespaces' making and the release: limits, the pid on disk, hooks.
Result<> complete(Making& m, sandbox::Launched& launched) {
  TRY_CONTEXT(limit(m.container), "linux.resources");
  TRY_CONTEXT(kernel::enter_rdt(m.state.rdt, launched.pid()), "linux.intelRdt");
  TRY(note_making(m));
  m.state.process = TRY(kernel::identify_process(launched.pid(), launched.pidfd()));
  TRY(save(m));
  TRY(move_devices(m, launched));
  if (m.has_host_hooks()) TRY(run_host_hooks(m, launched));
  TRY_CONTEXT(write_pid_file(m.options.pid_file, launched.pid()), "--pid-file");
  TRY(send_pidfd(m.options.pidfd_socket, launched.pidfd()));
  return m.runs() ? let_run(m, launched) : let_wait(m, launched);
}

// What the process gets of descriptors beside its streams; they live until it is made.
struct Passing {
  Fd start, outcome, console, listener;
  sandbox::LaunchIo io;
};

// Open both ways, so that nobody waits for the other end.
Result<Fd> make_fifo(const std::string& path) {
  if (::mkfifo(path.c_str(), 0600) != 0) return fail_errno("mkfifo", path);
  return open_file(path, O_RDWR);
}

Result<> prepare_passing(Making& m, Passing& passing) {
  if (!m.runs()) passing.start = TRY(make_fifo(m.home.file("making.fifo")));
  if (m.container.options.tell_outcome) passing.outcome = TRY(make_fifo(m.home.file("outcome.fifo")));
  if (!m.options.console_socket.empty()) passing.console = TRY(connect_socket(m.options.console_socket, "--console-socket"));
  if (!m.container.options.listener_state.empty())
    passing.listener = TRY(connect_socket(m.spec().linux_.seccomp->listener_path, "linux.seccomp.listenerPath"));
  passing.io.start_fd = passing.start.get();
  passing.io.outcome_fd = passing.outcome.get();
  passing.io.console_fd = m.options.console_fd >= 0 ? m.options.console_fd : passing.console.get();
  passing.io.listener_fd = passing.listener.get();
  passing.io.preserved = preserved_descriptors(m.options.preserve_fds);
  return {};
}

}  // namespace

static Result<pid_t> make_steps(Making& m, Undo& undo) {
  TRY(claim_directory(m, undo));
  TRY(note_intent(m));
  TRY(claim_cgroup(m, undo));
  TRY(claim_rdt(m, undo));
  TRY(plan(m));
  Passing passing;
  TRY(prepare_passing(m, passing));
  auto launched = TRY(launch(m.container, passing.io));
  m.hooks_began = true;
  if (Result<> done = complete(m, launched); !done) {
    Error cause = launched.cause_of(std::move(done).error());
    (void)kernel::send_signal(launched.pidfd(), SIGKILL);
    return fail(m.container.group ? with_oom_kills(std::move(cause), *m.container.group) : std::move(cause));
  }
  undo.commit();
  return launched.pid();
}

// The container may be deleted while it is made, and another have its id by now: that one's things stay. Who deleted it has
// called poststop.
static Result<pid_t> make(Making& m) {
  Undo undo;
  auto made = make_steps(m, undo);
  if (made) return made;
  auto creator = creator_of(m.home, m.options.id);
  bool ours = creator && creator->identity == m.state.creator.identity && creator->pid == m.state.creator.pid;
  if (creator && !ours && creator->pid != 0) undo.commit();
  if (ours && m.container.group) (void)m.container.group->kill();  // what its hooks left, where no pid namespace takes it along
  m.hooks_began &= ours;
  return made;
}

static Result<pid_t> make_or_take_apart(Making& m) {
  TRY(read_bundle(m));
  auto made = make(m);
  // runtime-spec, lifecycle: where a hook before the start fails, the container is taken apart and poststop called.
  if (!made && m.hooks_began) {
    std::string state = json::to_text(state_json(Standing{m.state, "stopped", Fd()}, false));
    run_all_hooks(m.spec().hooks.poststop, "poststop", state, m.state.bundle, m.options.warn);
  }
  return made;
}

Result<pid_t> create(const CreateOptions& options, oci::Spec spec) {
  Making m{options, {}, {}, {}, {}};
  m.spec() = std::move(spec);
  return make_or_take_apart(m);
}

Result<Running> run(const CreateOptions& options, oci::Spec spec, const std::string& notify_socket) {
  Making m{options, {}, {}, {}, {}};
  m.spec() = std::move(spec);
  m.notify_socket = &notify_socket;
  pid_t pid = TRY(make_or_take_apart(m));
  Result<> done = run_poststart(m.spec().hooks.poststart, m.state);
  if (done) return Running{pid, std::move(m.notifier), std::move(m.home), std::move(m.directory), std::move(m.state), std::move(m.spec().hooks.poststop)};
  (void)remove(options.root, options.id, true, options.warn);  // runtime-spec 1.3, lifecycle, step 9
  return fail(std::move(done).error());
}

}  // namespace hull::runtime
