// The last steps: hand-shakes with hull, staying as PID 1 (--init), and exec.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

// Waits for one byte from hull. Its end of file means that hull is gone: nobody has written us down, so we go too.
static int wait_byte(char expected, const char* what) {
  for (;;) {
    char message[sizeof g_state.host_pid] = {};
    ssize_t got = read(sandbox::kControlFd, message, sizeof message - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 1 || message[0] != expected) return fail_as(got < 0 ? errno : EPIPE, "hull went away", what);
    if (got > 1) memcpy(g_state.host_pid, message + 1, sizeof message - 1);
    return 0;
  }
}

static void say(uint32_t mark) {
  sandbox::WireTrace message{mark, 0};
  send(sandbox::kControlFd, &message, sizeof message, MSG_NOSIGNAL);
}

int tell_namespaces(const StepView&) {
  say(sandbox::kNamespacesMark);
  return 0;
}

int wait_hooks(const StepView&) {
  say(sandbox::kReadyMark);
  return wait_byte('H', "while its hooks ran");
}

int wait_outside(const StepView&) {
  unsigned char words[2] = {};
  struct iovec data{words, sizeof words};
  int fds[1 + sandbox::kMaxGroupFiles];
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof fds)]; } control = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.space;
  message.msg_controllen = sizeof control.space;
  ssize_t got;
  do got = recvmsg(sandbox::kControlFd, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got != sizeof words || words[0] != 'M') return fail_as(got < 0 ? errno : EPIPE, "hull went away", "while it made what only it can");
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  size_t came = header != nullptr && header->cmsg_type == SCM_RIGHTS ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
  size_t of_groups = words[1], others = came - of_groups;
  if (of_groups > came || of_groups > sandbox::kMaxGroupFiles || others > 1) return fail_as(EPROTO, "descriptors", "of what hull made");
  if (came > 0) memcpy(fds, CMSG_DATA(header), came * sizeof(int));
  if (others > 0) g_state.received = fds[0];
  memcpy(g_state.group_files, fds + others, of_groups * sizeof(int));
  g_state.group_file_count = static_cast<uint32_t>(of_groups);
  if (g_state.dumpable) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return 0;
}
int wait_go(const StepView& step) {
  if (step.number(0) != 0) say(sandbox::kReadyMark);
  return wait_byte('G', "before the process was released");
}

static const char* environment_value(char** environment, const char* name) {
  size_t size = strlen(name);
  for (char** entry = environment; *entry != nullptr; ++entry)
    if (strncmp(*entry, name, size) == 0 && (*entry)[size] == '=') return *entry + size + 1;
  return nullptr;
}

// KERNEL: execve of a directory says EACCES; the user is told that it is one.
static int exec_failed(const char* program) {
  struct stat status;
  int saved = errno;
  if (saved == EACCES && stat(program, &status) == 0 && S_ISDIR(status.st_mode)) saved = EISDIR;
  return fail_as(saved, "exec", program);
}

// 0 if the program can most likely be executed, else as exec fails: what can be told before hooks run or `start` comes.
static int look_for_program(const char* program, const char* path) {
  struct stat status;
  if (strchr(program, '/') != nullptr) {
    if (faccessat(AT_FDCWD, program, X_OK, AT_EACCESS) != 0) return exec_failed(program);
    return stat(program, &status) == 0 && S_ISDIR(status.st_mode) ? fail_as(EISDIR, "exec", program) : 0;
  }
  bool refused = false;
  char candidate[4096];
  while (*path != '\0') {
    const char* end = strchrnul(path, ':');
    int size = snprintf(candidate, sizeof candidate, "%.*s/%s", static_cast<int>(end - path), path, program);
    path = *end == ':' ? end + 1 : end;
    if (size >= static_cast<int>(sizeof candidate) || stat(candidate, &status) != 0 || S_ISDIR(status.st_mode)) continue;
    if (faccessat(AT_FDCWD, candidate, X_OK, AT_EACCESS) == 0) return 0;
    refused = true;
  }
  return fail_as(refused ? EACCES : ENOENT, refused ? "exec" : "search PATH", program);
}

int find_program(const StepView& step) { return look_for_program(step.text(0), step.text(1)); }

// `create` ends here, `start` writes the byte. The fifo is open both ways in us, so only a byte ends the wait.
int wait_start(const StepView& step) {
  auto fifo = static_cast<int>(step.number(0));
  send_trace();
  say(sandbox::kWaitingMark);
  close(sandbox::kControlFd);
  g_state.control = -1;
  g_state.outcome = static_cast<int>(step.number(1));
  if (g_state.outcome > 0) fcntl(g_state.outcome, F_SETFD, FD_CLOEXEC);  // its end is what `start` waits for
  char byte;
  ssize_t got;
  do got = read(fifo, &byte, 1);
  while (got < 0 && errno == EINTR);
  close(fifo);
  return got == 1 ? 0 : fail("read", "start fifo");
}

