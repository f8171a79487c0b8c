/* What a container's root finds open: `surface writable DIR`, `surface keys ID NAME`, `surface identity`. Static. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int print_writable(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)place;
  if (kind == FTW_D && strncmp(path, "/proc/", 6) == 0 && path[6] >= '1' && path[6] <= '9') return FTW_SKIP_SUBTREE;
  if (!S_ISREG(status->st_mode) || (status->st_mode & 0222) == 0) return FTW_CONTINUE;  /* root opens what nobody can write to */
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
  if (fd >= 0) puts(path), close(fd);
  return FTW_CONTINUE;
}

/* KEYCTL_READ 11, KEYCTL_SEARCH 10, KEYCTL_LINK 8; the session keyring is -3, the user's -4. */
static int find_key(long id, const char *name) {
  char content[64];
  if (syscall(SYS_keyctl, 11, id, content, sizeof content) >= 0) puts("read by number");
  for (long ring = -3; ring >= -5; ring--)
    if (syscall(SYS_keyctl, 10, ring, "user", name, 0) >= 0) printf("found in keyring %ld\n", ring);
  if (syscall(SYS_request_key, "user", name, NULL, 0) >= 0) puts("found by request");
  if (syscall(SYS_add_key, "user", "own", "x", 1, -3L) < 0) printf("no keys here: %s\n", strerror(errno));
  return 0;
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "";
  if (strcmp(way, "writable") == 0) return nftw(argv[2], print_writable, 32, FTW_PHYS | FTW_ACTIONRETVAL);
  if (strcmp(way, "keys") == 0) return find_key(atol(argv[2]), argv[3]);
  if (strcmp(way, "identity") == 0) return printf("%d %d\n", getuid(), geteuid()), 0;
  return 2;
}
