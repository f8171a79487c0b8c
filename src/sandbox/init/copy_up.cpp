// tmpcopyup: a new tmpfs begins as a copy of the directory that it covers.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

static int copy_directory(int from, int to, int levels_left);

static int copy_file(int from, int to, const char* name) {
  int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (in < 0) return -1;
  int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ssize_t put = out < 0 ? -1 : 1;
  while (put > 0) put = sendfile(out, in, nullptr, 1 << 20);
  if (out >= 0) close(out);
  close(in);
  return put < 0 ? -1 : 0;
}

static int copy_link(int from, int to, const char* name) {
  char target[4096];
  ssize_t size = readlinkat(from, name, target, sizeof target - 1);
  if (size < 0) return -1;
  target[size] = '\0';
  return symlinkat(target, to, name);
}

static int copy_subdirectory(int from, int to, const char* name, int levels_left) {
  if (levels_left == 0) { errno = ELOOP; return -1; }
  if (mkdirat(to, name, 0700) != 0) return -1;
  int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int result = below < 0 || made < 0 ? -1 : copy_directory(below, made, levels_left - 1);  // closes `below`
  if (made >= 0) close(made);
  return result;
}

static int copy_entry(int from, int to, const char* name, int levels_left) {
  struct stat status;
  if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  int result;
  if (S_ISDIR(status.st_mode)) result = copy_subdirectory(from, to, name, levels_left);
  else if (S_ISREG(status.st_mode)) result = copy_file(from, to, name);
  else if (S_ISLNK(status.st_mode)) result = copy_link(from, to, name);
  else result = mknodat(to, name, status.st_mode, status.st_rdev);
  if (result != 0) return -1;
  if (fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  if (!S_ISLNK(status.st_mode) && fchmodat(to, name, status.st_mode & 07777, 0) != 0) return -1;
  const struct timespec times[] = {status.st_atim, status.st_mtim};
  return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

// Closes `from`.
static int copy_directory(int from, int to, int levels_left) {
  DIR* directory = fdopendir(from);
  if (directory == nullptr) { close(from); return -1; }
  int result = 0;
  for (struct dirent* entry; result == 0 && (entry = readdir(directory)) != nullptr;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) result = copy_entry(from, to, entry->d_name, levels_left);
  closedir(directory);
  return result;
}

int copy_up(int from, int to, const char* path) {
  constexpr int kMaxLevels = 64;
  int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat status;
  if (in < 0 || fstat(in, &status) != 0 || copy_directory(in, to, kMaxLevels) != 0) return fail("copy up", path);
  if (fchown(to, status.st_uid, status.st_gid) != 0) return fail("chown", path);
  return 0;
}

}  // namespace hull::init
