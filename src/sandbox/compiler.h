// The stages of compiling a plan, private to sandbox/. Each appends its steps; their order is the table in plan.cpp.
#pragma once

#include "base/text.h"
#include "sandbox/plan.h"

namespace hull::sandbox {

// The numbers that passed descriptors have in hull-init, in the order in which launch.cpp places them.
struct PassedNumbers {
  int next = kFirstPassedFd;
  int take(bool wanted, int count = 1) {
    int first = next;
    if (wanted) next += count;
    return wanted ? first : -1;
  }
  int time = -1, start = -1, outcome = -1, mapped = -1, listener = -1, preserved = -1;
};

struct Compiler {
  const oci::Spec& spec;
  const kernel::HostFacts& facts;
  const PlanOptions& options;
  LaunchPlan plan;
  PassedNumbers passed;

  Step& add(StepKind kind, std::vector<std::string> texts = {}) {
    return plan.steps.emplace_back(Step{kind, {}, std::move(texts)});
  }
  const oci::Namespace* find_namespace(kernel::NsKind kind) const {
    for (const oci::Namespace& ns : spec.linux_.namespaces)
      if (ns.type == kernel::ns_info(kind).oci_name) return &ns;
    return nullptr;
  }
  bool makes_new(kernel::NsKind kind) const {
    const oci::Namespace* ns = find_namespace(kind);
    return ns != nullptr && ns->path.empty();
  }
  // KERNEL: it belongs to the user namespace of who makes it; network_namespaces(7). Made by hull-init it takes its half
  // millisecond beside hull's own work.
  bool init_makes_net() const { return makes_new(kernel::NsKind::Net) && find_namespace(kernel::NsKind::User) == nullptr; }
  // A user namespace other than the host's: device nodes cannot be made, some file systems not be mounted.
  // New, or joined again by the container that it belongs to.
  bool owns(kernel::NsKind kind) const {
    return makes_new(kind) || (options.kept_namespaces & kernel::ns_info(kind).clone_flag) != 0;
  }
  // Whether the file systems that show this namespace can be mounted: its user namespace is the container's.
  bool mounts(kernel::NsKind kind) const {
    return !in_user_namespace() || owns(kind) || (options.owned_namespaces & kernel::ns_info(kind).clone_flag) != 0;
  }
  // Only hull can make an overlay for a user namespace that is not its own (mapped_overlay.h).
  bool root_comes_from_hull() const {
    return options.overlay && !facts.in_user_namespace && find_namespace(kernel::NsKind::User) != nullptr;
  }
  bool in_user_namespace() const { return facts.in_user_namespace || find_namespace(kernel::NsKind::User) != nullptr; }
};

// How a process that enters comes to its place: born there where others are, in the group, leading a session.
struct Arrival {
  bool birth = false;
  bool last = false;  // after everything that takes rights
  bool terminal = false;
  int group_fd = -1;  // the first of `group_files`, as hull-init numbers them
  size_t group_files = 0;
};

// What differs between a container's first process and one of exec.
struct ProcessTail {
  bool reaper = false, setgroups_refused = false, report_ready = false;
  int start_fd = -1, outcome_fd = -1;  // as hull-init numbers them; -1: no wait, nobody to tell
  int listener_fd = -1;
  std::string_view listener_state = {};
  int preserved_fd = -1, preserved_fds = 0;
  Arrival arrival = {};
  const std::vector<oci::Hook>* start_hooks = nullptr;
  std::string_view start_hook_state = {};
};

// plan.cpp
Result<> compile_namespaces(Compiler&);
Result<> compile_entry(Compiler&);
// plan_root.cpp
Result<> compile_root(Compiler&);
Result<> compile_mounts(Compiler&);
Result<> compile_devices(Compiler&);
Result<> compile_protection(Compiler&);
// plan_hooks.cpp
Result<> compile_hooks(Compiler&);
void append_hooks(LaunchPlan& plan, const std::vector<oci::Hook>& hooks, const char* kind, std::string_view state);
// plan_schedule.cpp: what a process begins with, before it is in any namespace of its own
Result<> append_schedule(LaunchPlan& plan, const oci::Process& process);
void append_personality(LaunchPlan& plan, const std::optional<std::string>& domain);
Result<> append_memory_policy(LaunchPlan& plan, const std::optional<oci::MemoryPolicy>& policy);
void append_label(LaunchPlan& plan, const oci::Process& process);
Result<Step> affinity_step(const std::string& cpus);
// plan_process.cpp: also exec's
void append_arrival(LaunchPlan& plan, const Arrival& arrival);
Result<> compile_process(Compiler&);
Result<> append_process_steps(LaunchPlan& plan, const oci::Process& process, const std::vector<sock_filter>& filter,
                              uint32_t seccomp_flags, const ProcessTail& tail);

}  // namespace hull::sandbox
