// Carries a launch plan out: clones the process into its namespaces, hands it to hull-init, writes the id maps, and
// reports the step that failed. The only code in hull that clones a container. Single-threaded callers only.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "sandbox/plan.h"

namespace hull::sandbox {

// A program that becomes the container's parent (hull-shim): made before the container, it execs right after cloning
// it, so it can wait for it. "%pid" in an argument is replaced by the container's PID as the host sees it.
struct ParentProgram {
  std::string path;
  std::vector<std::string> arguments;              // with argv[0]
  std::vector<std::pair<int, int>> descriptors;    // (ours, its number, >= 3); all others are closed; stdio is /dev/null
  std::function<void(pid_t)> dismiss;              // for a launch that failed after it was started: ends and reaps it
};

struct LaunchIo {
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;  // what the process gets; with a console: ignored
  int console_fd = -1;      // with plan.console: a socket that receives the pty's master (SCM_RIGHTS, one byte)
  int target_pidfd = -1;    // with plan.join_target
  int start_fd = -1;        // with PlanOptions::wait_start: a fifo, open for both ways so that its end never comes
  int outcome_fd = -1;      // with PlanOptions::tell_outcome: takes the text of what fails after the start; closed by exec
  int listener_fd = -1;     // with listener_state: a connected socket that receives the seccomp listener
  std::vector<int> preserved;  // descriptors that the program gets as 3 and up
  int cgroup_fd = -1;       // cgroup v2 directory for CLONE_INTO_CGROUP
  // For plans that wait for us, first of all: makes the process's group, or moves it there; completes a plan that begins. Gives
  // the descriptors of PlanOptions::group_files, which are borrowed.
  std::function<Result<std::vector<int>>(pid_t)> place;
  std::vector<int> cgroup_files;  // open v1 `tasks` files for plans that enter through descriptors (exec)
  std::optional<ParentProgram> parent;             // none: the caller itself is the parent
  bool trace = false;
};

struct StepTime {
  size_t step;
  uint32_t nanoseconds;
};

// A process on its way: it has been cloned and is running its steps, and waits for go() before it execs.
// Destroying one that was not released kills the process.
class Launched {
 public:
  Launched(Launched&&) = default;
  Launched& operator=(Launched&&) = default;
  ~Launched();

  pid_t pid() const { return pid_; }               // as our pid namespace sees it
  pid_t parent_pid() const { return parent_pid_; } // of ParentProgram, 0 without
  const Fd& pidfd() const { return pidfd_; }
  // Waits until the process has left our namespaces for those that hull-init makes or enters itself; until then its
  // links in /proc show ours, which nobody may take for the container's. For plans with report_namespaces.
  Result<> wait_namespaces();
  // Waits until every step before the release is done: all namespaces are made. For plans with report_ready.
  Result<> wait_ready();
  // With host_hooks, after the first wait_ready: hull's hooks have run.
  Result<> hooks_done();
  // Lets the process exec, and waits until it has or a step failed. On failure the error says which step, on what,
  // and errno_value() holds the errno (ENOENT and EACCES of the exec step decide between exit codes 127 and 126). With
  // wait_start, waits until it waits for its start.
  Result<> go();
  // As go() without waiting for the outcome: the process runs its steps and execs on its own.
  Result<> go_unwatched();
  // For a failure of ours before go(): what hull-init reported, if it has ended meanwhile; else `error`.
  Error cause_of(Error error);
  const std::vector<StepTime>& trace() const { return trace_; }
  // After an error of wait_ready or go: the user's own program or working directory was at fault, not what we make.
  bool command_failed() const { return command_failed_; }

 private:
  friend Result<Launched> launch(const LaunchPlan&, const LaunchIo&);
  Launched() = default;
  Error failure_of(const WireFailure& failure);
  Result<bool> take_message();  // false: the process has exec'd

  Fd control_, pidfd_;
  pid_t pid_ = 0, parent_pid_ = 0;
  const LaunchPlan* plan_ = nullptr;  // outlives the launch
  std::vector<StepTime> trace_;
  bool ready_ = false, namespaces_made_ = false, waits_ = false, command_failed_ = false;
};

// Whether the caller's limit of open files leaves a launch enough of them: before anything is made that would have to be undone.
Result<> check_open_files();

// Errors: Denied or Invalid for a namespace that cannot be joined, Unsupported for a missing kernel facility.
Result<Launched> launch(const LaunchPlan& plan, const LaunchIo& io);

// Whether `pid` is still hull-init; none, with errno, where that cannot be told: ENOENT for one that ends.
std::optional<bool> is_hull_init(pid_t pid);
// Whether `child`, which has ended and is not reaped, was killed before it became its program.
bool killed_before_program(pid_t child);

// The CLONE_NEW* flags of the namespaces in which `target` is and we are not: what exec has to enter.
Result<uint64_t> differing_namespaces(pid_t target);

}  // namespace hull::sandbox
