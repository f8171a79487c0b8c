// Paths inside the new root. Every one is resolved by openat2 with RESOLVE_IN_ROOT beneath the root's descriptor (or by
// the walk that stands in for it, walk.cpp), so that no symbolic link of the image can name anything outside it (SECURITY P1).
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

constexpr size_t kPathMax = 4096;

int open_inside(const char* path, uint64_t flags) {
  return sys_openat2(g_state.root, path, flags, kResolveInRoot | kResolveNoMagiclinks);
}

static int make_directory_inside_at(const char* path, unsigned mode, int links_left);
static int make_missing_at(const char* path, unsigned mode, int links_left);
constexpr int kMaxLinks = 40;

// A link whose target does not exist yet: the target is made, inside the root, as mount points are on the host.
static int make_link_target(int parent, const char* path, const char* name, unsigned mode, int links_left) {
  char target[kPathMax];
  size_t prefix = static_cast<size_t>(name - path);
  ssize_t size = readlinkat(parent, name, target, sizeof target - 1);
  if (size <= 0 || links_left == 0) return -1;
  target[size] = '\0';
  if (target[0] == '/') return make_directory_inside_at(target, mode, links_left - 1);
  char joined[kPathMax];
  if (prefix + static_cast<size_t>(size) >= sizeof joined) return -1;
  memcpy(joined, path, prefix);
  memcpy(joined + prefix, target, static_cast<size_t>(size) + 1);
  return make_directory_inside_at(joined, mode, links_left - 1);
}

// Makes the directory `path` under `parent` (its already opened parent), or opens it; `name` is its last component.
static int make_or_open(int parent, const char* path, const char* name, unsigned mode, int links_left) {
  int failed = mkdirat(parent, name, mode) != 0 ? errno : 0;
  int fd = open_inside(path, O_PATH | O_DIRECTORY);
  if (fd >= 0 || errno != ENOENT || failed == 0) return fd;
  return failed == EEXIST ? make_link_target(parent, path, name, mode, links_left) : (errno = failed, -1);
}

int make_directory_inside(const char* path, unsigned mode) { return make_directory_inside_at(path, mode, kMaxLinks); }
int make_missing_inside(const char* path, unsigned mode) { return make_missing_at(path, mode, kMaxLinks); }

static int make_directory_inside_at(const char* path, unsigned mode, int links_left) {
  int fd = open_inside(path, O_PATH | O_DIRECTORY);
  if (fd >= 0) return fd;
  return errno == ENOENT ? make_missing_at(path, mode, links_left) : fail("open", path);
}

static size_t last_name(const char* path, size_t size) {
  while (size > 0 && path[size - 1] == '/') --size;
  while (size > 0 && path[size - 1] != '/') --size;
  return size;
}

// Most often the last component alone is missing.
static int make_missing_at(const char* path, unsigned mode, int links_left) {
  char prefix[kPathMax];
  size_t size = strlen(path);
  if (size >= sizeof prefix) return fail_as(ENAMETOOLONG, "mkdir", path);
  size_t begin = last_name(path, size);
  memcpy(prefix, path, begin);
  prefix[begin] = '\0';
  int parent = begin > 1 ? open_inside(prefix, O_PATH | O_DIRECTORY) : -1;
  if (parent < 0) begin = 0, parent = fcntl(g_state.root, F_DUPFD_CLOEXEC, 0);
  while (begin < size && parent >= 0) {
    while (begin < size && path[begin] == '/') ++begin;
    size_t end = begin;
    while (end < size && path[end] != '/') ++end;
    if (end == begin) break;
    memcpy(prefix, path, end);
    prefix[end] = '\0';
    int next = make_or_open(parent, prefix, prefix + begin, mode, links_left);
    if (next < 0) fail("mkdir", prefix);
    close(parent);
    parent = next;
    begin = end;
  }
  return parent;
}

int open_parent_inside(const char* path, const char** name) {
  char parent[kPathMax];
  const char* slash = strrchr(path, '/');
  *name = slash != nullptr ? slash + 1 : path;
  size_t size = slash != nullptr ? static_cast<size_t>(slash - path) : 0;
  if (size >= sizeof parent) return fail_as(ENAMETOOLONG, "open", path);
  memcpy(parent, path, size);
  parent[size] = '\0';
  return make_directory_inside(size == 0 ? "/" : parent, 0755);
}

int make_file_inside(const char* path, unsigned mode) {
  int fd = open_inside(path, O_PATH);
  if (fd >= 0) return fd;
  if (errno != ENOENT) return fail("open", path);
  const char* name;
  int parent = open_parent_inside(path, &name);
  if (parent < 0) return -1;
  int made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (made < 0) fail("create", path);
  if (made >= 0) close(made);
  if (made >= 0) made = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  close(parent);
  return made;
}

int make_node(const StepView& step) {
  const char* path = step.text(0);
  const char* name;
  int parent = open_parent_inside(path, &name);
  if (parent < 0) return -1;
  auto mode = static_cast<mode_t>(step.number(0));
  int result = mknodat(parent, name, mode, step.number(1));
  if (result != 0 && errno == EEXIST && unlinkat(parent, name, 0) == 0) result = mknodat(parent, name, mode, step.number(1));
  if (result == 0 && (step.number(2) != 0 || step.number(3) != 0))
    result = fchownat(parent, name, static_cast<uid_t>(step.number(2)), static_cast<gid_t>(step.number(3)), AT_SYMLINK_NOFOLLOW);
  if (result != 0) fail("mknod", path);
  close(parent);
  return result;
}

int make_link(const StepView& step) {
  const char* name;
  int parent = open_parent_inside(step.text(0), &name);
  if (parent < 0) return -1;
  int result = symlinkat(step.text(1), parent, name);
  if (result != 0 && errno == EEXIST) result = 0;
  if (result != 0) fail("symlink", step.text(0));
  close(parent);
  return result;
}

int make_dir(const StepView& step) {
  int existing = open_inside(step.text(0), O_PATH | O_DIRECTORY);
  if (existing >= 0) return close(existing);
  int fd = make_directory_inside(step.text(0), static_cast<unsigned>(step.number(0)));
  if (fd < 0) return -1;
  int result = 0;
  if (step.number(1) != 0 || step.number(2) != 0)
    result = fchownat(fd, "", static_cast<uid_t>(step.number(1)), static_cast<gid_t>(step.number(2)), kAtEmptyPath);
  if (result != 0) fail("chown", step.text(0));
  close(fd);
  return result;
}

int write_file(const StepView& step) {
  const char* name;
  int parent = open_parent_inside(step.text(0), &name);
  if (parent < 0) return -1;
  unlinkat(parent, name, 0);
  int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, static_cast<mode_t>(step.number(0)));
  close(parent);
  if (fd < 0) return fail("create", step.text(0));
  int result = fchown(fd, static_cast<uid_t>(step.number(1)), static_cast<gid_t>(step.number(2)));
  ssize_t size = static_cast<ssize_t>(step.text_size(1));
  if (result == 0 && write(fd, step.text(1), static_cast<size_t>(size)) != size) result = -1;
  if (result != 0) fail("write", step.text(0));
  close(fd);
  return result;
}

}  // namespace hull::init
