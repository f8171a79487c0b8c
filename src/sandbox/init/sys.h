// hull-init's ground: the system calls that musl does not wrap, kernel constants, and the one way to fail. Nothing
// here allocates. A step returns 0, or what fail() returns after it noted call, object and errno.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/wire.h"

namespace hull::init {

// KERNEL: a filter that is loaded may refuse exit_group(2) too, and _exit(3) then tries for ever. A trap no filter refuses,
// and it ends the first process of a pid namespace as well; signal(7), seccomp(2).
[[noreturn]] inline void leave(int code) {
  syscall(SYS_exit_group, code);
  __builtin_trap();
}

using sandbox::StepKind;
using sandbox::WireStep;

// A step with its texts found: texts[i] is NUL-terminated, sizes[i] its length.
struct StepView {
  const WireStep* wire;
  uint32_t index;
  const char* text(uint32_t i) const;
  uint32_t text_size(uint32_t i) const;
  uint32_t count() const { return wire->text_count; }
  uint64_t number(uint32_t i) const { return wire->numbers[i]; }
};

// Notes errno with the call and its object for the report, and returns -1.
int fail(const char* call, const char* object);
int fail_as(int errno_value, const char* call, const char* object);

constexpr uint64_t kResolveInRoot = 0x10, kResolveNoMagiclinks = 0x02, kResolveNoSymlinks = 0x04;
int sys_openat2(int dir, const char* path, uint64_t flags, uint64_t resolve);  // walk_beneath() where it is refused
// The newer mount API. One that is refused (ENOSYS) sets State::old_mounts, and from then on mount(2) does the work.
int sys_open_tree(int dir, const char* path, unsigned flags);
int sys_move_mount(int from, int to);  // both by descriptor
int sys_fsopen(const char* type);
int sys_fsconfig(int fs, unsigned command, const char* key, const void* value, int aux);
int sys_fsmount(int fs, unsigned attributes);
int sys_mount_setattr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);
int sys_close_range(unsigned first, unsigned last, unsigned flags);

constexpr unsigned kOpenTreeClone = 1, kOpenTreeCloexec = 02000000, kAtRecursive = 0x8000, kAtEmptyPath = 0x1000;
constexpr unsigned kFsconfigFlag = 0, kFsconfigString = 1, kFsconfigCreate = 6;
constexpr uint64_t kMountAttrRdonly = 0x1, kMountAttrNosuid = 0x2, kMountAttrNodev = 0x4, kMountAttrNoexec = 0x8, kMountAttrNosymfollow = 0x200000;

// What the steps share: the new root, and where the plan stands.
struct State {
  int root = -1;              // the new root's mount, from RootBind or RootOverlay
  int masks = -1;             // our tmpfs with an empty file and an empty directory
  int mount_point = -1;       // where the root is attached until pivot; opened first, as its path may be closed to us later
  int root_source = -1;       // RootBind's tree; with old_mounts the directory itself
  int received = -1;          // from WaitOutside: the overlay that hull made for us, or the whole plan
  int group_files[sandbox::kMaxGroupFiles];  // and those of the groups
  uint32_t group_file_count = 0;
  int control = sandbox::kControlFd;  // -1 once hull has let go of us
  int outcome = 0;            // from WaitStart: whom to tell then; 0: nobody
  int32_t* born_pid = nullptr;  // where Birth leaves what hull has to know
  int label = -1;             // from OpenLabel
  bool dumpable = false;      // main left us so, until the id maps are written
  bool no_openat2 = false;    // this kernel refuses openat2: walk.cpp
  bool old_mounts = false;    // and some call of the newer mount API: old_mounts.cpp
  char* home = nullptr;       // HOME=… as SetUser found it, for a program that is given none
  char host_pid[16] = "0";    // ours as hull sees it, from WaitGo
};
extern State g_state;

// Paths inside the new root (path.cpp): resolved by the kernel beneath g_state.root, never as host strings.
int open_inside(const char* path, uint64_t flags);
int make_directory_inside(const char* path, unsigned mode);       // mkdir -p; gives an O_PATH descriptor
int make_missing_inside(const char* path, unsigned mode);         // the same of what open_inside did not find
int make_file_inside(const char* path, unsigned mode);            // for a bind mount; an O_PATH descriptor
int open_parent_inside(const char* path, const char** name);      // parents made as needed

