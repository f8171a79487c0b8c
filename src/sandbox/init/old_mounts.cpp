// mount(2) where a call of the newer mount API is refused (before 5.2, mount_setattr before 5.12). A detached mount is
// imitated by one that stands on a directory of our own tmpfs (a stage), where nobody else looks and no path leads: it
// gets its flags there, and MS_MOVE takes it to its place. Descriptors are named through the host's /proc/self/fd.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

FdPath::FdPath(int fd) { snprintf(text, sizeof text, "/proc/self/fd/%d", fd); }

// The mount that lies over `covered`, a directory that we hold.
// KERNEL: the way from a root upwards ends at the root again, and at the top of what is mounted on it; namei.c,
// follow_dotdot(). Its path may be closed to us by now.
static int top_of(int covered) {
  int before = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), top = -1;
  if (before < 0) return -1;
  if (chroot(FdPath(covered).text) == 0) {
    top = open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fchdir(before) != 0 || chroot(".") != 0) return -1;
  }
  close(before);
  return top;
}

int old_masks_mount() {
  // With its ids given: what writes into it later may not be who mounts it.
  const char* options = "mode=0555,nr_inodes=4,size=4096,uid=0,gid=0";
  if (mount("tmpfs", FdPath(g_state.mount_point).text, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) != 0) return fail("mount", "tmpfs for masks");
  int masks = top_of(g_state.mount_point);
  return masks < 0 ? fail("open", "tmpfs for masks") : masks;
}

// Before the first mount stands on it: the place; then: that mount.
static int open_stage(bool directory) { return openat(g_state.masks, directory ? "dir" : "file", O_PATH | O_NOFOLLOW | O_CLOEXEC); }

static int mount_on_stage(bool directory, const char* source, const char* type, unsigned long flags, const char* options) {
  int stage = open_stage(directory);
  if (stage < 0) return -1;
  int result = mount(source, FdPath(stage).text, type, flags, options);
  close(stage);
  return result == 0 ? open_stage(directory) : -1;
}

int old_file_system(const char* type, const char* source, const char* options, unsigned long all_flags) {
  unsigned long read_only = all_flags & MS_RDONLY, flags = all_flags & ~read_only;
  int staged = mount_on_stage(true, source, type, flags, options);
  // KERNEL: where the host's proc or sysfs is read-only, a user namespace gets it no other way; mount_too_revealing().
  if (staged < 0 && errno == EPERM && read_only != 0) staged = mount_on_stage(true, source, type, flags | MS_RDONLY, options);
  // KERNEL: MS_RDONLY of mount(2) is the file system's, which others may share; a remount with MS_BIND makes the mount's.
  if (staged >= 0 && read_only != 0 && old_attributes(staged, false, kMountAttrRdonly, 0, 0) != 0) return -1;
  return staged;
}

int old_clone(int source, bool recursive) {
  struct stat status;
  if (fstat(source, &status) != 0) return -1;
  return mount_on_stage(S_ISDIR(status.st_mode), FdPath(source).text, nullptr, MS_BIND | (recursive ? MS_REC : 0), nullptr);
}

int old_move(int staged, int target) { return mount(FdPath(staged).text, FdPath(target).text, nullptr, MS_MOVE, nullptr); }

}  // namespace hull::init
