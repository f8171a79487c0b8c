// Golden tests of compiling and printing plans: tests/golden/plan/NAME.json to NAME.txt. HULL_GOLDEN=write renews them.
#include "sandbox/plan.h"

#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#include <cstdlib>

#include "sandbox/mount_options.h"
#include "sandbox/print.h"

namespace hull::sandbox {
namespace {

oci::Spec typical_spec() {
  oci::Spec spec;
  spec.hostname = "web";
  spec.root.path = "/bundle/rootfs";
  spec.process.args = {"nginx", "-g", "daemon off;"};
  spec.process.env = {"PATH=/usr/bin:/bin", "HOME=/root"};
  spec.process.cwd = "/srv";
  spec.process.user.additional_gids = {4, 20};
  spec.process.rlimits = {{"RLIMIT_NOFILE", 4096, 1024}};
  oci::Capabilities caps;
  caps.bounding = caps.effective = caps.permitted = {"CAP_CHOWN", "CAP_KILL", "CAP_SYS_CHROOT"};
  spec.process.capabilities = caps;
  for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup"}) spec.linux_.namespaces.push_back({type, ""});
  spec.linux_.namespaces.push_back({"network", "/proc/42/ns/net"});
  spec.mounts = {{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, {}, {}},
                 {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}, {}, {}},
                 {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}, {}, {}},
                 {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}, {}, {}},
                 {"/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}, {}, {}},
                 {"/data", "bind", "/srv/data", {"rbind", "rro", "rprivate"}, {}, {}}};
  spec.linux_.masked_paths = {"/proc/kcore", "/sys/firmware"};
  spec.linux_.readonly_paths = {"/proc/sys"};
  spec.linux_.sysctl["net.ipv4.ip_unprivileged_port_start"] = "0";
  return spec;
}

kernel::HostFacts hybrid_host() {
  kernel::HostFacts facts;
  facts.cgroup_v1 = {{"pids", "pids"}, {"systemd", "none,name=systemd"}, {"unified", "unified"}};
  return facts;
}

PlanOptions overlay_options() {
  PlanOptions options;
  options.overlay = OverlayRoot{{"/layers/b", "/layers/a"}, "/c/upper", "/c/work", true};
  options.mount_point = "/run/hull/root";
  options.cgroup_enter_files = {"/sys/fs/cgroup/pids/hull/x/tasks"};
  options.seccomp_filter.resize(3);
  return options;
}

void expect_golden(const std::string& name, const std::string& text) {
  std::string path = std::string(HULL_SOURCE_DIR) + "/tests/golden/plan/" + name;
  if (std::getenv("HULL_GOLDEN") != nullptr) {
    ASSERT_TRUE(make_directories(path.substr(0, path.rfind('/')), 0755));
    ASSERT_TRUE(replace_file(path, text, Durability::Volatile, 0644));
  }
  auto expected = read_file(path);
  ASSERT_TRUE(expected) << expected.error().text();
  EXPECT_EQ(text, *expected) << path;
}

TEST(CompilePlan, TypicalContainerGivesTheGoldenSteps) {
  auto plan = compile_plan(typical_spec(), hybrid_host(), overlay_options());
  ASSERT_TRUE(plan) << plan.error().text();
  expect_golden("typical.txt", plan_text(*plan));
  expect_golden("typical.sh", teach_script(*plan));
}

TEST(CompilePlan, UserNamespaceOnUnifiedHostBindsDevicesAndMapsIds) {
  oci::Spec spec = typical_spec();
  spec.linux_.namespaces.push_back({"user", ""});
  spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 100000, 65536}};
  spec.linux_.namespaces.push_back({"time", ""});
  spec.linux_.time_offsets["boottime"] = {86400, 0};
  spec.process.terminal = true;
  spec.process.no_new_privileges = true;
  spec.root.readonly = true;
  kernel::HostFacts facts;
  facts.cgroup_unified = true;
  PlanOptions options = overlay_options();
  options.reaper = true;
  options.cgroup_enter_files.clear();
  auto plan = compile_plan(spec, facts, options);
  ASSERT_TRUE(plan) << plan.error().text();
  expect_golden("userns.txt", plan_text(*plan));
  expect_golden("userns.sh", teach_script(*plan));
}

// The first steps, as far as they make the net namespace and enter the groups.
std::vector<StepKind> beginning(bool user, bool group_to_come) {
  oci::Spec spec = typical_spec();
  spec.linux_.namespaces.back().path.clear();
  if (user) spec.linux_.namespaces.push_back({"user", ""}), spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 100000, 65536}};
  PlanOptions options = overlay_options();
  options.group_to_come = group_to_come;
  auto plan = compile_plan(spec, hybrid_host(), options);
  EXPECT_EQ((plan->new_namespaces & CLONE_NEWNET) != 0, user);
  EXPECT_NE(plan_text(*plan).find(user ? "user cgroup ipc uts net pid mnt" : "cgroup ipc uts net pid mnt"), std::string::npos);
  EXPECT_EQ(teach_script(*plan).find(" --net") != std::string::npos, true);
  std::vector<StepKind> kinds;
  for (const Step& step : plan->steps)
    if (step.kind == StepKind::NewNetNs || step.kind == StepKind::Loopback || step.kind == StepKind::WaitOutside || step.kind == StepKind::EnterCgroup) kinds.push_back(step.kind);
  return kinds;
}

