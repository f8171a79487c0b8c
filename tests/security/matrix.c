/* Makes every system call of x86-64 with arguments of all bits, each in a child of its own, and prints what came of it:
 * "NUMBER ERRNO", 0 where it returned, -1 where it waits or the child died. sync(2) is left out: it waits for the host's disks. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int outcome(long number, int* shared) {
  *shared = -1;
  pid_t child = fork();
  if (child == 0) {
    long all = -1;
    pid_t me = getpid();
    errno = 0;
    long result = syscall(number, all, all, all, all, all, all);
    if (syscall(SYS_getpid) == me) *shared = result == -1 ? errno : 0; /* not in what fork made */
    _exit(0);
  }
  for (int waited = 0; waited < 100; ++waited) {
    if (waitpid(child, NULL, WNOHANG) == child) return *shared;
    poll(NULL, 0, waited < 5 ? 0 : 1);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return *shared;
}

int main(void) {
  int* shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (long number = 0; number < 548; ++number)
    if (number != SYS_sync) printf("%ld %d\n", number, outcome(number, shared));
  return 0;
}
