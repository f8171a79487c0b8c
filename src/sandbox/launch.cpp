// The parent's side of a launch. Who makes whom (each arrow one clone that shares our memory until exec):
//
//   hull ──> future hull-shim ──> hull-init [enters namespaces first] ──> hull-init ──> the program
//            (io.parent only)                                          (step Birth)
//
// What is joined is joined by the child before it is hull-init, so that neither hull nor the shim ever changes namespace.
// A process in a pid namespace that others are in is born there from hull-init: its program is a sealed memory file, where
// hull's own, reached through /proc/PID/exe by one who may trace, could be written (SECURITY A1, A2).
#include "sandbox/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/text.h"
#include "kernel/clone.h"
#include "kernel/host_facts.h"
#include "kernel/identity.h"
#include "kernel/mapping_ns.h"
#include "sandbox/init_image.h"
#include "sandbox/mapped_bind.h"
#include "sandbox/mapped_overlay.h"

namespace hull::sandbox {
namespace {

// One launch: made by the caller, worked on by the children through the shared memory.
struct Launch {
  const LaunchPlan& plan;
  const LaunchIo& io;
  Fd image, plan_file, control, peer, null;
  struct Joined { kernel::NsKind kind; Fd fd; std::string path; bool done = false; };
  std::vector<Joined> joined;  // as plan.joins, or of the target
  std::vector<Fd> mapped;      // as plan.mapped_binds
  Fd time_ns;                  // a time namespace to be entered by hull-init
  pid_t pid = 0;
  Fd pidfd;
  bool known = false;          // set by the container's parent: `pid` is the container's process
  std::optional<Error> error;  // set by whichever child failed
  std::string pid_text;        // for "%pid"
};

// Moves descriptors to fixed numbers. Sources are first copied out of the way, so no order can overwrite one; but no further
// than that, for above 64 the kernel would have to make the process another table.
Result<> place_descriptors(const std::vector<std::pair<int, int>>& moves) {
  int above = 0;
  for (const auto& move : moves) above = std::max(above, move.second + 1);
  std::vector<int> copies;
  for (const auto& [from, to] : moves) {
    int copy = ::fcntl(from, F_DUPFD_CLOEXEC, above);
    if (copy < 0) return fail_errno("fcntl", format("duplicate descriptor {}", from));
    copies.push_back(copy);
  }
  for (size_t i = 0; i < moves.size(); ++i)
    if (::dup2(copies[i], moves[i].second) < 0) return fail_errno("dup2", "");
  return {};
}

// While children inside foreign namespaces share our memory, nobody there may trace it (SECURITY E2). By the time a
// clone returns they have exec'd.
class NotDumpable {
 public:
  NotDumpable() : before_(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)) { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
  ~NotDumpable() {
    if (before_ == 1) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }

 private:
  int before_;
};

void close_above(unsigned first) {
  // KERNEL: close_range is missing before 5.9; every descriptor of ours is close-on-exec, so what would be lost is
  // the guard against descriptors that our caller leaked to us.
  constexpr unsigned kCloseRangeCloexec = 4;
  if (::syscall(SYS_close_range, first, ~0U, kCloseRangeCloexec) == 0) return;
  for (int fd = static_cast<int>(first); fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// ---- the container's first process, until it is hull-init

// KERNEL: exec takes every capability from a process whose uid is not 0 in its user namespace, and before the id maps
// are written nobody is; capabilities(7). Ambient ones stay. hull-init drops them with all the rest.
Result<> keep_capabilities_over_exec() {
  struct { uint32_t version; int pid; } header{0x20080522, 0};
  struct { uint32_t effective, permitted, inheritable; } data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return fail_errno("capget", "");
  for (auto& word : data) word.inheritable = word.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) return fail_errno("capset", "");
  for (unsigned capability = 0; capability < 64; ++capability)
    if ((data[capability / 32].permitted >> (capability % 32) & 1) != 0)
      ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  return {};
}

bool enters_user_namespace(const LaunchPlan& plan) {
  bool joins = std::any_of(plan.joins.begin(), plan.joins.end(),
                           [](const JoinNamespace& join) { return join.kind == kernel::NsKind::User; });
  return joins || ((plan.new_namespaces | plan.join_target) & CLONE_NEWUSER) != 0;
}

// An ordinary user writes the maps of a process that is dumpable, or not at all (init/main.cpp).
bool maps_as_user(const LaunchPlan& plan) {
  return kernel::is_unprivileged() && (plan.new_namespaces & CLONE_NEWUSER) != 0;
}

// Comes back only on failure, with launch.error set.
int become_init(Launch& launch) {
  auto stream = [&](int fd) { return fd >= 0 ? fd : launch.null.get(); };
  std::vector<std::pair<int, int>> moves = {
      {stream(launch.io.stdin_fd), 0},   {stream(launch.io.stdout_fd), 1}, {stream(launch.io.stderr_fd), 2},
      {launch.peer.get(), kControlFd},   {launch.plan_file.get(), kPlanFd}, {stream(launch.io.console_fd), kConsoleFd}};
  int next = kFirstPassedFd;
  for (int fd : launch.io.cgroup_files) moves.emplace_back(fd, next++);
  if (launch.time_ns) moves.emplace_back(launch.time_ns.get(), next++);
  if (launch.io.start_fd >= 0) moves.emplace_back(launch.io.start_fd, next++);
  if (launch.io.outcome_fd >= 0) moves.emplace_back(launch.io.outcome_fd, next++);
  for (const Fd& mapped : launch.mapped) moves.emplace_back(mapped.get(), next++);
  if (launch.io.listener_fd >= 0) moves.emplace_back(launch.io.listener_fd, next++);
  for (int fd : launch.io.preserved) moves.emplace_back(fd, next++);
  int image = ::fcntl(launch.image.get(), F_DUPFD_CLOEXEC, next);
  Result<> placed = place_descriptors(moves);
  if (placed && enters_user_namespace(launch.plan)) placed = keep_capabilities_over_exec();
  if (!placed) {
    launch.error = std::move(placed).error();
    return 1;
  }
  close_above(static_cast<unsigned>(next));
  char name[] = "hull-init", has_no_maps[] = "maps";
  char* arguments[] = {name, maps_as_user(launch.plan) ? has_no_maps : nullptr, nullptr};
  char* environment[] = {nullptr};
  ::syscall(SYS_execveat, image, "", arguments, environment, AT_EMPTY_PATH);
  launch.error = Error::from_errno("execveat", "hull-init");
  return 1;
}

int init_body(void* context) { return become_init(*static_cast<Launch*>(context)); }

Result<> clone_init(Launch& launch) {
  kernel::CloneRequest request{launch.plan.new_namespaces, launch.io.cgroup_fd, true};
  auto cloned = kernel::clone_sharing_memory(request, init_body, &launch);
  if (!cloned) {
    Error error = std::move(cloned).error().with_context("make the container's process");
    return fail(error.errno_value() == ENOSPC ? std::move(error).with_remedy(kernel::kNamespacesExhausted) : std::move(error));
  }
  launch.pid = cloned->pid;
  launch.pidfd = std::move(cloned->pidfd);
  if (launch.error) return fail(*launch.error);
  return {};
}

// ---- the middle process, which enters what is joined

// From outside what lets us in from there; then the user namespace, and from inside it what only it gives us the right to
// (preflight.h tells beforehand whether that is all).
Result<> join_in_order(std::vector<Launch::Joined>& joined) {
  auto join = [&](Launch::Joined& one) -> Result<> {
    TRY_CONTEXT(kernel::join_ns(one.fd, one.kind), "join " + one.path);
    one.done = true;
    return {};
  };
  for (auto& one : joined) {
    if (!one.fd || one.kind == kernel::NsKind::User) continue;
    if (auto done = join(one); !done && done.error().errno_value() != EPERM) return done;
  }
  for (auto& one : joined)
    if (one.fd && one.kind == kernel::NsKind::User) TRY(join(one));
  for (auto& one : joined)
    if (one.fd && !one.done) TRY(join(one));
  return {};
}

Result<Fd> open_ns_of_target(const Launch& launch, kernel::NsKind kind) {
  Fd target(launch.io.target_pidfd);
  auto directory = kernel::open_process_directory(target);
  (void)target.release();  // it is the caller's
  if (!directory) return fail(std::move(directory).error());
  return open_at(*directory, format("ns/{}", kernel::ns_info(kind).name), O_RDONLY);
}

// KERNEL: setns(2) takes no pidfd before 5.8 (EINVAL), and no directory of /proc.
Result<> enter_each_of_target(const Launch& launch, uint64_t kinds) {
  std::vector<Launch::Joined> opened;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if ((kinds & info.clone_flag) != 0)
      opened.push_back({info.kind, TRY(open_ns_of_target(launch, info.kind)), format("the container's {} namespace", info.name)});
  return join_in_order(opened);
}

Result<> enter_namespaces(Launch& launch) {
  if (launch.plan.join_target != 0) {
    auto kinds = static_cast<int>(launch.plan.join_target & ~static_cast<uint64_t>(CLONE_NEWTIME));
    if (::setns(launch.io.target_pidfd, kinds) != 0) {
      if (errno != EINVAL) return fail_errno("setns", "the container's namespaces");
      TRY(enter_each_of_target(launch, static_cast<uint64_t>(kinds)));
    }
  }
  return join_in_order(launch.joined);
}

int middle_body(void* context) {
  auto& launch = *static_cast<Launch*>(context);
  if (Result<> done = enter_namespaces(launch); !done) {
    launch.error = std::move(done).error();
    return 1;
  }
  return become_init(launch);
}

bool has_step(const LaunchPlan& plan, StepKind kind) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [kind](const Step& step) { return step.kind == kind; });
}

// Of the process that hull-init made; none if it did not come so far.
Result<std::optional<pid_t>> born_pid(const Launch& launch, pid_t maker) {
  siginfo_t ended;
  while (::waitid(P_PID, static_cast<id_t>(maker), &ended, WEXITED | WNOWAIT) != 0)
    if (errno != EINTR) return fail_errno("waitid", "");
  int32_t pid = 0;
  if (::pread(launch.plan_file.get(), &pid, sizeof pid, offsetof(WireHeader, born_pid)) != sizeof pid) return fail_errno("pread", "plan");
  return pid > 0 ? std::optional<pid_t>(pid) : std::nullopt;
}

Result<> start_init(Launch& launch) {
  if (!launch.plan.joins_anything()) return clone_init(launch);
  auto middle = TRY(kernel::clone_sharing_memory({0, launch.io.cgroup_fd, true}, middle_body, &launch));
  launch.pid = middle.pid;
  launch.pidfd = std::move(middle.pidfd);
  if (launch.error) {
    kernel::reap(middle.pid);
    return fail(*launch.error);
  }
  if (!has_step(launch.plan, StepKind::Birth)) return {};
  std::optional<pid_t> born = TRY(born_pid(launch, middle.pid));
  if (!born) return {};  // a step before it failed: the report waits for whoever lets it go
  kernel::reap(middle.pid);
  launch.pid = *born;
  launch.pidfd = TRY(kernel::open_pidfd(launch.pid));  // ours and not reaped: the number is its own
  return {};
}

// ---- the container's parent, until it is hull-shim

Result<> become_parent_program(Launch& launch, const ParentProgram& program) {
  std::vector<std::pair<int, int>> moves = {{launch.null.get(), 0}, {launch.null.get(), 1}, {launch.null.get(), 2}};
  for (const auto& move : program.descriptors) moves.push_back(move);
  launch.pid_text = std::to_string(launch.pid);
  std::vector<char*> arguments;
  for (const std::string& argument : program.arguments)
    arguments.push_back(const_cast<char*>(argument == "%pid" ? launch.pid_text.c_str() : argument.c_str()));
  arguments.push_back(nullptr);
  // Copied before the range is closed: a copy made by dup2 is never close-on-exec.
  close_above(3);
  TRY(place_descriptors(moves));
  ::execve(program.path.c_str(), arguments.data(), environ);
  return fail_errno("exec", program.path);
}

int parent_body(void* context) {
  auto& launch = *static_cast<Launch*>(context);
  Result<> done = start_init(launch);
  launch.known = done.has_value();
  if (done) done = become_parent_program(launch, *launch.io.parent);
  if (!done) launch.error = std::move(done).error();
  if (launch.pid > 0) (void)kernel::send_signal(launch.pidfd, SIGKILL);
  return 1;
}

Result<pid_t> start_under_parent(Launch& launch) {
  auto parent = TRY(kernel::clone_sharing_memory({0, -1, false}, parent_body, &launch));
  (void)launch.pidfd.release();  // a number of the parent's own table
  // Killed before it was the parent's program, it may have made a process of which nobody knows: with the control socket
  // goes what that waits for, and so the process.
  if (!launch.error && !launch.known) {
    launch.control.reset();
    launch.error = Error(ErrorKind::System, "the container's parent was killed while it was started");
  }
  if (!launch.error) {
    auto pidfd = kernel::open_pidfd(launch.pid);
    if (pidfd) launch.pidfd = std::move(*pidfd);
    // Gone already: a step failed, and its report waits for us (launch() reads it).
    if (pidfd || pidfd.error().errno_value() == ESRCH) return parent.pid;
    launch.error = std::move(pidfd).error().with_context("the container's process");
    launch.control.reset();         // hull-init, which waits for our word, ends with it
    ::kill(parent.pid, SIGKILL);    // our own child, not reaped: the number is its own
  }
  kernel::reap(parent.pid);
  return fail(*launch.error);
}

// ---- preparation and id maps

Result<Fd> make_plan_file(const LaunchPlan& plan, bool trace) {
  Fd file(::memfd_create("hull-plan", MFD_CLOEXEC));
  if (!file) return fail_errno("memfd_create", "plan");
  TRY(write_all(file, encode_plan(plan, trace), "plan"));
  return file;
}

Result<> open_joined(Launch& launch) {
  for (const JoinNamespace& join : launch.plan.joins) {
    Fd ns = TRY_CONTEXT(kernel::open_ns_file(join.path, join.kind),
                        format("join the {} namespace", kernel::ns_info(join.kind).name));
    if (join.kind == kernel::NsKind::Time) launch.time_ns = std::move(ns);
    launch.joined.push_back({join.kind, std::move(ns), join.path});
  }
  if ((launch.plan.join_target & CLONE_NEWTIME) == 0) return {};
  constexpr unsigned long kPidfdGetTimeNamespace = 0xff07;  // _IO(0xff, 7), Linux 6.11
  launch.time_ns = Fd(::ioctl(launch.io.target_pidfd, kPidfdGetTimeNamespace, 0));
  if (!launch.time_ns) launch.time_ns = TRY(open_ns_of_target(launch, kernel::NsKind::Time));
  return {};
}

// What only the parent may do for a process in a new user namespace.
Result<> write_from_outside(const Launch& launch) {
  const LaunchPlan& plan = launch.plan;
  if (!plan.oom_score_adj.empty()) {
    std::string path = format("/proc/{}/oom_score_adj", launch.pid);
    Fd file = TRY_CONTEXT(open_file(path, O_WRONLY), "oom score");
    TRY_CONTEXT(write_all(file, plan.oom_score_adj, path), "oom score");
  }
  return kernel::write_id_maps(launch.pid, plan.uid_map, plan.gid_map, plan.deny_setgroups);
}

// 'M', with the whole plan, or with the container's root where hull has to make it (mapped_overlay.h).
Result<> send_made(const Launch& launch, bool began, const std::vector<int>& group_files, const Fd& control) {
  Fd with;
  if (began) with = TRY(make_plan_file(launch.plan, launch.io.trace));
  for (const Step& step : launch.plan.steps)
    if (step.kind == StepKind::RootOverlay && step.numbers[2] != 0)
      with = TRY_CONTEXT(make_mapped_overlay(step, launch.pid), step_name(step.kind));
  std::vector<int> all(with ? 1 : 0, with.get());
  all.insert(all.end(), group_files.begin(), group_files.end());
  const char words[] = {'M', static_cast<char>(group_files.size())};
  static_assert(1 + kMaxGroupFiles <= kMostSent);
  Result<> sent = send_message(control, {words, sizeof words}, all, "control socket");
  return sent || sent.error().errno_value() == EPIPE ? Result<>() : std::move(sent);
}

Result<> send_text(const Fd& control, const std::string& text) {
  // The peer may have failed already: its report waits in the socket, so EPIPE is no error here.
  if (::send(control.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()) && errno != EPIPE && errno != ECONNRESET) return fail_errno("send", "control socket");
  return {};
}

}  // namespace

