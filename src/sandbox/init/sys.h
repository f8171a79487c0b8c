// hull-init's ground: the system calls that musl does not wrap, kernel constants, and the one way to fail. Nothing
// here allocates. A step returns 0, or what fail() returns after it noted call, object and errno.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/wire.h"

namespace hull::init {

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

// The text that follows `text` in its step.
const char* next_text(const char* text);

// Notes errno with the call and its object for the report, and returns -1.
int fail(const char* call, const char* object);
int fail_as(int errno_value, const char* call, const char* object);

constexpr uint64_t kResolveInRoot = 0x10, kResolveNoMagiclinks = 0x02, kResolveNoSymlinks = 0x04;
int sys_openat2(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve);
int sys_open_tree(int dir, const char* path, unsigned flags);
int sys_move_mount(int from, int to);  // both by descriptor
int sys_fsopen(const char* type);
int sys_fsconfig(int fs, unsigned command, const char* key, const void* value, int aux);
int sys_fsmount(int fs, unsigned attributes);
int sys_mount_setattr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);
int sys_close_range(unsigned first, unsigned last, unsigned flags);

constexpr unsigned kOpenTreeClone = 1, kOpenTreeCloexec = 02000000, kAtRecursive = 0x8000, kAtEmptyPath = 0x1000;
constexpr unsigned kFsconfigFlag = 0, kFsconfigString = 1, kFsconfigCreate = 6;
constexpr uint64_t kMountAttrRdonly = 0x1, kMountAttrNosuid = 0x2, kMountAttrNodev = 0x4, kMountAttrNoexec = 0x8;

// What the steps share: the new root, and where the plan stands.
struct State {
  int root = -1;              // the new root's mount, from RootBind or RootOverlay
  int masks = -1;             // our tmpfs with an empty file and an empty directory
  int mount_point = -1;       // where the root is attached until pivot; opened first, as its path may be closed to us later
  int root_source = -1;       // RootBind's tree
  int received_root = -1;     // the overlay that hull made for us, from WaitMaps
  int control = sandbox::kControlFd;  // -1 once hull has let go of us
  int label = -1;             // from OpenLabel
  char host_pid[16] = "0";    // ours as hull sees it, from WaitGo
};
extern State g_state;

// Paths inside the new root (path.cpp): resolved by the kernel beneath g_state.root, never as host strings.
int open_inside(const char* path, uint64_t flags, uint64_t mode = 0);
int make_directory_inside(const char* path, unsigned mode);       // mkdir -p; gives an O_PATH descriptor
int make_file_inside(const char* path, unsigned mode);            // for a bind mount; an O_PATH descriptor
int open_parent_inside(const char* path, const char** name);      // parents made as needed

// The steps, by file.
int enter_cgroup(const StepView&), enter_time_ns(const StepView&), enter_net_ns(const StepView&), detach_mounts(const StepView&), new_cgroup_ns(const StepView&), new_time_ns(const StepView&);
int become_root(const StepView&), loopback_up(const StepView&), set_propagation(const StepView&);
int root_bind(const StepView&), root_overlay(const StepView&), mount_fs(const StepView&), mount_bind(const StepView&);
int mount_cgroup1(const StepView&), make_node(const StepView&), bind_node(const StepView&), make_link(const StepView&);
int make_dir(const StepView&), write_file(const StepView&), open_console(const StepView&), mask_paths(const StepView&);
int readonly_paths(const StepView&), remount(const StepView&), pivot(const StepView&);
int wait_hooks(const StepView&), run_hook(const StepView&);
int set_scheduler(const StepView&), set_io_priority(const StepView&), set_affinity(const StepView&), set_memory_policy(const StepView&);
int open_label(const StepView&), set_label(const StepView&);
int set_hostname(const StepView&), set_domainname(const StepView&), write_sysctl(const StepView&);
int set_rlimit(const StepView&), set_oom_score_adj(const StepView&), new_keyring(const StepView&);
int set_umask(const StepView&), set_personality(const StepView&), set_user(const StepView&);
int drop_bounding(const StepView&), set_caps(const StepView&), no_new_privs(const StepView&);
int load_seccomp(const StepView&), change_directory(const StepView&), new_session(const StepView&);
int stay_as_reaper(const StepView&), wait_maps(const StepView&), wait_go(const StepView&), wait_start(const StepView&), hold(const StepView&), execute(const StepView&);

// Opens the sources of all bind mounts and of the root before any content of the container is reachable (SECURITY B5)
// and while we still have the caller's ids.
int open_sources(const char* first_step, uint32_t steps, uint32_t* failed);

// Copies what is in the directory `from` (O_PATH) into the directory `to`.
int copy_up(int from, int to, const char* path);
// `text` with each \1 replaced by `pid`, in memory that stays.
const char* with_pid(const char* text, const char* pid, size_t* size);
// A message of `size` bytes with one descriptor.
int send_descriptor(int socket_fd, int fd, const void* data, size_t size);

void send_trace();

}  // namespace hull::init
