// Kills a process tree at a chosen point: runs a command under ptrace, counts the system calls that change something
// (by any process of the tree), and sends SIGKILL to the caller of the Nth at its entry. What else runs goes on
// untraced. Answers on stdout: "reached COUNT" when the command ended first, or "killed PID COMM SYSCALL STATUS" with
// the exit status of the command itself, or "hang" after ten seconds.
//
// With KILLAT_STOP in the environment, where it is the command itself that is killed, all other processes of the tree
// are stopped (SIGSTOP) at that moment, as if the machine were too busy to run them; "stopped PID…" names them.
// With KILLAT_LIST, "turn N" names each call at which a process is made, replaced, moved, waited for or ends.
//
//   killat N COMMAND ARG…        N = 0 only counts
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int mutating[] = {
    SYS_write, SYS_writev, SYS_pwrite64, SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_close, SYS_close_range,
    SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_link,
    SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_mknod, SYS_mknodat, SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_fchown,
    SYS_fchownat, SYS_ftruncate, SYS_fsync, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
    SYS_open_tree, SYS_move_mount, SYS_mount_setattr, SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_execve,
    SYS_execveat, SYS_setns, SYS_unshare, SYS_sendmsg, SYS_sendto, SYS_connect, SYS_bind, SYS_prctl, SYS_ioctl, SYS_fcntl,
    SYS_setuid, SYS_setgid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_capset, SYS_seccomp, SYS_sethostname,
    SYS_setsid, SYS_kill, SYS_pidfd_send_signal, SYS_pidfd_open, SYS_memfd_create, SYS_dup, SYS_dup2, SYS_dup3, SYS_pipe2,
    SYS_socketpair, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_keyctl, SYS_setrlimit, SYS_prlimit64, SYS_chdir, SYS_fchdir,
    SYS_poll, SYS_ppoll, SYS_epoll_wait, SYS_read};

static const int turning[] = {SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_setns, SYS_unshare, SYS_wait4,
                              SYS_waitid, SYS_exit_group};

static int is_one_of(const int* calls, size_t count, unsigned long number) {
  for (size_t i = 0; i < count; i++)
    if ((unsigned long)calls[i] == number) return 1;
  return 0;
}

static int is_mutating(unsigned long number) { return is_one_of(mutating, sizeof mutating / sizeof *mutating, number); }
static int is_turning(unsigned long number) { return is_one_of(turning, sizeof turning / sizeof *turning, number); }

static void comm_of(pid_t pid, char* into, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  int fd = open(path, O_RDONLY);
  ssize_t n = fd >= 0 ? read(fd, into, size - 1) : 0;
  into[n > 0 ? n - 1 : 0] = 0;
  if (fd >= 0) close(fd);
  for (char* c = into; *c; c++)
    if (*c == ' ') *c = '_';
}

static volatile sig_atomic_t too_late;
static void on_alarm(int number) { (void)number; too_late = 1; }

static pid_t start(char** command) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  int null = getenv("KILLAT_QUIET") ? open("/dev/null", O_RDWR) : -1; /* what outlives us must not hold our output */
  for (int fd = 0; null >= 0 && fd < 3; fd++) dup2(null, fd);
  raise(SIGSTOP);
  execvp(command[0], command);
  _exit(127);
}

static pid_t tree[64];

static void remember(pid_t pid) {
  for (size_t i = 0; i < sizeof tree / sizeof *tree; i++) {
    if (tree[i] == pid) return;
    if (tree[i] != 0) continue;
    tree[i] = pid;
    return;
  }
}

static void stop_others(pid_t first) {
  printf("stopped");
  for (size_t i = 0; i < sizeof tree / sizeof *tree && tree[i] != 0; i++)
    if (tree[i] != first && kill(tree[i], SIGSTOP) == 0) printf(" %d", tree[i]);
  printf("\n");
}

// Returns 1 if this stop was the chosen one and the caller has been killed.
static int at_syscall(pid_t pid, long wanted, long* count) {
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY) return 0;
  if (!is_mutating(info.entry.nr)) return 0;
  ++*count;
  if (getenv("KILLAT_LIST") && is_turning(info.entry.nr)) printf("turn %ld\n", *count);
  if (*count != wanted) return 0;
  char comm[32];
  comm_of(pid, comm, sizeof comm);
  if (pid == tree[0] && getenv("KILLAT_STOP")) stop_others(pid);
  printf("killed %d %s %llu ", pid, comm, (unsigned long long)info.entry.nr);
  kill(pid, SIGKILL);
  return 1;
}

static int finish(long wanted, long count, int killed, int status) {
  if (!killed) printf("reached %ld ", count);
  printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return wanted && !killed ? 3 : 0;
}

static int follow(pid_t first, long wanted) {
  long count = 0;
  int killed = 0, status = 0;
  for (;;) {
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && (too_late || errno != EINTR)) { printf("hang\n"); return 4; }
    if (pid < 0) continue;
    remember(pid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (pid == first) return finish(wanted, count, killed, status);
      continue;
    }
    int signal = WSTOPSIG(status), event = status >> 16;
    int deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
      if (!killed) killed = at_syscall(pid, wanted, &count);
    } else if (event == 0 && signal != SIGSTOP && signal != SIGTRAP) {
      deliver = signal;
    } else if (event == PTRACE_EVENT_STOP) {
      deliver = 0;
    }
    ptrace(killed ? PTRACE_DETACH : PTRACE_SYSCALL, pid, 0, deliver);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) { fprintf(stderr, "usage: killat N COMMAND ARG...\n"); return 2; }
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  pid_t first = start(argv + 2);
  int status;
  waitpid(first, &status, WUNTRACED);
  /* Seized, not attached: a new child then never has a SIGSTOP of the tracer's on its way, which would stop it for good
     if we end before it arrives. */
  if (ptrace(PTRACE_SEIZE, first, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                         PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC) < 0) {
    perror("killat: ptrace");
    return 2;
  }
  kill(first, SIGCONT);
  ptrace(PTRACE_INTERRUPT, first, 0, 0);
  alarm(10);
  return follow(first, atol(argv[1]));
}
