// The launch plan: everything that makes a process isolated, as a flat ordered list of typed steps. Compiling one is
// pure (no privilege, no system call): which way to go on this kernel is decided here, as data. launch.h carries it
// out; print.h shows it.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/host_facts.h"
#include "kernel/namespaces.h"
#include "oci/spec.h"
#include "sandbox/wire.h"

namespace hull::sandbox {

struct Step {
  StepKind kind;
  uint64_t numbers[kStepNumbers] = {};
  std::vector<std::string> texts;
};

// A namespace to enter before the process is made. Either a path (checked to be of that kind) or, for exec, all of
// a process's namespaces through its pidfd (LaunchIo::target_pidfd).
struct JoinNamespace {
  kernel::NsKind kind;
  std::string path;
};

// A bind mount whose ids are mapped: made by hull, for only the root of the file system's user namespace may.
struct MappedBind {
  std::string source;
  std::vector<oci::IdMapping> uid_map, gid_map;
  bool recursive = false, map_recursive = false, attributes_recursive = false;
  uint64_t set = 0, clear = 0, propagation = 0;  // as StepKind::MountBind's
};

struct LaunchPlan {
  uint64_t new_namespaces = 0;  // CLONE_NEW* flags of clone3; cgroup and time are made by steps instead
  std::vector<JoinNamespace> joins;
  uint64_t join_target = 0;     // CLONE_NEW* of what is joined through LaunchIo::target_pidfd
  std::vector<oci::IdMapping> uid_map, gid_map;  // of the new user namespace, written by the parent
  bool deny_setgroups = false;
  std::string oom_score_adj;    // with a new user namespace, written by the parent: who is in one may not lower it
  bool console = false;         // a pty is made in the container and its master sent over LaunchIo::console_fd
  bool reaper = false;
  std::vector<MappedBind> mapped_binds;  // each becomes a passed descriptor
  bool begins = false;          // compile_beginning: the steps end with WaitOutside, and LaunchIo::place puts the whole in its place
  std::vector<Step> steps;

  bool joins_anything() const { return !joins.empty() || join_target != 0; }
};

// The engine's root file system: an overlay made inside the new mount namespace (nothing to unmount on the host).
struct OverlayRoot {
  std::vector<std::string> lowers;  // directories, top first
  std::string upper, work;          // empty: a read-only stack of at least two lowers
  bool skip_sync = false;           // `volatile`: the upper is thrown away with the container
};

struct PlanOptions {
  std::optional<OverlayRoot> overlay;  // instead of spec.root.path
  std::string mount_point;             // an existing directory that root is attached to before pivot_root
  std::vector<std::string> cgroup_enter_files;  // files that the process itself writes "0" to (v1 tasks)
  std::vector<sock_filter> seccomp_filter;      // compiled; empty: none
  uint32_t seccomp_flags = 0;
  bool reaper = false;                          // --init
  bool loopback_up = true;
  bool new_keyring = true;
  bool report_ready = false;                    // for Launched::wait_ready
  bool report_namespaces = false;               // for Launched::wait_namespaces
  bool no_pivot = false;
  bool set_joined_names = false;                // host and domain name also in a uts namespace that is joined
  std::string cgroup_path;                      // of the container: what a mounted v1 hierarchy shows without a cgroup namespace
  std::string hook_state, start_hook_state;     // for createContainer and startContainer; \1 stands for the pid
  bool host_hooks = false;                      // hull has hooks to run before the pivot: Launched::wait_ready comes twice
  int preserved_fds = 0;                        // how many LaunchIo::preserved there are
  std::string listener_state;                   // for LaunchIo::listener_fd; empty: none
  bool wait_start = false;                      // after its release it waits for a byte from LaunchIo::start_fd before it execs
  bool tell_outcome = false;                    // and tells LaunchIo::outcome_fd what fails then
  bool group_to_come = false;                   // LaunchIo::place makes the group while hull-init begins
  size_t group_files = 0;                       // and gives so many descriptors of files that are written to, at most kMaxGroupFiles
  uint64_t kept_namespaces = 0;                 // CLONE_NEW* of joined namespaces that are this container's own
  uint64_t owned_namespaces = 0;                // CLONE_NEW* of joined ones that belong to its user namespace
};

// Compiles a container's start. Errors (Invalid, Unsupported) name the field of the specification.
Result<LaunchPlan> compile_plan(const oci::Spec& spec, const kernel::HostFacts& facts, const PlanOptions& options);

// With group_to_come: as much of that plan as hull-init can begin with, while the rest is still worked on. Of `options` what
// says which descriptors are passed is as it will be; the specification has no mounts with mapped ids.
Result<LaunchPlan> compile_beginning(const oci::Spec& spec, const PlanOptions& options);
bool has_mapped_mounts(const oci::Spec& spec);

struct ExecPlanOptions {
  uint64_t join_target = 0;       // CLONE_NEW* of the namespaces to enter (differing_namespaces)
  size_t cgroup_file_count = 0;   // how many LaunchIo::cgroup_files there will be
  bool opener_enters_groups = true;  // the kernel asks who opened such a file for the right to move, not who writes it
  std::vector<sock_filter> seccomp_filter;
  uint32_t seccomp_flags = 0;
  bool setgroups_refused = false; // by the user namespace that is entered
  int preserved_fds = 0;
  std::string listener_state;
  std::optional<std::string> personality;  // linux.personality.domain
  std::optional<oci::MemoryPolicy> memory_policy;
};
// Compiles a further process inside a running container.
Result<LaunchPlan> compile_exec_plan(const oci::Process& process, const ExecPlanOptions& options);

// New namespaces with nothing but a hull-init in them, which stays until it is killed: for namespaces that are kept
// without a process of their own. `uid_map` and `gid_map` go with a new user namespace; offsets with a new time namespace.
struct HoldOptions {
  uint64_t new_namespaces = 0;  // CLONE_NEW*
  std::vector<oci::IdMapping> uid_map, gid_map;
  std::map<std::string, oci::TimeOffset> time_offsets;
  bool deny_setgroups = false;
  std::string not_in_mounts;    // a mount point that a new mount namespace is to do without, or ""
};
LaunchPlan compile_hold_plan(const HoldOptions& options);

// linux.memoryPolicy's names.
std::vector<std::string> memory_policy_modes(), memory_policy_flags();

// The plan as hull-init reads it (wire.h).
std::string encode_plan(const LaunchPlan& plan, bool trace);
const char* step_name(StepKind kind);

}  // namespace hull::sandbox