// openat2(2) by hand (walk.cpp): with RESOLVE_IN_ROOT and no magic links; and from "/" with RESOLVE_NO_SYMLINKS.
int walk_beneath(int root, const char* path, uint64_t flags, uint64_t resolve);
int walk_without_links(const char* path, uint64_t flags);

// A descriptor's name for calls that take a path.
struct FdPath {
  explicit FdPath(int fd);
  char text[32];
};
// What stands in for the newer mount API (old_mounts.cpp, old_attributes.cpp). A staged mount is a detached one's equal,
// but there is one stage: it is moved before the next is made.
int old_masks_mount();
int old_file_system(const char* type, const char* source, const char* options, unsigned long flags);  // staged
int old_clone(int source, bool recursive);                                                            // staged
int old_move(int staged, int target);
int old_attributes(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);
unsigned long mount_flags(uint64_t attributes);  // MOUNT_ATTR_* as MS_*

// Either way (mount_api.cpp): a copy of the tree at `name` below `dir` ("": dir itself), a mount's flags, its place.
int clone_tree(int dir, const char* name, bool recursive);
int set_attributes(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);
int move_mount_to(int mount_fd, int target);
void ask_for_mount_api();  // finds out whether it is there without doing anything

// The steps, by file.
int enter_cgroup(const StepView&), enter_time_ns(const StepView&), new_net_ns(const StepView&), detach_mounts(const StepView&), new_cgroup_ns(const StepView&), new_time_ns(const StepView&), tell_namespaces(const StepView&);
int become_root(const StepView&), loopback_up(const StepView&), set_propagation(const StepView&);
int root_bind(const StepView&), root_overlay(const StepView&), mount_fs(const StepView&), mount_bind(const StepView&);
int mount_cgroup1(const StepView&), bind_cgroup1(const StepView&), make_node(const StepView&), bind_node(const StepView&), make_link(const StepView&);
int make_dir(const StepView&), write_file(const StepView&), open_console(const StepView&), mask_paths(const StepView&);
int readonly_paths(const StepView&), remount(const StepView&), pivot(const StepView&);
int wait_hooks(const StepView&), run_hook(const StepView&);
int set_scheduler(const StepView&), set_io_priority(const StepView&), set_affinity(const StepView&), set_memory_policy(const StepView&);
int open_label(const StepView&), set_label(const StepView&);
int set_hostname(const StepView&), set_domainname(const StepView&), write_sysctl(const StepView&);
int set_rlimit(const StepView&), set_oom_score_adj(const StepView&), new_keyring(const StepView&);
int set_umask(const StepView&), set_personality(const StepView&), set_user(const StepView&);
int drop_bounding(const StepView&), set_caps(const StepView&), no_new_privs(const StepView&);
int load_seccomp(const StepView&), change_directory(const StepView&), be_born(const StepView&), new_session(const StepView&);
int stay_as_reaper(const StepView&), wait_outside(const StepView&), wait_go(const StepView&), find_program(const StepView&), wait_start(const StepView&), hold(const StepView&), execute(const StepView&);

// Opens the sources of all bind mounts and of the root before any content of the container is reachable (SECURITY B5)
// and while we still have the caller's ids.
int open_sources(const char* first_step, uint32_t steps, uint32_t* failed);
int open_sources_again();             // after old_mounts has been found out
int next_source(const StepView&);     // of the next bind: a detached or staged mount

void find_home(uid_t uid);  // sets State::home; after pivot

// Copies what is in the directory `from` (O_PATH) into the directory `to`.
int copy_up(int from, int to, const char* path);
// `text` with each \1 replaced by `pid`, in memory that stays.
const char* with_pid(const char* text, const char* pid, size_t* size);
// A message of `size` bytes with one descriptor.
int send_descriptor(int socket_fd, int fd, const void* data, size_t size);

void send_trace();

}  // namespace hull::init
