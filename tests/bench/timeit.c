// Runs a command N times and prints one line a run: microseconds from spawn to reaped, the exit status, and the
// largest resident set, in KiB, of it and of what it has waited for. By
// vfork and wait4 from a tiny static program, so that nothing of the driver is in the measure (glibc's posix_spawn asks
// after every signal first). Output of the command goes to /dev/null. With PARALLEL > 1, that many start at once and each one's duration is printed; `{}` in an
// argument becomes the run's number.
//
//   timeit ROUNDS PARALLEL COMMAND ARG…
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARALLEL 1024
#define MAX_ARGUMENTS 256

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int null, quiet;  // /dev/null, and whether the command's errors go there, too

static pid_t start(char** command, int number) {
  static char texts[MAX_ARGUMENTS][256];
  char* arguments[MAX_ARGUMENTS + 1];
  int count = 0;
  for (; command[count] && count < MAX_ARGUMENTS; count++) {
    char* hole = strstr(command[count], "{}");
    arguments[count] = command[count];
    if (!hole) continue;
    snprintf(texts[count], sizeof texts[count], "%.*s%d%s", (int)(hole - command[count]), command[count], number, hole + 2);
    arguments[count] = texts[count];
  }
  arguments[count] = NULL;
  volatile int error = 0;  // written by the child, whose memory is ours
  pid_t pid = vfork();
  if (pid == 0) {
    for (int fd = 0; fd < 2 + quiet; fd++) dup2(null, fd);
    execvp(arguments[0], arguments);
    error = errno;
    _exit(1);
  }
  if (pid < 0) error = errno;
  if (error) { fprintf(stderr, "timeit: %s: %s\n", arguments[0], strerror(error)); exit(1); }
  return pid;
}

int main(int argc, char** argv) {
  if (argc < 4) { fprintf(stderr, "usage: timeit ROUNDS PARALLEL COMMAND ARG...\n"); return 2; }
  int rounds = atoi(argv[1]), parallel = atoi(argv[2]);
  static pid_t pids[MAX_PARALLEL];
  static double began[MAX_PARALLEL];
  if (parallel < 1 || parallel > MAX_PARALLEL) return 2;
  null = open("/dev/null", O_RDWR | O_CLOEXEC);
  quiet = !getenv("TIMEIT_STDERR");
  if (null < 0) { perror("timeit: /dev/null"); return 1; }
  for (int round = 0; round < rounds; round++) {
    double first = now_us();
    for (int i = 0; i < parallel; i++) {
      began[i] = parallel > 1 ? first : now_us();
      pids[i] = start(argv + 3, round * parallel + i);
    }
    for (int left = parallel; left > 0; left--) {
      int status = 0, i = 0;
      struct rusage usage;
      pid_t ended = wait4(-1, &status, 0, &usage);
      double end = now_us();
      while (i < parallel && pids[i] != ended) i++;
      if (i == parallel) { left++; continue; }
      printf("%.1f %d %ld\n", end - began[i], WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), usage.ru_maxrss);
    }
  }
  return 0;
}
