// hull-init: the only code of ours that runs inside a container. hull executes it from a sealed memory file; it reads
// the plan (wire.h), runs its steps in order by one table, and is replaced by the container's program. On failure it
// says which step failed, with errno and object, over the control socket and exits 1. It needs no /proc, no heap to
// speak of, no library but libc.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

State g_state;

namespace {

struct Failure { int errno_value; char call[48]; char detail[400]; } g_failure;
constexpr uint32_t kMaxTraced = 256;
sandbox::WireTrace g_trace[kMaxTraced + 1];  // the first is the mark
uint32_t g_traced;

using StepFunction = int (*)(const StepView&);

// In the order of StepKind.
constexpr StepFunction kSteps[] = {
    wait_outside,    enter_cgroup,     enter_time_ns,  new_net_ns,   new_cgroup_ns,  new_time_ns,    tell_namespaces, be_born,        new_session,    become_root,    loopback_up,
    set_propagation, detach_mounts,    root_bind,        root_overlay,   mount_fs,       mount_bind,     mount_cgroup1,  bind_cgroup1,   make_node,
    bind_node,       make_link,        make_dir,       write_file,     open_console,   mask_paths,     readonly_paths,
    remount,         wait_hooks,       run_hook,         pivot,            set_hostname,   set_domainname, write_sysctl,   set_rlimit,     set_oom_score_adj,
    new_keyring,     set_scheduler,    set_io_priority, set_affinity,   set_memory_policy, open_label,     set_label,
    set_umask,        set_personality, set_user,      drop_bounding,  set_caps,       no_new_privs,
    load_seccomp,    change_directory, stay_as_reaper, wait_go,
    find_program,     wait_start,       hold,             execute,
};
static_assert(sizeof kSteps / sizeof *kSteps == static_cast<size_t>(StepKind::Count), "one function per StepKind");

void copy_text(char* to, size_t size, const char* from) {
  size_t i = 0;
  for (; i + 1 < size && from[i] != '\0'; ++i) to[i] = from[i];
  to[i] = '\0';
}

uint64_t now_ns() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

[[noreturn]] void report(uint32_t step) {
  sandbox::WireFailure failure = {};
  failure.step = step;
  failure.errno_value = g_failure.errno_value;
  copy_text(failure.call, sizeof failure.call, g_failure.call);
  copy_text(failure.detail, sizeof failure.detail, g_failure.detail);
  if (g_state.control >= 0) {
    send(g_state.control, &failure, sizeof failure, MSG_NOSIGNAL);
  } else {  // hull is gone since `create`: there is the program's own stream, and `start` if it listens
    char text[600];
    const char* why = failure.errno_value == ECANCELED ? "" : strerror(failure.errno_value);
    int size = snprintf(text, sizeof text, "%s%s%s%s%s", failure.call, *failure.call != '\0' ? ": " : "", failure.detail, *why != '\0' ? ": " : "", why);
    if (g_state.outcome > 0) (void)!write(g_state.outcome, text, static_cast<size_t>(size));
    else dprintf(2, "hull-init: %s\n", text);
  }
  leave(1);
}

bool has_step(const sandbox::WireHeader* header, StepKind kind) {
  auto* at = reinterpret_cast<const char*>(header + 1);
  for (uint32_t i = 0; i < header->step_count; ++i) {
    auto* wire = reinterpret_cast<const WireStep*>(at);
    if (wire->kind == static_cast<uint32_t>(kind)) return true;
    at += wire->size;
  }
  return false;
}

// Shared, for what Birth tells; before any filter can refuse it.
int32_t* map_born_pid() {
  void* shared = mmap(nullptr, sizeof(sandbox::WireHeader), PROT_READ | PROT_WRITE, MAP_SHARED, sandbox::kPlanFd, 0);
  return shared == MAP_FAILED ? nullptr : &static_cast<sandbox::WireHeader*>(shared)->born_pid;
}

const sandbox::WireHeader* map_plan(int file) {
  struct stat status;
  if (fstat(file, &status) != 0) return nullptr;
  auto size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED || !sandbox::is_sound_plan(data, size)) return nullptr;
  auto* header = static_cast<const sandbox::WireHeader*>(data);
  if (has_step(header, StepKind::Birth) && g_state.born_pid == nullptr && (g_state.born_pid = map_born_pid()) == nullptr) return nullptr;
  close(file);
  return header;
}

