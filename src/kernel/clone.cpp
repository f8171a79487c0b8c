// Cloning on a stack of its own with shared memory; the fallback to clone(2) stands beside it.
#include "kernel/clone.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "kernel/identity.h"
#include "kernel/signals.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace hull::kernel {
namespace {

constexpr size_t kStackSize = 256 << 10;

struct CloneArgs {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

constexpr uint64_t kCloneIntoCgroup = 0x200000000ULL;

#if defined(__x86_64__)
// KERNEL: with CLONE_VM and a stack of its own the child returns from the system call on an empty stack, so it must
// not return into C; glibc 2.36 does not export its clone3. The child calls body(context) and exits with its value.
__attribute__((noinline)) long clone3_on_stack(CloneArgs* args, int (*body)(void*), void* context) {
  long result;
  register long number asm("rax") = SYS_clone3;
  register CloneArgs* first asm("rdi") = args;
  register size_t second asm("rsi") = sizeof *args;
  register int (*child_body)(void*) asm("r8") = body;
  register void* child_context asm("r9") = context;
  asm volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t"
      "movq %%r9, %%rdi\n\t"
      "callq *%%r8\n\t"
      "movl %%eax, %%edi\n\t"
      "movl %[exit], %%eax\n\t"
      "syscall\n\t"
      "hlt\n"
      "1:"
      : "+r"(number)
      : "r"(first), "r"(second), "r"(child_body), "r"(child_context), [exit] "i"(SYS_exit_group)
      : "rcx", "r11", "memory", "cc");
  result = number;
  return result;
}
#endif

// A child that clones in turn, while we sleep, needs another.
alignas(16) char g_first_stack[kStackSize];
bool g_first_is_taken = false;

struct ChildStack {
  void* base = MAP_FAILED;
  ChildStack() {
    if (!std::exchange(g_first_is_taken, true)) base = g_first_stack;
    else base = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(base, kStackSize);  // what an earlier child left: it never returned from its frames
#endif
  }
  ~ChildStack() {
    if (base == g_first_stack) g_first_is_taken = false;
    else if (base != MAP_FAILED) ::munmap(base, kStackSize);
  }
};

// Signals stay blocked from before the clone until the child execs: a handler must never run on shared memory.
struct BlockedSignals {
  sigset_t before;
  BlockedSignals() { set_signal_mask(SIG_SETMASK, every_signal(), &before); }
  ~BlockedSignals() { set_signal_mask(SIG_SETMASK, before); }
};

// A cgroup v2 may be entered by the child itself, before its body.
struct Entering {
  int (*body)(void*);
  void* context;
  Fd group;  // KERNEL: who opened cgroup.procs is asked for the right to write it, so the parent does; cgroup.c
  bool began = false, refused = false;
};

Result<> open_group(Entering& entering, int cgroup_fd) {
  entering.group = Fd(::openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC));
  if (!entering.group) return fail_errno("open", "cgroup.procs");
  return {};
}

int enter_first(void* context) {
  auto& entering = *static_cast<Entering*>(context);
  entering.began = true;
  entering.refused = entering.group && ::write(entering.group.get(), "0", 1) != 1;
  return entering.refused ? 1 : entering.body(entering.context);
}

// clone(2), for kernels that refuse clone3 (ENOSYS: before 5.3, or a seccomp filter of an outer container).
Result<CloneResult> clone_legacy(const CloneRequest& request, void* stack, Entering& entering) {
  int pidfd = -1;
  if (request.cgroup_fd >= 0) TRY(open_group(entering, request.cgroup_fd));
  uint64_t flags = request.flags | CLONE_VM | CLONE_VFORK | SIGCHLD | (request.want_pidfd ? CLONE_PIDFD : 0);
  int pid = ::clone(enter_first, static_cast<char*>(stack) + kStackSize, static_cast<int>(flags), &entering, &pidfd);
  if (pid < 0) return fail_errno("clone", "");
  // KERNEL: before 5.2 the flag means nothing and is passed over; clone(2). The child is ours and not reaped.
  if (request.want_pidfd && pidfd < 0 && !entering.refused) return CloneResult{pid, open_pidfd(pid).value_or(Fd())};
  return CloneResult{pid, Fd(pidfd)};
}

Result<CloneResult> clone_once(const CloneRequest& request, Entering& entering) {
  ChildStack stack;
  if (stack.base == MAP_FAILED) return fail_errno("mmap", "child stack");
  BlockedSignals blocked;
  int pidfd = -1;
  CloneArgs args{};
  args.flags = request.flags | CLONE_VM | CLONE_VFORK;
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(stack.base);
  args.stack_size = kStackSize;
  if (request.want_pidfd) {
    args.flags |= CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  }
  if (request.cgroup_fd >= 0) {
    args.flags |= kCloneIntoCgroup;
    args.cgroup = static_cast<uint64_t>(request.cgroup_fd);
  }
#if defined(__x86_64__)
  long pid = clone3_on_stack(&args, enter_first, &entering);
  if (pid > 0) return CloneResult{static_cast<pid_t>(pid), Fd(pidfd)};
  errno = static_cast<int>(-pid);
#else
  errno = ENOSYS;
#endif
  if (errno == ENOSYS) return clone_legacy(request, stack.base, entering);
  return fail_errno("clone3", "");
}

}  // namespace

Result<CloneResult> clone_sharing_memory(const CloneRequest& request, int (*body)(void*), void* context) {
  Entering entering{body, context, Fd()};
  CloneResult made = TRY(clone_once(request, entering));
  if (!entering.began && request.cgroup_fd >= 0) {
    // KERNEL: from 6.14 on, a child cloned into a group is killed at birth where cgroup.kill was once used on that group, or
    // on its parent's, as if that had happened meanwhile; cgroup_post_fork(). It enters by itself then.
    ::waitpid(made.pid, nullptr, __WALL);
    TRY(open_group(entering, request.cgroup_fd));
    made = TRY(clone_once({request.flags, -1, request.want_pidfd}, entering));
  }
  if (!entering.refused) return made;
  ::waitpid(made.pid, nullptr, __WALL);
  return fail(ErrorKind::System, "the cgroup of the container takes no process");
}

}  // namespace hull::kernel