TEST(CompilePlan, ANetNamespaceIsMadeWhileTheGroupIsAndOtherwiseInIt) {
  using enum StepKind;
  using Kinds = std::vector<StepKind>;
  EXPECT_EQ(beginning(false, true), (Kinds{NewNetNs, Loopback, WaitOutside, EnterCgroup}));
  EXPECT_EQ(beginning(false, false), (Kinds{EnterCgroup, NewNetNs, Loopback}));
  EXPECT_EQ(beginning(true, false), (Kinds{EnterCgroup, WaitOutside, Loopback}));
}

TEST(CompilePlan, TheBeginningIsTheWholePlansOwn) {
  for (const char* net : {"", "/proc/42/ns/net"}) {
    oci::Spec spec = typical_spec();
    spec.linux_.namespaces.back().path = net;
    spec.process.oom_score_adj = 10;
    PlanOptions options = overlay_options();
    options.group_to_come = true;
    auto beginning = compile_beginning(spec, options), whole = compile_plan(spec, hybrid_host(), options);
    ASSERT_TRUE(beginning && whole);
    EXPECT_TRUE(beginning->begins && !whole->begins);
    EXPECT_EQ(beginning->new_namespaces, whole->new_namespaces);
    EXPECT_EQ(beginning->joins.size(), whole->joins.size());
    std::string begins = encode_plan(*beginning, false).substr(sizeof(WireHeader));
    EXPECT_EQ(encode_plan(*whole, false).substr(sizeof(WireHeader), begins.size()), begins);
    EXPECT_EQ(beginning->steps.back().kind, StepKind::WaitOutside);
  }
}

struct Refusal {
  const char* name;
  void (*change)(oci::Spec&);
  const char* text;
};

// "bind:/sys" for what is bound to the destination, "fs" for a mount of its own, "none".
std::string mounted(const LaunchPlan& plan, std::string_view destination) {
  for (const Step& step : plan.steps) {
    if (step.texts.empty() || step.texts[0] != destination) continue;
    if (step.kind == StepKind::MountBind) return "bind:" + step.texts[1];
    if (step.kind == StepKind::MountFs || step.kind == StepKind::MountCgroup1) return "fs";
  }
  return "none";
}

// In a user namespace of its own, with the host's namespaces, or joined ones, of four kinds.
std::vector<std::string> mounted_with(const char* path, uint64_t owned, bool has_mqueue) {
  oci::Spec spec = typical_spec();
  spec.hostname.clear();
  spec.linux_.namespaces = {{"user", ""}, {"mount", ""}};
  spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 1000, 1}};
  if (*path != '\0')
    for (const char* kind : {"network", "ipc", "cgroup", "pid"}) spec.linux_.namespaces.push_back({kind, path});
  spec.mounts.push_back({"/dev/mqueue", "mqueue", "mqueue", {}, {}, {}});
  kernel::HostFacts host = hybrid_host();
  host.has_mqueue = has_mqueue;
  PlanOptions options;
  options.owned_namespaces = owned;
  auto plan = compile_plan(spec, host, options);
  EXPECT_TRUE(plan);
  return {mounted(*plan, "/sys"), mounted(*plan, "/dev/mqueue"), mounted(*plan, "/sys/fs/cgroup"), mounted(*plan, "/proc")};
}

TEST(CompilePlan, WhatItsUserNamespaceDoesNotOwnIsTheHostsMountOrLeftOut) {
  using Mounts = std::vector<std::string>;
  EXPECT_EQ(mounted_with("", 0, true), (Mounts{"bind:/sys", "bind:/dev/mqueue", "bind:/sys/fs/cgroup", "bind:/proc"}));
  EXPECT_EQ(mounted_with("", 0, false)[1], "none") << "a host without /dev/mqueue";
  EXPECT_EQ(mounted_with("/x", 0, true), (Mounts{"bind:/sys", "none", "none", "bind:/proc"})) << "the host's would show another one's";
  EXPECT_EQ(mounted_with("/x", CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWPID, true), (Mounts{"fs", "fs", "fs", "fs"}));
}