static int exec_by_search(char** arguments, char** environment) {
  const char* path = environment_value(environment, "PATH");
  if (path == nullptr) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  bool refused = false;
  char candidate[4096];
  while (*path != '\0') {
    const char* end = strchrnul(path, ':');
    int size = snprintf(candidate, sizeof candidate, "%.*s/%s", static_cast<int>(end - path), path, arguments[0]);
    path = *end == ':' ? end + 1 : end;
    if (size >= static_cast<int>(sizeof candidate) || candidate[0] != '/') continue;
    struct stat status;
    if (stat(candidate, &status) != 0 || S_ISDIR(status.st_mode)) continue;
    execve(candidate, arguments, environment);
    if (errno != EACCES) return exec_failed(candidate);
    refused = true;
  }
  return fail_as(refused ? EACCES : ENOENT, refused ? "exec" : "search PATH", arguments[0]);
}

// The caller's descriptors take 3 and the numbers after it, where ours are until now.
static int place_preserved(int first, int count) {
  constexpr int kOutOfTheWay = 512;
  int* const own[] = {&g_state.control, &g_state.outcome};
  for (int* ours : own) {
    if (*ours <= 0) continue;
    int moved = fcntl(*ours, F_DUPFD_CLOEXEC, first + count + kOutOfTheWay);
    if (moved < 0) return fail("fcntl", "descriptor of hull's own");
    close(*ours);
    *ours = moved;
  }
  for (int i = 0; i < count; ++i) {
    if (dup2(first + i, 3 + i) < 0) return fail("dup2", "preserved descriptor");
    if (first + i >= 3 + count) fcntl(first + i, F_SETFD, FD_CLOEXEC);
  }
  return 0;
}

int execute(const StepView& step) {
  if (step.number(3) != 0 && place_preserved(static_cast<int>(step.number(2)), static_cast<int>(step.number(3))) != 0) return -1;
  auto arguments_count = static_cast<uint32_t>(step.number(0));
  auto** pointers = static_cast<char**>(calloc(step.count() + 3, sizeof(char*)));
  if (pointers == nullptr) return fail("calloc", "arguments");
  char** environment = pointers + arguments_count + 1;
  const char* text = step.count() > 0 ? step.text(0) : nullptr;
  for (uint32_t i = 0; i < step.count(); ++i, text = sandbox::next_text(text))
    (i < arguments_count ? pointers[i] : environment[i - arguments_count]) = const_cast<char*>(text);
  if (g_state.home != nullptr) environment[step.count() - arguments_count] = g_state.home;
  send_trace();
  if (strchr(pointers[0], '/') == nullptr && step.number(1) != 0) return exec_by_search(pointers, environment);
  execve(pointers[0], pointers, environment);
  return exec_failed(pointers[0]);
}

static volatile pid_t reaped_child;

static void forward(int signal_number) {
  if (reaped_child > 0) kill(reaped_child, signal_number);
}

// PID 1 for good: reaps every orphan, forwards signals, ends as its child ended (128 + signal for a signal).
[[noreturn]] static void reap_until_child_ends(pid_t child) {
  reaped_child = child;
  close(sandbox::kControlFd);
  struct sigaction action = {};
  action.sa_handler = forward;
  action.sa_flags = SA_RESTART;
  for (int number = 1; number < 32; ++number)
    if (number != SIGCHLD && number != SIGKILL && number != SIGSTOP && number != SIGTTIN && number != SIGTTOU)
      sigaction(number, &action, nullptr);
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) leave(255);
    if (ended != child) continue;
    if (WIFSIGNALED(status)) leave(128 + WTERMSIG(status));
    if (WIFEXITED(status)) leave(WEXITSTATUS(status));
  }
}

// Nothing runs here yet: who enters later has its orphans reaped. Only SIGKILL from outside ends it.
int hold(const StepView&) {
  close(sandbox::kControlFd);
  sigset_t every;
  sigfillset(&every);
  sigprocmask(SIG_BLOCK, &every, nullptr);
  for (;;)
    if (waitpid(-1, nullptr, 0) < 0) sigwaitinfo(&every, nullptr);
}

int stay_as_reaper(const StepView&) {
  pid_t child = fork();
  if (child < 0) return fail("fork", "");
  if (child > 0) {
    // With a terminal the child leads the foreground group, as it would without us.
    if (isatty(0)) {
      setpgid(child, child);
      tcsetpgrp(0, child);
    }
    reap_until_child_ends(child);
  }
  if (isatty(0)) {
    signal(SIGTTOU, SIG_IGN);
    setpgid(0, 0);
    tcsetpgrp(0, getpid());
    signal(SIGTTOU, SIG_DFL);
  }
  return 0;
}

}  // namespace hull::init
