/* A crowd for lsns: PROCESSES idle processes in about NAMESPACES namespaces of seven kinds, then "ready". Ends, with all
   of them, when its standard input closes. Used by ns_bench.py. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static const int kinds[] = {CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUSER};
  int processes = argc > 1 ? atoi(argv[1]) : 600, namespaces = argc > 2 ? atoi(argv[2]) : 800;
  for (int i = 0; i < processes; ++i) {
    if (fork() != 0) continue;
    int wanted = namespaces * (i + 1) / processes - namespaces * i / processes;
    int flags = 0;
    for (int n = 0; n < wanted; ++n) flags |= kinds[(i + n) % 6];
    if (unshare(flags) != 0) perror("crowd: unshare");
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after unshare: new credentials clear it */
    pause();
    _exit(0);
  }
  usleep(300000);
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF) {}
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  return 0;
}
