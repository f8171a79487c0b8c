// System calls that musl 1.2 has no wrapper for.
#include "sys.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

namespace hull::init {

int sys_openat2(int dir, const char* path, uint64_t flags, uint64_t resolve) {
  struct { uint64_t flags, mode, resolve; } how{flags | 02000000 /* O_CLOEXEC */, 0, resolve};
  // KERNEL: a rename or mount anywhere during an IN_ROOT walk gives EAGAIN; since 5.6; openat2(2). Retried, bounded:
  // an attacker renaming in a loop must not hold us forever.
  for (int attempt = 0; attempt < 128 && !g_state.no_openat2; ++attempt) {
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd < 0 && errno == ENOSYS) g_state.no_openat2 = true;
    else if (fd >= 0 || errno != EAGAIN) return static_cast<int>(fd);
  }
  if (!g_state.no_openat2) return -1;
  return (resolve & kResolveNoSymlinks) != 0 ? walk_without_links(path, flags) : walk_beneath(dir, path, flags, resolve);
}

static int mount_call(long result) {
  if (result < 0 && errno == ENOSYS) g_state.old_mounts = true;
  return static_cast<int>(result);
}

int sys_open_tree(int dir, const char* path, unsigned flags) {
  return mount_call(syscall(SYS_open_tree, dir, path, flags | kOpenTreeCloexec));
}

int sys_move_mount(int from, int to) {
  constexpr unsigned kFromEmpty = 0x4, kToEmpty = 0x40;
  return mount_call(syscall(SYS_move_mount, from, "", to, "", kFromEmpty | kToEmpty));
}

int sys_fsopen(const char* type) { return mount_call(syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */)); }

int sys_fsconfig(int fs, unsigned command, const char* key, const void* value, int aux) {
  return mount_call(syscall(SYS_fsconfig, fs, command, key, value, aux));
}

int sys_fsmount(int fs, unsigned attributes) {
  return mount_call(syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, attributes));
}

int sys_mount_setattr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation) {
  struct { uint64_t set, clear, propagation, userns; } attributes{set, clear, propagation, 0};
  unsigned flags = kAtEmptyPath | (recursive ? kAtRecursive : 0);
  return mount_call(syscall(SYS_mount_setattr, fd, "", flags, &attributes, sizeof attributes));
}

int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(syscall(SYS_close_range, first, last, flags));
}

}  // namespace hull::init
