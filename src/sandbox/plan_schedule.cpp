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

// "0-3,6" as the mask that sched_setaffinity(2) takes.
Result<Step> affinity_step(const std::string& cpus) {
  std::string mask(CPU_SETSIZE / 8, '\0');
  for (const std::string& range : split(cpus, ',')) {
    std::vector<std::string> ends = split(range, '-');
    auto first = parse_uint(ends[0], 0, CPU_SETSIZE - 1), last = parse_uint(ends.back(), 0, CPU_SETSIZE - 1);
    if (!first || !last || ends.size() > 2 || *first > *last)
      return fail(ErrorKind::Invalid, format("process.execCPUAffinity: \"{}\" is no list of CPUs", escape_controls(cpus)));
    for (uint64_t cpu = *first; cpu <= *last; ++cpu) mask[cpu / 8] = static_cast<char>(mask[cpu / 8] | 1 << (cpu % 8));
  }
  return Step{StepKind::Affinity, {}, {std::move(mask)}};
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
  if (process.apparmor_profile.empty()) return;
  plan.steps.push_back({StepKind::OpenLabel, {}, {"/proc/self/attr/apparmor/exec"}});
}

}  // namespace hull::sandbox