Result<> check_open_files() {
  constexpr rlim_t kNeeded = 192;  // ours, and the container's until they are in their places
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kNeeded) return {};
  return fail(ErrorKind::System, format("the limit of open files is {}, and {} are needed; raise it: ulimit -n 1024", limit.rlim_cur, kNeeded));
}

// What only we can do for the process that has been made.
static Result<> serve_from_outside(Launch& launch, Launched& launched, Fd& control) {
  const LaunchPlan& plan = launch.plan;
  if (!launched.pidfd()) {
    launch.peer.reset();  // else its report's end would never come
    TRY(launched.go());
    return fail(ErrorKind::System, "the container's process ended before it was known");
  }
  if (!has_step(plan, StepKind::WaitOutside)) return {};
  bool began = plan.begins;  // the plan is another after this:
  std::vector<int> group_files;
  if (launch.io.place) group_files = TRY(launch.io.place(launched.pid()));
  if ((plan.new_namespaces & CLONE_NEWUSER) != 0) TRY(write_from_outside(launch));
  return send_made(launch, began, group_files, control);
}

Result<Launched> launch(const LaunchPlan& plan, const LaunchIo& io) {
  Launch launch{plan, io};
  // KERNEL: exec lets us go on before it has made the new image dumpable, which begins as the old one was; fs/exec.c,
  // exec_mmap(). In a user namespace that is just made, and nothing joined, there is nobody to hide from.
  std::optional<NotDumpable> hidden;
  if (!maps_as_user(plan) || !plan.joins.empty()) hidden.emplace();
  launch.image = TRY(make_init_image());
  launch.plan_file = TRY(make_plan_file(plan, io.trace));
  launch.null = TRY(open_file("/dev/null", O_RDWR));
  SocketPair control = TRY(make_socket_pair(SOCK_SEQPACKET));
  launch.control = std::move(control.first);
  launch.peer = std::move(control.second);
  TRY(open_joined(launch));
  for (const MappedBind& bind : plan.mapped_binds) launch.mapped.push_back(TRY(open_mapped_bind(bind)));

  Launched launched;
  launched.plan_ = &plan;
  if (io.parent) launched.parent_pid_ = TRY(start_under_parent(launch));
  else TRY(start_init(launch));
  launched.pid_ = launch.pid;
  launched.pidfd_ = std::move(launch.pidfd);
  launched.control_ = std::move(launch.control);
  if (auto served = serve_from_outside(launch, launched, launched.control_); !served) {
    if (launched.pidfd_) (void)kernel::send_signal(launched.pidfd_, SIGKILL);
    if (io.parent) io.parent->dismiss(launched.parent_pid_);
    return fail(std::move(served).error());
  }
  return launched;
}

