#include "sandbox/plan.h"

#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <algorithm>
#include <span>

#include "kernel/bpf.h"
#include "sandbox/compiler.h"

namespace hull::sandbox {

using kernel::NsKind;

// Which namespaces are made by clone3, which are joined, which need steps of their own.
Result<> compile_namespaces(Compiler& c) {
  for (const oci::Namespace& ns : c.spec.linux_.namespaces) {
    auto kind = kernel::ns_kind_from_name(ns.type);
    if (!kind || ns.type != kernel::ns_info(*kind).oci_name)
      return fail(ErrorKind::Invalid, format("linux.namespaces: unknown type \"{}\"", ns.type));
    if (c.find_namespace(*kind) != &ns) return fail(ErrorKind::Invalid, format("linux.namespaces: \"{}\" stands twice", ns.type));
    if (!ns.path.empty()) c.plan.joins.push_back({*kind, ns.path});
    else if (*kind == NsKind::Net && c.init_makes_net()) continue;
    else if (*kind != NsKind::Cgroup && *kind != NsKind::Time) c.plan.new_namespaces |= kernel::ns_info(*kind).clone_flag;
  }
  if (c.find_namespace(NsKind::Mnt) == nullptr) return fail(ErrorKind::Invalid, "linux.namespaces: a mount namespace is needed to change the root");
  if (!c.spec.linux_.uid_mappings.empty() != c.makes_new(NsKind::User))
    return fail(ErrorKind::Invalid, "linux.uidMappings goes with a new user namespace, and a new user namespace with it");
  c.plan.uid_map = c.spec.linux_.uid_mappings;
  c.plan.gid_map = c.spec.linux_.gid_mappings;
  // Who maps his own group alone gives setgroups up; newgidmap maps more, and leaves it.
  bool one_group = !c.makes_new(NsKind::User) || (c.plan.gid_map.size() == 1 && c.plan.gid_map[0].size == 1);
  c.plan.deny_setgroups = one_group && ((c.makes_new(NsKind::User) && c.facts.in_user_namespace) ||
                                        (c.find_namespace(NsKind::User) != nullptr && c.facts.unprivileged));
  return {};
}

static void add_time_namespace(Compiler& c) {
  const oci::Namespace* time = c.find_namespace(NsKind::Time);
  if (time == nullptr) return;
  if (!time->path.empty()) {
    c.add(StepKind::EnterTimeNs).numbers[0] = static_cast<uint64_t>(c.passed.time);
    return;
  }
  Step& step = c.add(StepKind::NewTimeNs);
  for (const auto& [clock, offset] : c.spec.linux_.time_offsets)
    step.texts.push_back(format("{} {} {}\n", clock, offset.secs, offset.nanosecs));
}

static void add_net_namespace(Compiler& c) {
  if (c.init_makes_net()) c.add(StepKind::NewNetNs);
  if (c.makes_new(NsKind::Net) && c.options.loopback_up) c.add(StepKind::Loopback);
}

// "net.ipv4.x", or with slashes first where a name holds a dot ("net/ipv4/conf/eth0.1/y"); sysctl(8).
static void add_sysctls(Compiler& c) {
  for (const auto& [key, value] : c.spec.linux_.sysctl) {
    std::string path = key;
    for (char& letter : path)
      if (letter == '.') letter = '/';
    c.add(StepKind::Sysctl, {key.find('/') < key.find('.') ? key : path, value});
  }
}

// What needs nothing that hull may still be making.
static Result<> compile_begin(Compiler& c) {
  if (!c.options.group_to_come) return {};
  add_net_namespace(c);
  c.add(StepKind::WaitOutside);
  return {};
}

// From the clone to the point where the namespaces are as they shall be, in the host's view of the file system.
Result<> compile_entry(Compiler& c) {
  if (const auto& score = c.spec.process.oom_score_adj) {
    if (c.makes_new(NsKind::User)) c.plan.oom_score_adj = std::to_string(*score);
    else c.add(StepKind::OomScoreAdj, {std::to_string(*score)});
  }
  if (!c.options.cgroup_enter_files.empty()) c.add(StepKind::EnterCgroup, c.options.cgroup_enter_files);
  if (c.options.group_files > 0) c.add(StepKind::EnterCgroup).numbers[1] = c.options.group_files;
  TRY(append_schedule(c.plan, c.spec.process));
  append_personality(c.plan, c.spec.linux_.personality_domain);
  TRY(append_memory_policy(c.plan, c.spec.linux_.memory_policy));
  append_label(c.plan, c.spec.process);
  c.add(StepKind::NewSession);
  if (c.makes_new(NsKind::User) || c.root_comes_from_hull()) c.add(StepKind::WaitOutside);
  if (c.makes_new(NsKind::User) || c.find_namespace(NsKind::User) != nullptr) c.add(StepKind::BecomeRoot);
  if (c.makes_new(NsKind::Cgroup)) c.add(StepKind::NewCgroupNs);
  add_time_namespace(c);
  if (c.options.new_keyring) c.add(StepKind::NewKeyring);
  if (!c.options.group_to_come) add_net_namespace(c);
  if (c.options.report_namespaces) c.add(StepKind::TellNamespaces);
  if (!c.spec.hostname.empty()) {
    if (c.find_namespace(NsKind::Uts) == nullptr) return fail(ErrorKind::Invalid, "hostname: set without a uts namespace, it would change the host's");
    if (c.owns(NsKind::Uts) || c.options.set_joined_names) c.add(StepKind::Hostname, {c.spec.hostname});
  }
  if (!c.spec.domainname.empty() && (c.owns(NsKind::Uts) || c.options.set_joined_names)) c.add(StepKind::Domainname, {c.spec.domainname});
  add_sysctls(c);
  return {};
}

static bool maps_ids(const oci::Mount& mount) {
  return !mount.uid_mappings.empty() || std::any_of(mount.options.begin(), mount.options.end(),
                                                    [](const std::string& option) { return option == "idmap" || option == "ridmap"; });
}

bool has_mapped_mounts(const oci::Spec& spec) { return std::any_of(spec.mounts.begin(), spec.mounts.end(), maps_ids); }

static PassedNumbers number_passed(const Compiler& c) {
  const oci::Namespace* time = c.find_namespace(NsKind::Time);
  auto mapped = static_cast<int>(std::count_if(c.spec.mounts.begin(), c.spec.mounts.end(), maps_ids));
  PassedNumbers passed;
  passed.time = passed.take(time != nullptr && !time->path.empty());
  passed.start = passed.take(c.options.wait_start);
  passed.outcome = passed.take(c.options.tell_outcome);
  passed.mapped = passed.take(mapped > 0, mapped);
  passed.listener = passed.take(!c.options.listener_state.empty());
  passed.preserved = passed.take(c.options.preserved_fds > 0, c.options.preserved_fds);
  return passed;
}

using Stage = Result<> (*)(Compiler&);

static Result<LaunchPlan> compile_stages(std::span<const Stage> stages, const oci::Spec& spec, const kernel::HostFacts& facts, const PlanOptions& options) {
  Compiler compiler{spec, facts, options, {}, {}};
  compiler.passed = number_passed(compiler);
  for (Stage stage : stages) TRY(stage(compiler));
  LaunchPlan& plan = compiler.plan;
  bool joins_pid = std::any_of(plan.joins.begin(), plan.joins.end(), [](const JoinNamespace& join) { return join.kind == NsKind::Pid; });
  if (joins_pid || (plan.joins_anything() && plan.new_namespaces != 0))
    plan.steps.insert(plan.steps.begin(), Step{StepKind::Birth, {plan.new_namespaces}, {}});
  return std::move(plan);
}

static constexpr Stage kStages[] = {compile_namespaces, compile_begin, compile_entry, compile_root,   compile_mounts,
                                    compile_devices,    compile_hooks, compile_protection, compile_process};

Result<LaunchPlan> compile_plan(const oci::Spec& spec, const kernel::HostFacts& facts, const PlanOptions& options) {
  return compile_stages(kStages, spec, facts, options);
}

Result<LaunchPlan> compile_beginning(const oci::Spec& spec, const PlanOptions& options) {
  static const kernel::HostFacts none;  // these stages ask for none without a user namespace
  LaunchPlan plan = TRY(compile_stages(std::span(kStages).first(2), spec, none, options));
  plan.begins = true;
  return plan;
}

// Whether all that takes rights can be done before the process is in sight of those who are inside, so that it never has
// more than its program will (SECURITY A2). Not so where a step would not reach a child made afterwards, where the kernel
// counts that child against a limit of the process's own, where a label is written through the /proc of that pid namespace,
// or where the filter, which is loaded by then, refuses a call.
static bool may_be_born_last(const oci::Process& process, const ExecPlanOptions& options) {
  if (process.scheduler || process.exec_cpu_affinity || options.memory_policy || !options.listener_state.empty()) return false;
  if (!process.apparmor_profile.empty() || !process.selinux_label.empty()) return false;
  if (options.cgroup_file_count > 0 && !options.opener_enters_groups) return false;
  for (const oci::Rlimit& limit : process.rlimits)
    if (limit.type == "RLIMIT_NPROC") return false;
  if (options.seccomp_filter.empty() || process.no_new_privileges) return true;
  static constexpr std::pair<int, uint64_t> kCalls[] = {{SYS_clone, CLONE_PARENT | SIGCHLD}, {SYS_exit_group, 0}, {SYS_write, 0}, {SYS_close, 0},
                                                        {SYS_setsid, 0}, {SYS_read, 0}};
  for (const auto& [number, first] : kCalls) {
    seccomp_data call{};
    call.nr = number;
    call.arch = AUDIT_ARCH_X86_64;
    call.args[0] = first;
    if (kernel::run_filter(options.seccomp_filter, call) != SECCOMP_RET_ALLOW) return false;
  }
  seccomp_data terminal{SYS_ioctl, AUDIT_ARCH_X86_64, 0, {0, TIOCSCTTY, 0}};
  return !process.terminal || kernel::run_filter(options.seccomp_filter, terminal) == SECCOMP_RET_ALLOW;
}

Result<LaunchPlan> compile_exec_plan(const oci::Process& process, const ExecPlanOptions& options) {
  LaunchPlan plan;
  plan.join_target = options.join_target;
  bool joins_pid = (options.join_target & CLONE_NEWPID) != 0;
  bool born_last = joins_pid && may_be_born_last(process, options);
  auto add = [&](StepKind kind) -> Step& { return plan.steps.emplace_back(Step{kind, {}, {}}); };
  const auto& affinity = process.exec_cpu_affinity;
  if (affinity && !affinity->initial.empty()) plan.steps.push_back(TRY(affinity_step(affinity->initial)));
  PassedNumbers passed;
  Arrival arrival{joins_pid, born_last, process.terminal, passed.take(options.cgroup_file_count > 0, static_cast<int>(options.cgroup_file_count)), options.cgroup_file_count};
  if (!born_last) append_arrival(plan, arrival);
  if ((options.join_target & CLONE_NEWTIME) != 0) add(StepKind::EnterTimeNs).numbers[0] = static_cast<uint64_t>(passed.take(true));
  if (affinity && !affinity->final_.empty()) plan.steps.push_back(TRY(affinity_step(affinity->final_)));
  TRY(append_schedule(plan, process));
  append_personality(plan, options.personality);
  TRY(append_memory_policy(plan, options.memory_policy));
  append_label(plan, process);
  if ((options.join_target & CLONE_NEWUSER) != 0) add(StepKind::BecomeRoot);
  add(StepKind::NewKeyring);
  if (process.terminal) {
    plan.console = true;
    Step& console = add(StepKind::Console);
    console.numbers[0] = process.console_height;
    console.numbers[1] = process.console_width;
    console.numbers[2] = process.user.uid;
    console.numbers[3] = born_last;
  }
  ProcessTail tail;
  tail.arrival = arrival;
  tail.setgroups_refused = options.setgroups_refused;
  tail.listener_fd = passed.take(!options.listener_state.empty());
  tail.listener_state = options.listener_state;
  tail.preserved_fds = options.preserved_fds;
  tail.preserved_fd = passed.take(options.preserved_fds > 0, options.preserved_fds);
  TRY(append_process_steps(plan, process, options.seccomp_filter, options.seccomp_flags, tail));
  return plan;
}

LaunchPlan compile_hold_plan(const HoldOptions& options) {
  constexpr uint64_t kMadeBySteps = CLONE_NEWCGROUP | CLONE_NEWTIME;
  LaunchPlan plan;
  plan.new_namespaces = options.new_namespaces & ~kMadeBySteps;
  plan.uid_map = options.uid_map;
  plan.gid_map = options.gid_map;
  plan.deny_setgroups = options.deny_setgroups;
  auto add = [&](StepKind kind) -> Step& { return plan.steps.emplace_back(Step{kind, {}, {}}); };
  auto makes = [&](uint64_t flag) { return (options.new_namespaces & flag) != 0; };
  add(StepKind::NewSession);
  if (makes(CLONE_NEWUSER)) add(StepKind::WaitOutside), add(StepKind::BecomeRoot);
  if (makes(CLONE_NEWCGROUP)) add(StepKind::NewCgroupNs);
  if (makes(CLONE_NEWTIME)) {
    Step& time = add(StepKind::NewTimeNs);
    for (const auto& [clock, offset] : options.time_offsets) time.texts.push_back(format("{} {} {}\n", clock, offset.secs, offset.nanosecs));
  }
  if (makes(CLONE_NEWNET)) add(StepKind::Loopback);
  if (makes(CLONE_NEWNS)) add(StepKind::Propagation).numbers[0] = MS_PRIVATE | MS_REC;
  if (makes(CLONE_NEWNS) && !options.not_in_mounts.empty()) add(StepKind::DetachMounts).texts = {options.not_in_mounts};
  add(StepKind::WaitGo).numbers[0] = 1;
  add(StepKind::Hold);
  return plan;
}

}  // namespace hull::sandbox
