// Hooks that run inside the container's namespaces: createContainer while the host's tree is still there, startContainer
// just before the program.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

const char* with_pid(const char* text, const char* pid, size_t* size) {
  size_t marks = 0, pid_size = strlen(pid);
  for (const char* at = text; *at != '\0'; ++at) marks += *at == '\1';
  auto* out = static_cast<char*>(malloc(strlen(text) + marks * pid_size + 1));
  if (out == nullptr) return nullptr;
  size_t used = 0;
  for (const char* at = text; *at != '\0'; ++at) {
    if (*at != '\1') { out[used++] = *at; continue; }
    memcpy(out + used, pid, pid_size);
    used += pid_size;
  }
  out[used] = '\0';
  *size = used;
  return out;
}

int send_descriptor(int socket_fd, int fd, const void* data, size_t size) {
  struct iovec part{const_cast<void*>(data), size};
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.space;
  message.msg_controllen = sizeof control.space;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket_fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(size) ? 0 : -1;
}

static int state_file(const StepView& step) {
  char pid[16];
  snprintf(pid, sizeof pid, "%d", static_cast<int>(getpid()));
  size_t size;
  const char* state = with_pid(step.text(2), pid, &size);
  int fd = memfd_create("hull-state", MFD_CLOEXEC);
  if (state == nullptr || fd < 0 || write(fd, state, size) != static_cast<ssize_t>(size) || lseek(fd, 0, SEEK_SET) != 0)
    return fail("memfd_create", "state of the container");
  free(const_cast<char*>(state));
  return fd;
}

[[noreturn]] static void exec_hook(const StepView& step, int input, int output) {
  auto count = static_cast<uint32_t>(step.number(1));
  auto** arguments = static_cast<char**>(calloc(step.count() + 2, sizeof(char*)));
  if (arguments == nullptr || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) leave(127);
  char** environment = arguments + count + 1;
  for (uint32_t i = 3; i < step.count(); ++i)
    (i - 3 < count ? arguments[i - 3] : environment[i - 3 - count]) = const_cast<char*>(step.text(i));
  constexpr int kMostOfOurs = 1024;  // KERNEL: close_range is missing before 5.9
  if (sys_close_range(3, ~0u, 0) != 0)
    for (int fd = 3; fd < kMostOfOurs; ++fd) close(fd);
  execve(step.text(1), arguments, environment);
  leave(127);
}

// -1 when `seconds` (0: none) have passed; then the child has been killed.
static int wait_child(pid_t child, uint64_t seconds) {
  constexpr int kStepMs = 2;
  const struct timespec pause = {0, kStepMs * 1000000};
  for (uint64_t waited = 0;; waited += kStepMs) {
    int status;
    pid_t ended = waitpid(child, &status, seconds == 0 ? 0 : WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return 0x7f00;
    if (seconds == 0) continue;
    if (waited >= seconds * 1000) break;
    nanosleep(&pause, nullptr);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return -1;
}

static const char* why_of(int status, uint64_t seconds, char (&why)[48]) {
  if (status < 0) snprintf(why, sizeof why, "still running after %u s", static_cast<unsigned>(seconds));
  else if (WIFSIGNALED(status)) snprintf(why, sizeof why, "ended by signal %d", WTERMSIG(status));
  else snprintf(why, sizeof why, "exit status %d", WEXITSTATUS(status));
  return why;
}

// The end of what it said.
static void said(int output, char (&text)[200]) {
  constexpr off_t kMost = sizeof text - 1;
  off_t size = lseek(output, 0, SEEK_END), from = size > kMost ? size - kMost : 0;
  ssize_t got = pread(output, text, sizeof text - 1, from);
  while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == ' ')) --got;
  text[got > 0 ? got : 0] = '\0';
}

int run_hook(const StepView& step) {
  int input = state_file(step), output = memfd_create("hull-hook", MFD_CLOEXEC);
  if (input < 0) return -1;
  if (output < 0) return fail("memfd_create", step.text(0));
  pid_t child = fork();
  if (child < 0) return fail("fork", step.text(0));
  if (child == 0) exec_hook(step, input, output);
  close(input);
  int status = wait_child(child, step.number(0));
  char why[48], words[200] = "", what[400];
  if (status != 0) said(output, words);
  close(output);
  if (status == 0) return 0;
  snprintf(what, sizeof what, "%s: %s: %s%s%s", step.text(0), step.text(1), why_of(status, step.number(0), why), *words != '\0' ? ": " : "", words);
  return fail_as(ECANCELED, "", what);
}

}  // namespace hull::init
