// The stages for how a process is scheduled, and for its label: the same for a container's first process and exec's.
#include <sched.h>
#include <sys/personality.h>

#include <span>

#include "sandbox/compiler.h"

namespace hull::sandbox {
namespace {

struct Name {
  const char* name;
  uint64_t value;
};

Result<uint64_t> value_of(std::string_view name, std::span<const Name> known, const char* field) {
  for (const Name& one : known)
    if (name == one.name) return one.value;
  return fail(ErrorKind::Invalid, format("{}: unknown \"{}\"", field, escape_controls(name)));
}

// sched_setattr(2); glibc has no such type before 2.41.
struct SchedAttributes {
  uint32_t size = sizeof(SchedAttributes), policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};

Result<SchedAttributes> sched_attributes(const oci::Scheduler& scheduler) {
  static constexpr Name kPolicies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},
                                       {"SCHED_BATCH", 3}, {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}};
  static constexpr Name kFlags[] = {{"SCHED_FLAG_RESET_ON_FORK", 1}, {"SCHED_FLAG_RECLAIM", 2},      {"SCHED_FLAG_DL_OVERRUN", 4},
                                    {"SCHED_FLAG_KEEP_POLICY", 8},   {"SCHED_FLAG_KEEP_PARAMS", 16}, {"SCHED_FLAG_UTIL_CLAMP_MIN", 32},
                                    {"SCHED_FLAG_UTIL_CLAMP_MAX", 64}};
  SchedAttributes out;
  out.policy = static_cast<uint32_t>(TRY(value_of(scheduler.policy, kPolicies, "process.scheduler.policy")));
  for (const std::string& flag : scheduler.flags) out.flags |= TRY(value_of(flag, kFlags, "process.scheduler.flags"));
  out.nice = scheduler.nice.value_or(0);
  out.priority = static_cast<uint32_t>(scheduler.priority.value_or(0));
  out.runtime = scheduler.runtime.value_or(0);
  out.deadline = scheduler.deadline.value_or(0);
  out.period = scheduler.period.value_or(0);
  return out;
}

Result<uint64_t> io_priority(const oci::IoPriority& priority) {
  static constexpr Name kClasses[] = {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
  constexpr int kClassShift = 13;
  return TRY(value_of(priority.io_class, kClasses, "process.ioPriority.class")) << kClassShift | static_cast<uint64_t>(priority.priority);
}

}  // namespace

namespace {

// "0-3,6" as a mask of bits.
Result<std::string> mask_of(const std::string& list, const char* field, uint64_t most) {
  std::string mask((most + 8) / 8, '\0');
  auto ranges = parse_ranges(list, most);
  if (!ranges) return fail(ErrorKind::Invalid, format("{}: \"{}\" is no list", field, escape_controls(list)));
  for (const NumberRange& range : *ranges)
    for (uint64_t bit = range.first; bit <= range.last; ++bit) mask[bit / 8] = static_cast<char>(mask[bit / 8] | 1 << (bit % 8));
  return mask;
}

}  // namespace

Result<Step> affinity_step(const std::string& cpus) {
  return Step{StepKind::Affinity, {}, {TRY(mask_of(cpus, "process.execCPUAffinity", CPU_SETSIZE - 1))}};
}

namespace {

constexpr Name kModes[] = {{"MPOL_DEFAULT", 0}, {"MPOL_PREFERRED", 1}, {"MPOL_BIND", 2}, {"MPOL_INTERLEAVE", 3},
                           {"MPOL_LOCAL", 4}, {"MPOL_PREFERRED_MANY", 5}, {"MPOL_WEIGHTED_INTERLEAVE", 6}};
constexpr Name kPolicyFlags[] = {{"MPOL_F_NUMA_BALANCING", 1 << 13}, {"MPOL_F_RELATIVE_NODES", 1 << 14}, {"MPOL_F_STATIC_NODES", 1 << 15}};

std::vector<std::string> names_of(std::span<const Name> known) {
  std::vector<std::string> names;
  for (const Name& one : known) names.emplace_back(one.name);
  return names;
}

}  // namespace

std::vector<std::string> memory_policy_modes() { return names_of(kModes); }
std::vector<std::string> memory_policy_flags() { return names_of(kPolicyFlags); }

// set_mempolicy(2)
Result<> append_memory_policy(LaunchPlan& plan, const std::optional<oci::MemoryPolicy>& policy) {
  constexpr uint64_t kMostNodes = 1023;
  if (!policy) return {};
  uint64_t mode = TRY(value_of(policy->mode, kModes, "linux.memoryPolicy.mode"));
  for (const std::string& flag : policy->flags) mode |= TRY(value_of(flag, kPolicyFlags, "linux.memoryPolicy.flags"));
  std::string nodes;
  if (!policy->nodes.empty()) nodes = TRY(mask_of(policy->nodes, "linux.memoryPolicy.nodes", kMostNodes));
  plan.steps.push_back({StepKind::MemoryPolicy, {mode}, {std::move(nodes)}});
  return {};
}

Result<> append_schedule(LaunchPlan& plan, const oci::Process& process) {
  if (process.scheduler) {
    SchedAttributes attributes = TRY(sched_attributes(*process.scheduler));
    plan.steps.push_back({StepKind::Scheduler, {}, {std::string(reinterpret_cast<const char*>(&attributes), sizeof attributes)}});
  }
  if (process.io_priority) plan.steps.push_back({StepKind::IoPriority, {TRY(io_priority(*process.io_priority))}, {}});
  return {};
}

void append_personality(LaunchPlan& plan, const std::optional<std::string>& domain) {
  if (domain) plan.steps.push_back({StepKind::Personality, {*domain == "LINUX32" ? uint64_t{PER_LINUX32} : uint64_t{PER_LINUX}}, {}});
}

void append_label(LaunchPlan& plan, const oci::Process& process) {
  if (!process.selinux_label.empty()) {
    plan.steps.push_back({StepKind::OpenLabel, {}, {"/proc/self/attr/keycreate"}});  // of the session's keyring; until exec
    plan.steps.push_back({StepKind::Label, {}, {process.selinux_label}});
    plan.steps.push_back({StepKind::OpenLabel, {}, {"/proc/self/attr/exec"}});
  } else if (!process.apparmor_profile.empty()) {
    plan.steps.push_back({StepKind::OpenLabel, {}, {"/proc/self/attr/apparmor/exec"}});
  }
}

}  // namespace hull::sandbox