// By the system call: the C library keeps signals 32 and 33 to itself, and a parent may have left them ignored.
void reset_signals() {
  constexpr int kSignals = 64;
  constexpr struct sigaction kDefault = {};  // all zeros, as the kernel's own structure is then, and no smaller
  for (int number = 1; number <= kSignals; ++number)
    if (number != SIGKILL && number != SIGSTOP) syscall(SYS_rt_sigaction, number, &kDefault, nullptr, kSignals / 8);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void run_step(const StepView& step, bool traced) {
  uint64_t begin = traced ? now_ns() : 0;
  if (kSteps[step.wire->kind](step) != 0) report(step.index);
  if (traced && g_traced < kMaxTraced) g_trace[++g_traced] = {step.index, static_cast<uint32_t>(now_ns() - begin)};
}

}  // namespace

const char* StepView::text(uint32_t i) const {
  static constexpr struct { uint32_t size; char text[4]; } kNone = {0, ""};
  if (i >= wire->text_count) return kNone.text;
  const char* at = sandbox::first_text(wire);
  for (; i > 0; --i) at = sandbox::next_text(at);
  return at;
}

uint32_t StepView::text_size(uint32_t i) const { return sandbox::size_of_text(text(i)); }

int fail(const char* call, const char* object) { return fail_as(errno, call, object); }

int fail_as(int errno_value, const char* call, const char* object) {
  g_failure.errno_value = errno_value;
  copy_text(g_failure.call, sizeof g_failure.call, call);
  copy_text(g_failure.detail, sizeof g_failure.detail, object);
  return -1;
}

void send_trace() {
  if (g_traced == 0 || g_state.control < 0) return;
  g_trace[0] = {sandbox::kTraceMark, g_traced};
  send(g_state.control, g_trace, (g_traced + 1) * sizeof *g_trace, MSG_NOSIGNAL);
}

// KERNEL: in a new user namespace our capabilities count for files of mapped owners alone, so not before the maps are
// there (a root below a directory that only its mapped owner may search); capabilities(7), user_namespaces(7). And a mount
// is copied only from one's own mount namespace, so not before Birth.
static void open_all_sources(const sandbox::WireHeader* header, const char* first) {
  uint32_t failed = 0;
  if (open_sources(first, header->step_count, &failed) != 0) report(failed);
}

static const sandbox::WireHeader* map_or_report(int file, uint32_t step) {
  const sandbox::WireHeader* header = map_plan(file);
  if (header != nullptr) return header;
  fail_as(EINVAL, "plan", "not readable");
  report(step);
}

static const char* first_step(const sandbox::WireHeader* header) { return reinterpret_cast<const char*>(header + 1); }

// Runs the whole plan; comes back only by exec.
[[noreturn]] static void run_plan() {
  const sandbox::WireHeader* header = map_or_report(sandbox::kPlanFd, 0);
  const char *first = first_step(header), *at = first;
  StepKind sources_after = has_step(header, StepKind::WaitOutside) ? StepKind::WaitOutside : g_state.born_pid != nullptr ? StepKind::Birth : StepKind::Count;
  if (sources_after == StepKind::Count) open_all_sources(header, first);
  for (uint32_t i = 0; i < header->step_count; ++i) {
    StepView step{reinterpret_cast<const WireStep*>(at), i};
    run_step(step, step.wire->trace != 0);
    if (step.wire->kind == static_cast<uint32_t>(StepKind::WaitOutside) && header->begins != 0) {
      auto done = at - first;
      header = map_or_report(g_state.received, i);
      at = (first = first_step(header)) + done;
    }
    if (step.wire->kind == static_cast<uint32_t>(sources_after)) open_all_sources(header, first);
    at += step.wire->size;
  }
  leave(1);
}

}  // namespace hull::init

int main(int count, char**) {
  // A process inside the container that may trace must find nothing of the host in us (SECURITY E2).
  // KERNEL: until the ids are mapped, /proc/PID of a process that is not dumpable belongs to the first root, and an
  // ordinary user may not write its id maps; proc(5). With an argument we are in a user namespace that is just made,
  // where nobody else is, and WaitOutside follows.
  hull::init::g_state.dumpable = count >= 2;
  if (!hull::init::g_state.dumpable) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NAME, "hull-init");  // KERNEL: of a memory file it is the descriptor's number or the file's own; execveat(2)
  hull::init::reset_signals();
  umask(0);
  for (int fd = hull::sandbox::kControlFd; fd <= hull::sandbox::kConsoleFd; ++fd)
    if (fd != hull::sandbox::kPlanFd) fcntl(fd, F_SETFD, FD_CLOEXEC);  // map_plan() closes it
  hull::init::run_plan();
}