TEST(CompilePlan, RefusesWhatItCannotApplyAndNamesIt) {
  const Refusal refusals[] = {
      {"unknown namespace", [](oci::Spec& s) { s.linux_.namespaces.push_back({"net", ""}); }, "unknown type \"net\""},
      {"namespace twice", [](oci::Spec& s) { s.linux_.namespaces.push_back({"pid", ""}); }, "\"pid\" stands twice"},
      {"no mount namespace", [](oci::Spec& s) { std::erase_if(s.linux_.namespaces, [](auto& n) { return n.type == "mount"; }); }, "mount namespace"},
      {"maps without user namespace", [](oci::Spec& s) { s.linux_.uid_mappings = {{0, 0, 1}}; }, "uidMappings"},
      {"hostname on the host", [](oci::Spec& s) { std::erase_if(s.linux_.namespaces, [](auto& n) { return n.type == "uts"; }); }, "hostname"},
      {"mount in proc", [](oci::Spec& s) { s.mounts.push_back({"/proc/../proc/self", "bind", "/x", {}, {}, {}}); }, "inside /proc"},
      {"mount over proc", [](oci::Spec& s) { s.mounts.push_back({"//proc//", "tmpfs", "", {}, {}, {}}); }, "/proc takes only proc"},
      {"relative cwd", [](oci::Spec& s) { s.process.cwd = "srv"; }, "not absolute"},
      {"no command", [](oci::Spec& s) { s.process.args.clear(); }, "process.args"},
      {"unknown limit", [](oci::Spec& s) { s.process.rlimits = {{"RLIMIT_X", 1, 1}}; }, "RLIMIT_X"},
      {"unknown capability", [](oci::Spec& s) { s.process.capabilities->bounding = {"CAP_FOO"}; }, "CAP_FOO"},
      {"bind without source", [](oci::Spec& s) { s.mounts.push_back({"/x", "bind", "", {}, {}, {}}); }, "no source"},
      {"two propagations", [](oci::Spec& s) { s.mounts.push_back({"/x", "bind", "/y", {"shared", "private"}, {}, {}}); }, "two propagation"},
      {"unknown device type", [](oci::Spec& s) { s.linux_.devices.push_back({"x", "/dev/x", 1, 1, {}, {}, {}}); }, "unknown type \"x\""},
  };
  for (const Refusal& refusal : refusals) {
    oci::Spec spec = typical_spec();
    refusal.change(spec);
    auto plan = compile_plan(spec, hybrid_host(), overlay_options());
    ASSERT_FALSE(plan) << refusal.name;
    EXPECT_NE(plan.error().text().find(refusal.text), std::string::npos) << refusal.name << ": " << plan.error().text();
  }
}

std::string order_of(const LaunchPlan& plan) {
  std::string names;
  for (const Step& step : plan.steps) names += std::string(names.empty() ? "" : ", ") + step_name(step.kind);
  return names;
}

std::vector<sock_filter> refuses(uint32_t number) {
  return {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 1}, {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
}

// SECURITY A2: who may trace inside finds nothing in a process that enters which the container has not.
TEST(CompileExecPlan, AProcessIsBornInsideAfterAllThatTakesRights) {
  oci::Process process = typical_spec().process;
  ExecPlanOptions options;
  options.join_target = CLONE_NEWPID | CLONE_NEWNS;
  options.cgroup_file_count = 2;
  options.seccomp_filter = refuses(SYS_ptrace);
  const char* before = "new keyring, rlimit, umask, working directory, bounding capabilities, user, ";
  const char* inside = "birth, enter cgroup, new session, wait for release, ";
  EXPECT_EQ(order_of(*compile_exec_plan(process, options)), before + std::string("seccomp, capabilities, ") + inside + "exec");
  process.no_new_privileges = true;
  EXPECT_EQ(order_of(*compile_exec_plan(process, options)), before + std::string("capabilities, no_new_privs, ") + inside + "seccomp, exec");
}

TEST(CompileExecPlan, AProcessIsBornAtOnceWhereItCouldNotBeLast) {
  oci::Process process = typical_spec().process;
  ExecPlanOptions options;
  options.join_target = CLONE_NEWPID | CLONE_NEWNS;
  auto born_at_once = [](const oci::Process& of, const ExecPlanOptions& with) { return order_of(*compile_exec_plan(of, with)).starts_with("birth, "); };
  EXPECT_FALSE(born_at_once(process, options));
  for (uint32_t number : {SYS_clone, SYS_setsid, SYS_read, SYS_exit_group}) {
    options.seccomp_filter = refuses(number);
    EXPECT_TRUE(born_at_once(process, options)) << number;
  }
  options.seccomp_filter = refuses(SYS_ioctl);
  EXPECT_FALSE(born_at_once(process, options));
  process.terminal = true;
  EXPECT_TRUE(born_at_once(process, options));
  options.seccomp_filter.clear();
  EXPECT_FALSE(born_at_once(process, options));
  process.apparmor_profile = "confined";
  EXPECT_TRUE(born_at_once(process, options));
  process.apparmor_profile.clear();
  process.rlimits = {{"RLIMIT_NPROC", 10, 10}};
  EXPECT_TRUE(born_at_once(process, options));
  options.join_target = CLONE_NEWNS;
  EXPECT_EQ(order_of(*compile_exec_plan(process, options)).find("birth"), std::string::npos);
}

TEST(MountOptions, LaterOptionWinsAndUnknownGoToTheFileSystem) {
  auto parsed = parse_mount_options({"ro", "rw", "nosuid", "size=1m", "rro", "rbind", "rslave"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->set, 2u);
  EXPECT_EQ(parsed->clear, 1u);
  EXPECT_EQ(parsed->recursive_set, 1u);
  EXPECT_EQ(parsed->data, std::vector<std::string>{"size=1m"});
  EXPECT_TRUE(parsed->recursive_bind && parsed->propagation_recursive);
}

}  // namespace
}  // namespace hull::sandbox
