// The newer mount API, or what stands in for it: which way is known from the first call that is refused.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

// KERNEL: open_tree may be missed later than the rest: the root's overlay needs none (mounts.cpp, make_masks()).
int clone_tree(int dir, const char* name, bool recursive) {
  if (!g_state.old_mounts) {
    int tree = sys_open_tree(dir, name, kOpenTreeClone | (recursive ? kAtRecursive : 0) | (name[0] == '\0' ? kAtEmptyPath : 0));
    if (!g_state.old_mounts) return tree;
  }
  int source = name[0] == '\0' ? dir : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  int staged = source < 0 ? -1 : old_clone(source, recursive);
  if (source != dir && source >= 0) close(source);
  return staged;
}

int set_attributes(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation) {
  return g_state.old_mounts ? old_attributes(fd, recursive, set, clear, propagation) : sys_mount_setattr(fd, recursive, set, clear, propagation);
}

int move_mount_to(int mount_fd, int target) { return g_state.old_mounts ? old_move(mount_fd, target) : sys_move_mount(mount_fd, target); }

void ask_for_mount_api() {
  sys_fsopen(nullptr);
  sys_fsconfig(-1, 0, nullptr, nullptr, 0);
  sys_fsmount(-1, 0);
  sys_move_mount(-1, -1);
}

}  // namespace hull::init
