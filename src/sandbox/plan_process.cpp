// The last stage, for a container's first process and for exec's alike: limits, identity, capabilities, seccomp, exec.
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel/bpf.h"
#include "kernel/capabilities.h"
#include "sandbox/compiler.h"

namespace hull::sandbox {
namespace {

struct RlimitName {
  const char* name;
  int resource;
};
constexpr RlimitName kRlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},       {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},   {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

struct CapMasks {
  uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

Result<CapMasks> cap_masks(const oci::Process& process) {
  CapMasks masks;
  if (!process.capabilities) return masks;
  const oci::Capabilities& caps = *process.capabilities;
  masks.bounding = TRY(kernel::cap_mask(caps.bounding));
  masks.effective = TRY(kernel::cap_mask(caps.effective));
  masks.permitted = TRY(kernel::cap_mask(caps.permitted));
  masks.inheritable = TRY(kernel::cap_mask(caps.inheritable));
  // The kernel raises none that is not permitted and inheritable too (capabilities(7)); runc's and crun's own `spec` asks
  // for such, and both leave them out.
  masks.ambient = TRY(kernel::cap_mask(caps.ambient)) & masks.permitted & masks.inheritable;
  return masks;
}

class ProcessSteps {
 public:
  ProcessSteps(LaunchPlan& plan, const oci::Process& process) : plan_(plan), process_(process) {}

  Result<> limits() {
    for (const oci::Rlimit& limit : process_.rlimits) {
      const RlimitName* found = nullptr;
      for (const RlimitName& name : kRlimits)
        if (limit.type == name.name) found = &name;
      if (found == nullptr) return fail(ErrorKind::Invalid, format("process.rlimits: unknown type \"{}\"", limit.type));
      Step& step = add(StepKind::Rlimit);
      step.numbers[0] = static_cast<uint64_t>(found->resource);
      step.numbers[1] = limit.soft;
      step.numbers[2] = limit.hard;
    }
    return {};
  }

  void user(bool setgroups_refused) {
    Step& step = add(StepKind::SetUser);
    step.numbers[0] = process_.user.uid;
    step.numbers[1] = process_.user.gid;
    step.numbers[2] = std::none_of(process_.env.begin(), process_.env.end(), [](const std::string& entry) { return entry.starts_with("HOME="); });
    step.numbers[3] = setgroups_refused;
    const auto& groups = process_.user.additional_gids;
    step.texts.emplace_back(reinterpret_cast<const char*>(groups.data()), groups.size() * sizeof groups[0]);
  }

  void capabilities(const CapMasks& masks) {
    Step& step = add(StepKind::SetCaps);
    step.numbers[0] = masks.effective;
    step.numbers[1] = masks.permitted;
    step.numbers[2] = masks.inheritable;
    step.numbers[3] = masks.ambient;
  }

  void seccomp(const std::vector<sock_filter>& filter, uint32_t flags, const ProcessTail& tail) {
    if (filter.empty()) return;
    Step& step = add(StepKind::Seccomp);
    step.numbers[0] = flags;
    step.texts.emplace_back(reinterpret_cast<const char*>(filter.data()), filter.size() * sizeof filter[0]);
    if (tail.listener_fd < 0) return;
    step.numbers[1] = static_cast<uint64_t>(tail.listener_fd);
    step.texts.emplace_back(tail.listener_state);
  }

  void wait(const ProcessTail& tail) {
    add(StepKind::WaitGo).numbers[0] = tail.report_ready;
    bool has_hooks = tail.start_hooks != nullptr && !tail.start_hooks->empty();
    if (process_.args.empty() || (tail.start_fd < 0 && !has_hooks)) return;
    find_program();
    if (tail.start_fd >= 0) {
      Step& step = add(StepKind::WaitStart);
      step.numbers[0] = static_cast<uint64_t>(tail.start_fd);
      step.numbers[1] = static_cast<uint64_t>(std::max(tail.outcome_fd, 0));
    }
    if (has_hooks) append_hooks(plan_, *tail.start_hooks, "startContainer", tail.start_hook_state);
  }

  void find_program() {
    std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string& entry : process_.env)
      if (entry.starts_with("PATH=")) path = entry.substr(5);
    add(StepKind::FindProgram).texts = {process_.args[0], path};
  }

  Result<> execute(const ProcessTail& tail) {
    bool label = std::any_of(plan_.steps.begin(), plan_.steps.end(), [](const Step& step) { return step.kind == StepKind::OpenLabel; });
    if (label) add(StepKind::Label).texts = {process_.selinux_label.empty() ? "exec " + process_.apparmor_profile : process_.selinux_label};
    if (process_.args.empty()) return fail(ErrorKind::Invalid, "process.args: no command given");
    Step& step = add(StepKind::Exec);
    step.texts = process_.args;
    step.texts.insert(step.texts.end(), process_.env.begin(), process_.env.end());
    step.numbers[0] = process_.args.size();
    step.numbers[1] = 1;
    step.numbers[2] = static_cast<uint64_t>(tail.preserved_fds > 0 ? tail.preserved_fd : 0);
    step.numbers[3] = static_cast<uint64_t>(tail.preserved_fds);
    return {};
  }

  Step& add(StepKind kind) { return plan_.steps.emplace_back(Step{kind, {}, {}}); }

 private:
  LaunchPlan& plan_;
  const oci::Process& process_;
};

}  // namespace

// A filter that refuses exec starts nothing, and may refuse to let us say so or end as well.
static Result<> check_filter(const std::vector<sock_filter>& filter) {
  if (filter.empty()) return {};
  seccomp_data call{};
  call.nr = SYS_execve;
  call.arch = AUDIT_ARCH_X86_64;
  uint32_t answer = kernel::run_filter(filter, call).value_or(SECCOMP_RET_ALLOW) & SECCOMP_RET_ACTION_FULL;
  if (answer == SECCOMP_RET_ERRNO || answer == SECCOMP_RET_TRAP || answer == SECCOMP_RET_KILL_PROCESS || answer == SECCOMP_RET_KILL_THREAD)
    return fail(ErrorKind::Invalid, "seccomp profile: it refuses execve, so no program can start; allow execve");
  return {};
}

void append_arrival(LaunchPlan& plan, const Arrival& arrival) {
  auto add = [&](StepKind kind) -> Step& { return plan.steps.emplace_back(Step{kind, {}, {}}); };
  if (arrival.birth) add(StepKind::Birth);
  if (arrival.group_files > 0) {
    Step& enter = add(StepKind::EnterCgroup);
    enter.numbers[0] = static_cast<uint64_t>(arrival.group_fd);
    enter.numbers[1] = arrival.group_files;
  }
  add(StepKind::NewSession).numbers[0] = arrival.last && arrival.terminal;
}

Result<> append_process_steps(LaunchPlan& plan, const oci::Process& process, const std::vector<sock_filter>& filter,
                              uint32_t seccomp_flags, const ProcessTail& tail) {
  ProcessSteps steps(plan, process);
  CapMasks masks = TRY_CONTEXT(cap_masks(process), "process.capabilities");
  TRY(check_filter(filter));
  TRY(steps.limits());
  steps.add(StepKind::Umask).numbers[0] = process.user.umask.value_or(0022);
  Step& directory = steps.add(StepKind::Chdir);
  directory.texts = {process.cwd.empty() ? "/" : process.cwd};
  steps.add(StepKind::BoundingCaps).numbers[0] = masks.bounding;
  steps.user(tail.setgroups_refused);
  // KERNEL: loading a filter needs no_new_privs or CAP_SYS_ADMIN; seccomp(2). Without the first, the filter comes before
  // the capabilities go (it must allow capset, prctl and execve); with it, last.
  bool last = tail.arrival.last;
  if (process.no_new_privileges) {
    steps.capabilities(masks);
    steps.add(StepKind::NoNewPrivs);
    if (last) append_arrival(plan, tail.arrival);
    steps.wait(tail);
    steps.seccomp(filter, seccomp_flags, tail);
  } else {
    if (!last) steps.wait(tail);
    steps.seccomp(filter, seccomp_flags, tail);
    steps.capabilities(masks);
    if (last) append_arrival(plan, tail.arrival), steps.wait(tail);
  }
  if (tail.reaper) steps.add(StepKind::Reaper);
  plan.reaper = tail.reaper;
  return steps.execute(tail);
}

Result<> compile_process(Compiler& c) {
  if (const auto& affinity = c.spec.process.exec_cpu_affinity)  // for those who come later; what is wrong is told now
    for (const std::string* cpus : {&affinity->initial, &affinity->final_})
      if (!cpus->empty()) TRY(affinity_step(*cpus));
  ProcessTail tail{c.options.reaper, c.plan.deny_setgroups, c.options.report_ready, c.passed.start};
  tail.outcome_fd = c.passed.outcome;
  tail.listener_fd = c.passed.listener;
  tail.listener_state = c.options.listener_state;
  tail.preserved_fd = c.passed.preserved;
  tail.preserved_fds = c.options.preserved_fds;
  tail.start_hooks = &c.spec.hooks.start_container;
  tail.start_hook_state = c.options.start_hook_state;
  return append_process_steps(c.plan, c.spec.process, c.options.seccomp_filter, c.options.seccomp_flags, tail);
}

}  // namespace hull::sandbox
