// The steps that build the root: overlay or bind, file systems, binds, masks, pivot. All with the new mount API, or what
// stands in for it (old_mounts.cpp): a mount gets its flags before it is attached (SECURITY P6), and is attached to a
// descriptor, never to a path.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

int set_propagation(const StepView& step) {
  if (mount(nullptr, "/", nullptr, step.number(0), nullptr) != 0) return fail("mount", "propagation of /");
  return 0;
}

// Attaches the root's mount to the mount point of the host, beneath which it stays until pivot.
// Our tmpfs of masks goes to the same place first and is covered by it: KERNEL: before 6.15 open_tree cannot clone
// from a mount that is attached nowhere.
static int attach_root(int mount_fd) {
  if (move_mount_to(mount_fd, g_state.mount_point) != 0) return fail("move_mount", "mount point of the root");
  close(g_state.mount_point);
  g_state.root = mount_fd;
  return 0;
}

static int make_mask_nodes(int masks) {
  int file = openat(masks, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (file < 0 || mkdirat(masks, "dir", 0555) != 0) return fail("create", "masks");
  close(file);
  if (set_attributes(masks, false, kMountAttrRdonly, 0, 0) != 0) return fail("mount_setattr", "masks");
  return 0;
}

static int new_masks() {
  int fs = sys_fsopen("tmpfs");
  if (fs < 0) return fail("fsopen", "tmpfs");
  sys_fsconfig(fs, kFsconfigString, "mode", "0555", 0);
  sys_fsconfig(fs, kFsconfigString, "nr_inodes", "4", 0);
  sys_fsconfig(fs, kFsconfigString, "size", "4096", 0);
  if (sys_fsconfig(fs, kFsconfigCreate, nullptr, nullptr, 0) != 0) return fail("fsconfig", "tmpfs for masks");
  int masks = sys_fsmount(fs, kMountAttrNosuid | kMountAttrNodev | kMountAttrNoexec);
  if (masks < 0) return fail("fsmount", "tmpfs for masks");
  close(fs);
  if (make_mask_nodes(masks) != 0) return -1;
  if (sys_move_mount(masks, g_state.mount_point) != 0) return fail("move_mount", "masks");
  return masks;
}

static int old_masks() {
  int masks = g_state.masks >= 0 ? g_state.masks : old_masks_mount();
  return masks < 0 || make_mask_nodes(masks) != 0 ? -1 : masks;
}

// The first to use every call of the newer mount API but open_tree: where one is refused, it is found out here at the latest,
// with nothing mounted yet.
static int make_masks(bool root_is_mapped = false) {
  bool known = g_state.old_mounts;
  int masks = known ? -1 : new_masks();
  if (!g_state.old_mounts) return g_state.masks = masks, masks < 0 ? -1 : 0;
  if (root_is_mapped) return fail_as(ENOSYS, "a root of mapped mounts", "needs the mount API of Linux 5.12, of which a call is refused");
  g_state.masks = old_masks();
  if (g_state.masks < 0) return -1;
  return known ? 0 : open_sources_again();
}

int root_bind(const StepView& step) {
  if (make_masks() != 0) return -1;
  if (!g_state.old_mounts) return attach_root(g_state.root_source);
  int root = old_clone(g_state.root_source, step.number(0) != 0);
  if (root < 0 || (step.number(1) != 0 && old_attributes(root, true, 0, 0, step.number(1)) != 0)) return fail("mount", step.text(0));
  return attach_root(root);
}

// KERNEL: before 6.5 overlay takes any option and refuses at the mount, with a line in the host's log; so one that nobody
// knows tells the kind. `lowerdir+` itself is there since 6.7; fs/overlayfs/params.c.
static bool takes_anything(int fs) { return sys_fsconfig(fs, kFsconfigFlag, "hull", nullptr, 0) == 0; }

// An overlay by the new mount API, detached. EINVAL: this kernel has no `lowerdir+`.
static int new_overlay(const StepView& step) {
  int fs = sys_fsopen("overlay");
  if (fs < 0) return fail("fsopen", "overlay");
  if (takes_anything(fs)) return errno = EINVAL, fail("fsopen", "overlay");
  for (uint32_t i = 3; i < step.count(); ++i)
    if (sys_fsconfig(fs, kFsconfigString, "lowerdir+", step.text(i), 0) != 0) return fail("fsconfig", step.text(i));
  bool writable = step.text_size(1) != 0;
  if (writable && sys_fsconfig(fs, kFsconfigString, "upperdir", step.text(1), 0) != 0) return fail("fsconfig", step.text(1));
  if (writable && sys_fsconfig(fs, kFsconfigString, "workdir", step.text(2), 0) != 0) return fail("fsconfig", step.text(2));
  if (writable && step.number(0) != 0) sys_fsconfig(fs, kFsconfigFlag, "volatile", nullptr, 0);
  if (step.number(1) != 0) sys_fsconfig(fs, kFsconfigFlag, "userxattr", nullptr, 0);
  sys_fsconfig(fs, kFsconfigString, "source", "overlay", 0);
  if (sys_fsconfig(fs, kFsconfigCreate, nullptr, nullptr, 0) != 0) return fail("mount overlay", writable ? step.text(1) : step.text(3));
  int mount_fd = sys_fsmount(fs, 0);
  if (mount_fd < 0) return fail("fsmount", "overlay");
  close(fs);
  return mount_fd;
}

// The same by mount(2), on the mount point of the host. Layers are named by their descriptors' numbers, seen from
// /proc/self/fd, so that hundreds fit into the page that the kernel takes.
static int mount_overlay(const StepView& step) {
  static char options[4096];
  size_t used = 0;
  for (uint32_t i = 3; i < step.count() && used < sizeof options; ++i) {
    int layer = open(step.text(i), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (layer < 0) return fail("open", step.text(i));
    used += static_cast<size_t>(snprintf(options + used, sizeof options - used, "%s%d", i == 3 ? "lowerdir=" : ":", layer));
  }
  bool writable = step.text_size(1) != 0;
  if (writable && used < sizeof options)
    used += static_cast<size_t>(snprintf(options + used, sizeof options - used, ",upperdir=%s,workdir=%s%s", step.text(1), step.text(2), step.number(0) != 0 ? ",volatile" : ""));
  if (step.number(1) != 0 && used < sizeof options) used += static_cast<size_t>(snprintf(options + used, sizeof options - used, ",userxattr"));
  if (used >= sizeof options) return fail_as(E2BIG, "mount overlay", "too many layers for this kernel");
  char target[16];
  snprintf(target, sizeof target, "%d", g_state.mount_point);
  if (chdir("/proc/self/fd") != 0) return fail("chdir", "/proc/self/fd");
  if (mount("overlay", target, "overlay", 0, options) != 0) return fail("mount overlay", writable ? step.text(1) : step.text(3));
  if (chdir("/") != 0) return fail("chdir", "/");
  g_state.root = open(step.text(0), O_PATH | O_DIRECTORY | O_CLOEXEC);
  return g_state.root < 0 ? fail("open", step.text(0)) : 0;
}

int root_overlay(const StepView& step) {
  if (make_masks(step.number(2) != 0) != 0) return -1;
  if (step.number(2) != 0) return attach_root(g_state.received);
  int mount_fd = g_state.old_mounts ? -1 : new_overlay(step);
  if (mount_fd >= 0) return attach_root(mount_fd);
  return g_state.old_mounts || errno == EINVAL ? mount_overlay(step) : -1;
}

static int configure_option(int fs, const char* option) {
  const char* equals = strchr(option, '=');
  if (equals == nullptr) return sys_fsconfig(fs, kFsconfigFlag, option, nullptr, 0);
  char key[64];
  size_t size = static_cast<size_t>(equals - option);
  if (size >= sizeof key) { errno = EINVAL; return -1; }
  memcpy(key, option, size);
  key[size] = '\0';
  return sys_fsconfig(fs, kFsconfigString, key, equals + 1, 0);
}

// KERNEL: a group that is not mapped is refused (EINVAL), as docker's gid=5 in a user namespace of one id; devpts then
// gives terminals the group of who opens them; fs/devpts/inode.c.
static bool is_unmapped_tty(const char* type, const char* option) {
  return errno == EINVAL && strcmp(type, "devpts") == 0 && strncmp(option, "gid=", 4) == 0;
}

// mount(2) has no words for these.
static unsigned long file_system_flag(const char* option) {
  if (strcmp(option, "sync") == 0) return MS_SYNCHRONOUS;
  if (strcmp(option, "dirsync") == 0) return MS_DIRSYNC;
  return strcmp(option, "lazytime") == 0 ? MS_LAZYTIME : 0;
}

// The same by mount(2), whose options are one text of a page at most.
static int old_mount(const char* type, const char* source, const StepView& step, uint32_t first, uint64_t attributes, bool tty_group = true) {
  static char options[4096];
  size_t used = 0;
  unsigned long flags = mount_flags(attributes);
  options[0] = '\0';
  for (uint32_t i = first; i < step.count(); ++i) {
    const char* option = step.text(i);
    if (unsigned long flag = file_system_flag(option)) { flags |= flag; continue; }
    if (strchr(option, ',') != nullptr) return fail_as(EINVAL, "a mount option with a comma needs Linux 5.2", option);
    if (!tty_group && strncmp(option, "gid=", 4) == 0) continue;
    used += static_cast<size_t>(snprintf(options + used, sizeof options - used, "%s%s", used > 0 ? "," : "", option));
    if (used >= sizeof options) return fail_as(E2BIG, "mount options longer than a page need Linux 5.2", step.text(0));
  }
  int mount_fd = old_file_system(type, source[0] != '\0' ? source : "none", options, flags);
  if (mount_fd < 0 && tty_group && is_unmapped_tty(type, "gid=")) return old_mount(type, source, step, first, attributes, false);
  if (mount_fd >= 0) return mount_fd;
  if (errno == ENODEV) return fail("mount", type);
  return errno == EINVAL && used > 0 ? fail("mount options", options) : fail("mount", step.text(0));
}

// A new file system of `type` as a detached mount. `options` from the step's text `first` on.
static int new_mount(const char* type, const char* source, const StepView& step, uint32_t first, uint64_t attributes) {
  if (g_state.old_mounts) return old_mount(type, source, step, first, attributes);
  int fs = sys_fsopen(type);
  if (fs < 0) return fail("fsopen", type);
  if (source[0] != '\0') sys_fsconfig(fs, kFsconfigString, "source", source, 0);
  for (uint32_t i = first; i < step.count(); ++i)
    if (configure_option(fs, step.text(i)) != 0 && !is_unmapped_tty(type, step.text(i))) { fail("mount option", step.text(i)); close(fs); return -1; }
  if (sys_fsconfig(fs, kFsconfigCreate, nullptr, nullptr, 0) != 0) { fail("mount", step.text(0)); close(fs); return -1; }
  int mount_fd = sys_fsmount(fs, static_cast<unsigned>(attributes));
  if (mount_fd < 0) fail("fsmount", step.text(0));
  close(fs);
  return mount_fd;
}

static int attach(int mount_fd, int target, const char* path, bool inside_proc = true) {
  if (target < 0) return -1;
  // A destination that leads into procfs (by a link of the image) would cover the files that our protections are
  // written to (CVE-2019-16884, CVE-2023-27561).
  constexpr long kProcMagic = 0x9fa0;
  struct statfs fs;
  if (!inside_proc && fstatfs(target, &fs) == 0 && fs.f_type == kProcMagic) {
    close(target);
    return fail_as(EPERM, "mount inside /proc refused", path);
  }
  int result = move_mount_to(mount_fd, target);
  if (result != 0) fail("move_mount", path);
  close(target);
  return result;
}

// What a tmpfs takes from the directory that it covers.
static int take_over(int mount_fd, int target, const StepView& step) {
  struct stat status;
  if (step.number(1) != 0 && copy_up(target, mount_fd, step.text(0)) != 0) return -1;
  if (step.number(2) == 0) return 0;
  if (fstat(target, &status) != 0 || fchmod(mount_fd, status.st_mode & 07777) != 0) return fail("chmod", step.text(0));
  return 0;
}

int mount_fs(const StepView& step) {
  uint64_t later = (step.number(1) | step.number(2)) != 0 ? step.number(0) & kMountAttrRdonly : 0;
  int mount_fd = new_mount(step.text(1), step.text(2), step, 3, step.number(0) & ~later);
  if (mount_fd < 0) return -1;
  int target = open_inside(step.text(0), O_PATH | O_DIRECTORY);
  if (target >= 0 && take_over(mount_fd, target, step) != 0) return -1;
  if (target < 0) target = errno == ENOENT ? make_missing_inside(step.text(0), 0755) : fail("open", step.text(0));
  if (later != 0 && set_attributes(mount_fd, false, later, 0, 0) != 0) return fail("mount_setattr", step.text(0));
  int result = attach(mount_fd, target, step.text(0), step.number(5) != 0);
  // KERNEL: what is attached below a shared mount becomes shared, so the propagation comes after.
  if (result == 0 && step.number(3) != 0 && set_attributes(mount_fd, false, 0, 0, step.number(3)) != 0) result = fail("mount_setattr", step.text(0));
  close(mount_fd);
  return result;
}

int detach_mounts(const StepView& step) {
  for (uint32_t i = 0; i < step.count(); ++i)
    if (umount2(step.text(i), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) return fail("umount", step.text(i));
  return 0;
}

static int attach_bind(int tree, const char* destination, bool inside_proc) {
  struct stat status;
  if (fstat(tree, &status) != 0) return fail("fstat", destination);
  int target = S_ISDIR(status.st_mode) ? make_directory_inside(destination, 0755) : make_file_inside(destination, 0644);
  return attach(tree, target, destination, inside_proc);
}

static int set_bind_attributes(const StepView& step, int tree) {
  uint64_t set = step.number(0), clear = step.number(1), propagation = step.number(3);
  if ((set | clear | propagation) != 0 && set_attributes(tree, step.number(4) != 0, set, clear, propagation) != 0) return fail("mount_setattr", step.text(0));
  return 0;
}

int mount_bind(const StepView& step) {
  int tree = next_source(step);
  if (tree < 0) return -1;
  if (set_bind_attributes(step, tree) != 0) return -1;
  int result = attach_bind(tree, step.text(0), step.number(5) != 0);
  close(tree);
  return result;
}

int bind_node(const StepView& step) {
  int tree = next_source(step);
  if (tree < 0) return -1;
  int result = attach_bind(tree, step.text(0), false);
  close(tree);
  return result;
}

// "cpu,cpuacct" or "none,name=systemd": each as an option.
static int configure_list(int fs, const char* list) {
  while (*list != '\0') {
    const char* end = strchrnul(list, ',');
    char option[64];
    size_t size = static_cast<size_t>(end - list);
    if (size >= sizeof option) { errno = E2BIG; return -1; }
    memcpy(option, list, size);
    option[size] = '\0';
    if (configure_option(fs, option) != 0) return -1;
    list = *end == ',' ? end + 1 : end;
  }
  return 0;
}

static int new_hierarchy(const char* name, const char* controllers, uint64_t attributes) {
  bool unified = strcmp(controllers, "unified") == 0;
  const char* type = unified ? "cgroup2" : "cgroup";
  if (g_state.old_mounts) {
    int staged = old_file_system(type, "cgroup", unified ? nullptr : controllers, mount_flags(attributes));
    return staged < 0 ? fail("mount cgroup", name) : staged;
  }
  int fs = sys_fsopen(type);
  if (fs < 0) return fail("fsopen", "cgroup");
  if (!unified && configure_list(fs, controllers) != 0) {
    fail("mount cgroup", controllers);
    close(fs);
    return -1;
  }
  if (sys_fsconfig(fs, kFsconfigCreate, nullptr, nullptr, 0) != 0) { fail("mount cgroup", name); close(fs); return -1; }
  int mount_fd = sys_fsmount(fs, static_cast<unsigned>(attributes));
  close(fs);
  return mount_fd < 0 ? fail("fsmount", name) : mount_fd;
}

// In a new file system of ours, of which nothing of the image is a part.
static int attach_in(int base, const char* name, int mount_fd) {
  if (mkdirat(base, name, 0755) != 0 && errno != EEXIST) return fail("mkdir", name);
  return attach(mount_fd, openat(base, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), name);
}

static int new_cgroup_base(const StepView& step) {
  uint64_t attributes = step.number(0) & ~kMountAttrRdonly;
  if (g_state.old_mounts) {
    int staged = old_file_system("tmpfs", "none", "mode=0755", mount_flags(attributes));
    return staged < 0 ? fail("mount", step.text(0)) : staged;
  }
  int fs = sys_fsopen("tmpfs");
  if (fs < 0) return fail("fsopen", "tmpfs");
  sys_fsconfig(fs, kFsconfigString, "mode", "0755", 0);
  if (sys_fsconfig(fs, kFsconfigCreate, nullptr, nullptr, 0) != 0) return fail("mount", step.text(0));
  int base = sys_fsmount(fs, static_cast<unsigned>(attributes));
  close(fs);
  return base < 0 ? fail("fsmount", step.text(0)) : base;
}

static int attach_cgroup_base(const StepView& step) {
  int base = new_cgroup_base(step);
  return base >= 0 && attach(base, make_directory_inside(step.text(0), 0755), step.text(0)) == 0 ? base : -1;
}

static int finish_cgroup_base(const StepView& step, int base) {
  if ((step.number(0) & kMountAttrRdonly) != 0 && set_attributes(base, false, kMountAttrRdonly, 0, 0) != 0)
    return fail("mount_setattr", step.text(0));
  return close(base);
}

// The v1 hierarchies as they are seen from the container's own cgroup namespace.
int mount_cgroup1(const StepView& step) {
  int base = attach_cgroup_base(step);
  if (base < 0) return -1;
  for (uint32_t i = 1; i + 1 < step.count(); i += 2) {
    int mount_fd = new_hierarchy(step.text(i), step.text(i + 1), step.number(0));
    if (mount_fd < 0 || attach_in(base, step.text(i), mount_fd) != 0) return -1;
    close(mount_fd);
  }
  return finish_cgroup_base(step, base);
}

// "cpu,cpuacct" is found by each of its names.
static int link_each(int base, const char* names) {
  for (const char *name = names, *end; strchr(names, ',') != nullptr && *name != '\0'; name = *end == ',' ? end + 1 : end) {
    char alone[64];
    end = strchrnul(name, ',');
    size_t size = static_cast<size_t>(end - name);
    if (size >= sizeof alone) return fail_as(ENAMETOOLONG, "symlink", names);
    memcpy(alone, name, size);
    alone[size] = '\0';
    if (symlinkat(names, base, alone) != 0 && errno != EEXIST) return fail("symlink", alone);
  }
  return 0;
}

// Without a cgroup namespace: the container's own groups alone.
int bind_cgroup1(const StepView& step) {
  int base = attach_cgroup_base(step);
  if (base < 0) return -1;
  for (uint32_t i = 1; i + 1 < step.count(); i += 2) {
    int tree = next_source(step);
    if (tree < 0 || set_bind_attributes(step, tree) != 0 || attach_in(base, step.text(i), tree) != 0 || link_each(base, step.text(i)) != 0) return -1;
    close(tree);
  }
  return finish_cgroup_base(step, base);
}

int mask_paths(const StepView& step) {
  for (uint32_t i = 0; i < step.count(); ++i) {
    int target = open_inside(step.text(i), O_PATH);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    struct stat status;
    if (target < 0 || fstat(target, &status) != 0) return fail("mask", step.text(i));
    int mask = clone_tree(g_state.masks, S_ISDIR(status.st_mode) ? "dir" : "file", false);
    if (mask < 0) return fail("mask", step.text(i));
    if (attach(mask, target, step.text(i)) != 0) return -1;
    close(mask);
  }
  return 0;
}

int readonly_paths(const StepView& step) {
  for (uint32_t i = 0; i < step.count(); ++i) {
    int target = open_inside(step.text(i), O_PATH);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    if (target < 0) return fail("read-only path", step.text(i));
    int tree = clone_tree(target, "", true);
    if (tree < 0) return fail("open_tree", step.text(i));
    if (set_attributes(tree, true, kMountAttrRdonly, 0, 0) != 0) return fail("mount_setattr", step.text(i));
    if (attach(tree, target, step.text(i)) != 0) return -1;
    close(tree);
  }
  return 0;
}

int remount(const StepView& step) {
  int mount_fd = strcmp(step.text(0), "/") == 0 ? fcntl(g_state.root, F_DUPFD_CLOEXEC, 0) : open_inside(step.text(0), O_PATH);
  if (mount_fd < 0) return fail("open", step.text(0));
  int result = set_attributes(mount_fd, false, step.number(0), step.number(1), 0);
  if (result != 0) fail("mount_setattr", step.text(0));
  close(mount_fd);
  return result;
}

// For a host whose root is the initramfs, which cannot be pivoted away. The host's tree stays beneath.
static int move_root() {
  if (mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) return fail("mount", "move the new root");
  if (chroot(".") != 0) return fail("chroot", "new root");
  return chdir("/");
}

int pivot(const StepView& step) {
  if (fchdir(g_state.root) != 0) return fail("fchdir", "new root");
  if (step.number(0) != 0) return move_root();
  // Both arguments the same directory: the old root ends up mounted over the new one and is detached there, so that
  // no directory of the image is needed to hold it (pivot_root(2)).
  if (syscall(SYS_pivot_root, ".", ".") != 0) return fail("pivot_root", ".");
  if (umount2(".", MNT_DETACH) != 0) return fail("umount2", "old root");
  if (chdir("/") != 0) return fail("chdir", "/");
  close(g_state.masks);
  return 0;
}

}  // namespace hull::init
