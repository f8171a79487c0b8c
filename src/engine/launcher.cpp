#include "engine/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/undo.h"
#include "engine/managed_files.h"
#include "engine/ports.h"
#include "engine/state.h"
#include "image/store.h"
#include "kernel/host_facts.h"
#include "kernel/identity.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_default.h"
#include "kernel/seccomp_profile.h"
#include "shim/protocol.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

// docker makes the missing source directory of -v, and refuses that of --mount.
Result<> prepare_bind_sources(const ContainerConfig& config) {
  for (const MountSpec& mount : config.mounts) {
    if (mount.kind != MountKind::Bind) continue;
    struct stat status;
    if (::stat(mount.source.c_str(), &status) == 0) continue;
    if (!mount.create_source || errno != ENOENT)
      return fail(ErrorKind::Invalid, format("invalid mount config for type \"bind\": bind source path does not exist: {}", mount.source));
    TRY_CONTEXT(make_directories(mount.source, 0755), "make the source of a volume");
  }
  return {};
}

// ---- streams between the container, its shim and us

struct Wires {
  Fd container_in, container_out, container_err, console;  // the container's ends
  Fd shim_in, shim_out, shim_err;
  Fd primary, shim_primary;
  Fd runtime_directory, log_directory;
};

Result<> connect_streams(const ContainerConfig& config, Wires& wires) {
  SocketPair primary = TRY(make_socket_pair(SOCK_SEQPACKET));
  wires.primary = std::move(primary.first);
  wires.shim_primary = std::move(primary.second);
  if (config.tty) {
    SocketPair console = TRY(make_socket_pair(SOCK_STREAM));
    wires.console = std::move(console.first);
    wires.shim_out = std::move(console.second);
    return {};
  }
  Pipe out = TRY(make_pipe()), err = TRY(make_pipe());
  wires.container_out = std::move(out.write), wires.shim_out = std::move(out.read);
  wires.container_err = std::move(err.write), wires.shim_err = std::move(err.read);
  if (!config.open_stdin) return {};
  Pipe in = TRY(make_pipe());
  wires.container_in = std::move(in.read), wires.shim_in = std::move(in.write);
  return {};
}

Result<> open_directories(const Layout& layout, const Record& record, Wires& wires) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  wires.runtime_directory = TRY(open_file(layout.runtime_directory(record.id), kFlags));
  if (record.config.log_driver != "none")
    wires.log_directory = TRY(open_file(layout.record_directory(record.id, record.config.rm), kFlags));
  return {};
}

std::string own_program() {
  char path[4096];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

Result<sandbox::ParentProgram> shim_program(const Layout& layout, const Record& record, const Wires& wires, const StartIo& io) {
  const ContainerConfig& config = record.config;
  sandbox::ParentProgram shim;
  shim.path = TRY(find_helper("hull-shim"));
  shim.arguments = {"hull-shim", record.id, "%pid", format("tty={:d}", config.tty), format("primary={}", io.wants),
                    format("stdin-once={:d}", config.open_stdin && !config.detach),
                    "hull=" + own_program(), "root=" + layout.root, "run=" + layout.run};
  if (wires.log_directory) shim.arguments.push_back("log=" + log_name(record.id));
  if (auto size = config.log_opts.find("max-size"); size != config.log_opts.end())
    shim.arguments.push_back(format("max-size={}", parse_bytes(size->second).value_or(0)));
  if (auto files = config.log_opts.find("max-file"); files != config.log_opts.end())
    shim.arguments.push_back(format("max-file={}", parse_uint(files->second, 1, 1000).value_or(1)));
  const std::pair<const Fd&, int> descriptors[] = {
      {wires.runtime_directory, shim::kRuntimeDirFd}, {wires.shim_out, shim::kStdoutFd}, {wires.shim_err, shim::kStderrFd},
      {wires.shim_in, shim::kStdinFd}, {wires.shim_primary, shim::kPrimaryFd}, {wires.log_directory, shim::kLogDirFd}};
  for (const auto& [fd, number] : descriptors)
    if (fd) shim.descriptors.emplace_back(fd.get(), number);
  return shim;
}

// ---- acting

Result<> note_running(const Layout& layout, const Record& record, const sandbox::Launched& launched, const Publishing& ports,
                      uint64_t oom_kills_before) {
  RunRecord run;
  ports.note(run);
  run.oom_kills_before = oom_kills_before;
  run.process = TRY(identify_process(launched.pid(), launched.pidfd()));
  Fd shim = TRY(open_pidfd(launched.parent_pid()));
  run.shim = TRY(identify_process(launched.parent_pid(), shim));
  run.boot_id = boot_id();
  run.started_at = now_rfc3339();
  TRY(write_run_record(layout, record.id, run));
  return {};
}

// A pid that was joined by number is the right one if its process still lives after the join.
Result<> check_targets(const StartFacts& facts) {
  for (const Fd& target : facts.namespaces.targets)
    if (has_ended(target)) return fail(ErrorKind::Conflict, "the container whose namespace was to be joined has just ended");
  return {};
}

// What shares is pinned before the process is let go: its sharers, and the target that will take it back, see the pin or
// none. What is the container's alone is opened only, and pinned once it runs.
Result<std::vector<ns::NamedFd>> keep_shared(const Layout& layout, const Record& record, StartNamespaces& namespaces,
                                             sandbox::Launched& launched) {
  if (namespaces.keep == 0) return std::vector<ns::NamedFd>();
  TRY(launched.wait_ready());
  auto opened = TRY(open_kept(namespaces, launched.pid()));
  if (!namespaces.shares()) return opened;
  TRY(keep(layout, record, namespaces, launched.pid(), opened));
  namespaces.locks.clear();
  opened.clear();
  return opened;
}

}  // namespace

