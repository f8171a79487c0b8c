// Hooks that run inside the container's namespaces: createContainer while the host's tree is still there, startContainer
// just before the program.
#include <fcntl.h>
#include <poll.h>
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
  setpgid(0, 0);
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

// What a hook says, of which the end is kept. What it leaves behind finds nobody to say it to.
struct Said {
  int reader;
  char text[400];
  size_t size;
};

constexpr size_t kTail = 200;

static void take(Said& said) {
  char buffer[1024];
  ssize_t got = read(said.reader, buffer, sizeof buffer);
  if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
    close(said.reader);
    said.reader = -1;
  }
  for (ssize_t i = 0; i < got; ++i) {
    if (said.size == sizeof said.text) memmove(said.text, said.text + (said.size - kTail), kTail), said.size = kTail;
    said.text[said.size++] = buffer[i];
  }
}

// The end as a text: whole characters, no blanks at the end.
static const char* words_of(Said& said, char (&words)[kTail + 1]) {
  const char* text = said.text + (said.size > kTail ? said.size - kTail : 0);
  size_t size = said.size > kTail ? kTail : said.size;
  while (size > 0 && (*text & 0xc0) == 0x80) ++text, --size;
  while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' ')) --size;
  memcpy(words, text, size);
  words[size] = '\0';
  return words;
}

// -1 when `seconds` (0: none) have passed; then its group has been killed.
static int wait_child(pid_t child, uint64_t seconds, Said& said) {
  struct timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (;;) {
    constexpr int kStepMs = 2;  // nothing tells of a child's end but waiting
    struct pollfd polled = {said.reader, POLLIN, 0};
    int status = 0;
    bool forever = seconds == 0 && said.reader < 0;
    if (!forever && poll(&polled, 1, kStepMs) > 0) take(said);
    pid_t ended = waitpid(child, &status, forever ? 0 : WNOHANG);
    if (ended < 0 && errno != EINTR) return 0x7f00;
    if (ended == child) {
      while (said.reader >= 0 && poll(&polled, 1, 0) > 0 && said.size < sizeof said.text) take(said);
      return status;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool whole = now.tv_nsec >= begin.tv_nsec;  // the second that has begun is over
    if (seconds != 0 && static_cast<uint64_t>(now.tv_sec - begin.tv_sec) >= seconds + (whole ? 0 : 1)) break;
  }
  kill(-child, SIGKILL);
  waitpid(child, nullptr, 0);
  return -1;
}

static const char* why_of(int status, uint64_t seconds, char (&why)[48]) {
  if (status < 0) snprintf(why, sizeof why, "still running after %u s", static_cast<unsigned>(seconds));
  else if (WIFSIGNALED(status)) snprintf(why, sizeof why, "ended by signal %d", WTERMSIG(status));
  else snprintf(why, sizeof why, "exit status %d", WEXITSTATUS(status));
  return why;
}

int run_hook(const StepView& step) {
  int input = state_file(step), ends[2];
  if (input < 0) return -1;
  if (pipe2(ends, O_CLOEXEC) != 0) return fail("pipe2", step.text(0));
  pid_t child = fork();
  if (child < 0) return fail("fork", step.text(0));
  if (child == 0) exec_hook(step, input, ends[1]);
  close(input);
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  Said said = {ends[0], {}, 0};
  int status = wait_child(child, step.number(0), said);
  if (said.reader >= 0) close(said.reader);
  if (status == 0) {
    if (g_state.outcome > 0) (void)!write(g_state.outcome, "\n", 1);  // `start` counts them
    return 0;
  }
  char why[48], words[kTail + 1], what[400];
  bool silent = *words_of(said, words) == '\0';
  snprintf(what, sizeof what, "%s: %s: %s%s%s", step.text(0), step.text(1), why_of(status, step.number(0), why), silent ? "" : ": ", words);
  return fail_as(ECANCELED, "", what);
}

}  // namespace hull::init