Launched::~Launched() {
  if (control_ && pidfd_) (void)kernel::send_signal(pidfd_, SIGKILL);
  if (control_ && parent_pid_ == 0 && pid_ > 0) kernel::reap(pid_);
}

Result<> Launched::go_unwatched() {
  TRY(send_text(control_, format("G{}", pid_)));
  control_.reset();
  return {};
}

// The report of a step, as one line. An exec that failed reads as docker's users know it.
Error Launched::failure_of(const WireFailure& failure) {
  std::string call(failure.call, ::strnlen(failure.call, sizeof failure.call));
  std::string detail(failure.detail, ::strnlen(failure.detail, sizeof failure.detail));
  StepKind kind = failure.step < plan_->steps.size() ? plan_->steps[failure.step].kind : StepKind::Exec;
  bool is_program = kind == StepKind::Exec || kind == StepKind::FindProgram;
  command_failed_ = is_program || kind == StepKind::Chdir;
  if (is_program) {
    std::string why = call == "search PATH" ? "executable file not found in $PATH" : to_lower(errno_text(failure.errno_value));
    if (failure.errno_value == EISDIR) why += ": permission denied";  // what docker looks for to end with 126
    return Error(kind_of_errno(failure.errno_value), format("exec: \"{}\": {}", detail, why), failure.errno_value);
  }
  if (kind == StepKind::RunHook) return Error(ErrorKind::System, escape_controls(detail));
  Error error = Error::from_errno(failure.errno_value, call, detail).with_context(step_name(kind));
  if ((kind == StepKind::NewTimeNs || kind == StepKind::NewCgroupNs || kind == StepKind::NewNetNs) && failure.errno_value == ENOSPC) return std::move(error).with_remedy(kernel::kNamespacesExhausted);
  if (kind == StepKind::NewTimeNs && failure.errno_value == ERANGE) return std::move(error).with_remedy("its clocks may neither go before 0 nor too far ahead; choose a smaller offset");
  if (kind == StepKind::Scheduler && failure.errno_value == EPERM) return std::move(error).with_remedy("a realtime policy needs CAP_SYS_NICE, and on cgroup v1 a group with cpu.realtimeRuntime");
  if (kind == StepKind::Scheduler && failure.errno_value == EINVAL) return std::move(error).with_remedy("the kernel does not take these values together; sched_setattr(2) says which policy takes which");
  if (kind == StepKind::Affinity && failure.errno_value == EINVAL) return std::move(error).with_remedy("none of these CPUs is one of the container's; /sys/devices/system/cpu/online and its cpuset name them");
  if (kind == StepKind::RootBind && failure.errno_value == ENOENT) return std::move(error).with_remedy("a mount namespace that is joined by path has to have it: another container's has not");
  if (kind == StepKind::SetUser && failure.errno_value == EINVAL) return std::move(error).with_remedy("the user namespace maps no such id; choose one that it maps, or map more");
  if (kind == StepKind::MountBind && (failure.errno_value == ENOTDIR || (call == "move_mount" && failure.errno_value == EINVAL)))
    return std::move(error).with_remedy("a file goes on a file, a directory on a directory");
  return error;
}