std::vector<std::string> Root::layers() const {
  if (!overlay) return {directory};
  std::vector<std::string> all;
  if (!overlay->upper.empty()) all.push_back(overlay->upper);
  all.insert(all.end(), overlay->lowers.begin(), overlay->lowers.end());
  return all;
}

Result<Root> find_root(const Layout& layout, const Record& record) {
  Root root;
  root.directory = record.config.rootfs;
  if (!root.directory.empty()) return root;
  image::ImageStore store = TRY(image::ImageStore::open(layout.root));
  image::Snapshot snapshot = TRY_CONTEXT(store.find_snapshot(record.id), "the container's file system");
  root.overlay = sandbox::OverlayRoot{snapshot.lower_dirs, snapshot.upper_dir, snapshot.work_dir, record.config.rm};
  return root;
}

Result<Prepared> prepare_start(const Layout& layout, const Record& record, const Root& root, const StartFor& what) {
  Prepared prepared;
  TRY(sandbox::check_open_files());
  TRY(prepare_bind_sources(record.config));
  prepared.facts = TRY(gather_facts(layout, record, root.layers(), what.act));
  prepared.facts.oci.rows = what.rows;
  prepared.facts.oci.columns = what.columns;
  prepared.container.spec = TRY(to_oci(record, prepared.facts.oci));
  sandbox::PlanOptions& options = prepared.container.options;
  options.overlay = root.overlay;
  options.mount_point = layout.mount_point();
  options.reaper = record.config.init;
  options.kept_namespaces = prepared.facts.namespaces.own;
  options.owned_namespaces = prepared.facts.owned_namespaces;
  options.report_namespaces = true;
  options.report_ready = prepared.facts.namespaces.keep != 0;
  auto [filter, flags] = TRY(container_seccomp(record));
  options.seccomp_filter = std::move(filter);
  options.seccomp_flags = flags;
  return prepared;
}

// As the user gave it, for errors.
static std::string profile_name(const ContainerConfig& config) {
  for (const std::string& option : config.security_opt)
    if (option.starts_with("seccomp=") || option.starts_with("seccomp:")) return "seccomp profile " + option.substr(8);
  return "seccomp profile";
}

Result<SeccompProgram> container_seccomp(const Record& record) {
  const SeccompChoice& choice = record.config.seccomp;
  if (record.config.privileged && choice.kind == SeccompChoice::Kind::Default) return SeccompProgram{};
  if (choice.kind == SeccompChoice::Kind::Unconfined) return SeccompProgram{};
  kernel::CapMask available = kernel::host_capabilities();
  kernel::CapMask capabilities = TRY(container_capabilities(record.config, available));
  if (choice.kind == SeccompChoice::Kind::Default) return SeccompProgram{TRY(kernel::default_seccomp_filter(capabilities)), 0};
  oci::Seccomp profile = TRY(kernel::parse_docker_seccomp_profile(choice.profile, capabilities, profile_name(record.config),
                                                                  kernel::host_kernel_version()));
  kernel::SeccompFilter filter = TRY(kernel::compile_seccomp(profile));
  if (filter.notifies) return fail(ErrorKind::Unsupported, "seccomp profile: SCMP_ACT_NOTIFY needs a listener, which run has none of");
  return SeccompProgram{std::move(filter.program), filter.flags};
}

