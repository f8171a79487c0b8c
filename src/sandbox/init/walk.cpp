// openat2(2) by hand, for a kernel that refuses it (before 5.6): one component at a time by O_PATH|O_NOFOLLOW, links
// spliced in as text, ".." by going back to the descriptor we came from and never by asking the kernel. What was
// reached is a descriptor, and its path must lie beneath the root's at the end, else the walk is begun anew.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

constexpr int kMaxDepth = 128, kMaxLinks = 40, kMaxRaces = 128;
constexpr size_t kTextMax = 4096;

namespace {

struct Walk {
  int root;
  uint64_t flags, resolve;
  int trail[kMaxDepth];         // from below the root to where we are
  int depth = 0, links = 0;
  char rest[2 * kTextMax];      // components still to go
  const char* at = rest;
  char name[256];               // the last one that was entered
};

int here(const Walk& walk) { return walk.depth > 0 ? walk.trail[walk.depth - 1] : walk.root; }

void go_back(Walk& walk, int depth) {
  while (walk.depth > depth) close(walk.trail[--walk.depth]);
}

// The next component into `name`; 0 at the end.
int next_name(Walk& walk) {
  while (*walk.at == '/') ++walk.at;
  size_t size = static_cast<size_t>(strchrnul(walk.at, '/') - walk.at);
  if (size == 0) return 0;
  if (size >= sizeof walk.name) return errno = ENAMETOOLONG, -1;
  memcpy(walk.name, walk.at, size);
  walk.name[size] = '\0';
  walk.at += size;
  return 1;
}

// KERNEL: the links of /proc/PID lead anywhere whatever their text says; those beside the PIDs (self, mounts, net) are
// plain; proc(5). A mount with nosymfollow has none at all.
int check_link(int parent, int link) {
  constexpr long kProcMagic = 0x9fa0, kNoSymfollow = 0x2000;
  constexpr ino_t kProcTop = 1;
  struct statfs fs;
  struct stat above;
  if (fstatfs(link, &fs) != 0 || fstat(parent, &above) != 0) return -1;
  bool refused = (fs.f_flags & kNoSymfollow) != 0 || (fs.f_type == kProcMagic && above.st_ino != kProcTop);
  return refused ? (errno = ELOOP, -1) : 0;
}

int follow(Walk& walk, int link) {
  if ((walk.resolve & kResolveNoSymlinks) != 0 || ++walk.links > kMaxLinks) return errno = ELOOP, -1;
  if (check_link(here(walk), link) != 0) return -1;
  char text[2 * kTextMax];
  ssize_t got = readlinkat(link, "", text, kTextMax);
  if (got <= 0) return got < 0 ? -1 : (errno = ENOENT, -1);
  auto size = static_cast<size_t>(got);
  size_t left = strlen(walk.at) + 1;
  if (size + left > sizeof text) return errno = ENAMETOOLONG, -1;
  memcpy(text + size, walk.at, left);
  memcpy(walk.rest, text, size + left);
  walk.at = walk.rest;
  if (text[0] == '/') go_back(walk, 0);
  return 0;
}

int enter(Walk& walk) {
  if (strcmp(walk.name, ".") == 0) return 0;
  if (strcmp(walk.name, "..") == 0) return go_back(walk, walk.depth > 0 ? walk.depth - 1 : 0), 0;
  int next = openat(here(walk), walk.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  if (next < 0 || fstat(next, &status) != 0) return -1;
  bool last = *walk.at == '\0';
  if (S_ISLNK(status.st_mode) && !(last && (walk.flags & O_NOFOLLOW) != 0)) {
    int result = follow(walk, next);
    close(next);
    return result;
  }
  if (walk.depth == kMaxDepth) return close(next), errno = ENAMETOOLONG, -1;
  walk.trail[walk.depth++] = next;
  return 0;
}

// What the walk ended on, with the flags wanted: by its plain name again, and it must be the same.
int reopen(const Walk& walk) {
  struct stat walked, opened;
  int reached = here(walk), flags = static_cast<int>(walk.flags) | O_CLOEXEC;
  if (fstat(reached, &walked) != 0) return -1;
  bool directory = S_ISDIR(walked.st_mode);
  if (!directory && ((walk.flags & O_DIRECTORY) != 0 || walk.at[-1] == '/')) return errno = ENOTDIR, -1;
  if ((walk.flags & O_PATH) != 0) return fcntl(reached, F_DUPFD_CLOEXEC, 0);
  if (directory) return openat(reached, ".", flags);
  int fd = openat(walk.depth > 1 ? walk.trail[walk.depth - 2] : walk.root, walk.name, flags | O_NOFOLLOW);
  if (fd >= 0 && fstat(fd, &opened) == 0 && opened.st_ino == walked.st_ino && opened.st_dev == walked.st_dev) return fd;
  if (fd >= 0) close(fd), errno = EAGAIN;
  return -1;
}

ssize_t path_of(int fd, char* path) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, kTextMax - 1);
  if (size >= 0) path[size] = '\0';
  return size;
}

// A directory on our way may have been moved out of the root meanwhile, and we with it.
int check_beneath(int root, int fd) {
  char top[kTextMax], path[kTextMax];
  ssize_t size = path_of(root, top);
  if (size < 0 || path_of(fd, path) < 0) return -1;
  if (strcmp(top, "/") == 0) size = 0;
  bool beneath = strncmp(top, path, static_cast<size_t>(size)) == 0 && (path[size] == '/' || path[size] == '\0');
  return beneath ? 0 : (errno = EAGAIN, -1);
}

int walk_once(int root, const char* path, uint64_t flags, uint64_t resolve) {
  Walk walk;
  walk.root = root;
  walk.flags = flags;
  walk.resolve = resolve;
  size_t size = strlen(path) + 1;
  if (size > kTextMax) return errno = ENAMETOOLONG, -1;
  memcpy(walk.rest, path, size);
  int step;
  while ((step = next_name(walk)) > 0 && (step = enter(walk)) == 0) {}
  int fd = step < 0 ? -1 : reopen(walk);
  int saved = errno;
  go_back(walk, 0);
  errno = saved;
  return fd;
}

}  // namespace

int walk_beneath(int root, const char* path, uint64_t flags, uint64_t resolve) {
  for (int attempt = 0; attempt < kMaxRaces; ++attempt) {
    int fd = walk_once(root, path, flags, resolve);
    if (fd < 0 && errno != EAGAIN) return -1;
    if (fd >= 0 && check_beneath(root, fd) == 0) return fd;
    if (fd >= 0) close(fd);
    if (errno != EAGAIN) return -1;
  }
  return -1;
}

int walk_without_links(const char* path, uint64_t flags) {
  int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = top < 0 ? -1 : walk_once(top, path, flags, kResolveNoSymlinks);
  int saved = errno;
  close(top);
  errno = saved;
  return fd;
}

}  // namespace hull::init