Result<bool> Launched::take_message() {
  alignas(WireTrace) char message[sizeof(WireTrace) * 512];
  ssize_t got;
  // KERNEL: a peer that closed with our byte unread makes the first recv say ECONNRESET, although its report waits
  // behind it; af_unix.c, unix_release_sock. The next one gives the report, or the end.
  do got = ::recv(control_.get(), message, sizeof message, 0);
  while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got < 0) return fail_errno("recv", "control socket");
  if (got == 0) return false;
  WireTrace mark;
  std::memcpy(&mark, message, sizeof mark);
  if (mark.step == kReadyMark || mark.step == kNamespacesMark || mark.step == kWaitingMark) {
    (mark.step == kReadyMark ? ready_ : mark.step == kWaitingMark ? waits_ : namespaces_made_) = true;
    return true;
  }
  if (mark.step == kTraceMark) {
    for (uint32_t i = 1; i <= mark.nanoseconds && (i + 1) * sizeof mark <= static_cast<size_t>(got); ++i) {
      WireTrace entry;
      std::memcpy(&entry, message + i * sizeof entry, sizeof entry);
      trace_.push_back({entry.step, entry.nanoseconds});
    }
    return true;
  }
  WireFailure failure;
  std::memcpy(&failure, message, sizeof failure);
  Error error = failure_of(failure);
  if (parent_pid_ == 0) kernel::reap(pid_);
  control_.reset();
  return fail(std::move(error));
}