// Between the process's making and its program: limits, ports, the record. The namespaces that are shared, opened and pinned.
static Result<std::vector<ns::NamedFd>> release(const Layout& layout, const Record& record, Prepared& prepared, sandbox::Launched& launched,
                                                Publishing& ports, uint64_t oom_kills) {
  TRY(check_targets(prepared.facts));
  TRY(runtime::limit(prepared.container));
  TRY(launched.wait_namespaces());
  TRY(ports.serve(launched.pid(), launched.pidfd()));
  TRY(note_running(layout, record, launched, ports, oom_kills));
  std::vector<ns::NamedFd> kept = TRY(keep_shared(layout, record, prepared.facts.namespaces, launched));
  TRY(launched.go());
  return kept;
}

// What a kill at each point leaves: the intent alone; intent and cgroup; a process that dies of its closed control
// socket before it execs, under a shim that records its end. All are settled by name.
Result<Started> start_container(const Layout& layout, const Record& record, Prepared& prepared, const StartIo& io) {
  StartNamespaces& namespaces = prepared.facts.namespaces;
  Publishing ports = TRY(Publishing::listen(layout, record));
  std::string shared = namespaces.net_target ? Records(layout).directory(*namespaces.net_target) : "";
  TRY(write_managed_files(layout.record_directory(record.id, record.config.rm), record, shared));
  bool kept_group = (namespaces.own & CLONE_NEWCGROUP) != 0;
  runtime::Container& container = prepared.container;
  Undo undo;
  if (host_cgroups() != nullptr) {
    auto old = kept_group ? runtime::OldGroup::Join : runtime::OldGroup::Replace;
    TRY(runtime::claim_group(container, container.spec.linux_.cgroups_path, old, undo));
  }
  if (container.group && kept_group && record.config.ns(NsKind::Pid).mode == NsMode::Private) TRY(check_empty(*container.group));
  uint64_t oom_kills = container.group && kept_group ? container.group->oom_kills().value_or(0) : 0;  // it counts on over its runs
  TRY(runtime::compile(container));

  Wires wires;
  TRY(connect_streams(record.config, wires));
  TRY(open_directories(layout, record, wires));
  sandbox::LaunchIo launch_io;
  launch_io.stdin_fd = wires.container_in.get();
  launch_io.stdout_fd = wires.container_out.get();
  launch_io.stderr_fd = wires.container_err.get();
  launch_io.console_fd = wires.console.get();
  launch_io.trace = io.trace;
  launch_io.parent = TRY(shim_program(layout, record, wires, io));
  Started started;
  started.shim = std::move(wires.primary);
  // The shim sees the end of its child, and leaves the rest to us because our socket says so.
  launch_io.parent->dismiss = [&started](pid_t shim) {
    char done = shim::kDone;
    (void)::send(started.shim.get(), &done, 1, MSG_NOSIGNAL);
    kernel::reap(shim);
  };
  auto launched = TRY(runtime::launch(container, launch_io));
  started.shim_pid = launched.parent_pid();
  wires = Wires();  // the container's and the shim's ends: theirs alone from here on
  auto kept = release(layout, record, prepared, launched, ports, oom_kills);
  if (!kept) {
    Error cause = launched.cause_of(std::move(kept).error());
    prepared.command_failed = launched.command_failed();
    (void)send_signal(launched.pidfd(), SIGKILL);
    ports.give_up();
    launch_io.parent->dismiss(started.shim_pid);
    return fail(std::move(cause));
  }
  started.pid = launched.pid();
  started.pidfd = TRY(launched.pidfd().duplicate());
  started.trace = launched.trace();
  undo.commit();
  // It runs already: what could not be pinned is told, and lasts as long as its process.
  if (auto done = keep(layout, record, namespaces, started.pid, *kept); !done) namespaces.notes.push_back(done.error().text());
  return started;
}

Result<std::string> find_helper(const std::string& name) {
  if (const char* directory = ::getenv("HULL_LIBEXEC"); directory != nullptr && *directory == '/')
    return std::string(directory) + "/" + name;
  std::string program = own_program();
  std::string directory = program.substr(0, program.rfind('/'));
  for (const char* place : {"/", "/../libexec/hull/"})
    if (std::string path = directory + place + name; ::access(path.c_str(), X_OK) == 0) return path;
  return fail(ErrorKind::NotFound, format("{} is neither in {} nor in {}/../libexec/hull; install hull whole", name, directory, directory));
}

int exit_code_of_command_failure(const Error& error) {
  switch (error.errno_value()) {
    case ENOENT: return 127;
    case EACCES: case EISDIR: case ENOEXEC: case ENOTDIR: return 126;
    default: return 125;
  }
}

}  // namespace hull::engine