Result<> Launched::wait_namespaces() {
  while (!namespaces_made_)
    if (!TRY(take_message())) return fail(ErrorKind::System, "the container's process was killed while its namespaces were made");
  return {};
}

Result<> Launched::hooks_done() {
  ready_ = false;
  return send_text(control_, "H");
}

Result<> Launched::wait_ready() {
  while (!ready_)
    if (!TRY(take_message())) return fail(ErrorKind::System, "the container's process was killed while it was made");
  return {};
}

Result<> Launched::go() {
  TRY(send_text(control_, format("G{}", pid_)));
  while (TRY(take_message())) {}
  if (has_step(*plan_, StepKind::WaitStart) && !waits_) return fail(ErrorKind::System, "the container's process was killed before it could be started");
  control_.reset();
  return {};
}

Error Launched::cause_of(Error error) {
  while (control_ && kernel::has_ended(pidfd_)) {
    auto more = take_message();
    if (!more) return std::move(more).error();
    if (!*more) break;
  }
  return error;
}

std::optional<bool> is_hull_init(pid_t pid) {
  constexpr std::string_view kInit = "/memfd:hull-init";
  char program[32];
  ssize_t size = ::readlink(format("/proc/{}/exe", pid).c_str(), program, sizeof program);
  if (size < 0) return std::nullopt;
  return std::string_view(program, static_cast<size_t>(size)).starts_with(kInit);
}

bool killed_before_program(pid_t child) {
  siginfo_t ended{};
  bool killed = ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == child &&
                (ended.si_code == CLD_KILLED || ended.si_code == CLD_DUMPED);
  return killed && read_file(format("/proc/{}/comm", child)).value_or("") == "hull-init\n";
}

Result<uint64_t> differing_namespaces(pid_t target) {
  uint64_t flags = 0;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    auto theirs = kernel::ns_inode(target, info.kind), ours = kernel::ns_inode(0, info.kind);
    if (!ours) continue;  // this kernel has no such kind
    if (!theirs) return fail_errno("readlink", format("/proc/{}/ns/{}", target, info.name));
    if (theirs != ours) flags |= info.clone_flag;
  }
  return flags;
}

}  // namespace hull::sandbox
