#include "kernel/seccomp.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/bpf.h"
#include "kernel/seccomp_default.h"
#include "kernel/seccomp_oracle.h"
#include "kernel/seccomp_profile.h"
#include "kernel/syscalls.h"

namespace hull::kernel {

using test::libseccomp_filter;
using Random = std::mt19937_64;

static constexpr uint32_t errno_ret(uint32_t value) { return SECCOMP_RET_ERRNO | value; }

static seccomp_data make_call(uint32_t number, std::array<uint64_t, 6> args = {}, uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data call{static_cast<int>(number), arch, 0, {}};
  std::copy(args.begin(), args.end(), call.args);
  return call;
}

static uint64_t random_argument(Random& random) {
  static constexpr uint64_t kInteresting[] = {0, 1, 2, 8, 10, 16, 17, 38, 40, 0x5412, 0x541c, 0x20000, 0x20008,
      0x10000000, 0x7e020000, 0xffffffff, 0x100000028, 0x100000002, 0x100005412, UINT64_MAX, 1ull << 63, 1ull << 32};
  uint64_t value = kInteresting[random() % std::size(kInteresting)];
  switch (random() % 6) {
    case 0: return value + 1;
    case 1: return value - 1;
    case 2: return value | (1ull << (random() % 64));
    case 3: return random();
    default: return value;
  }
}

static std::array<uint64_t, 6> random_arguments(Random& random) {
  std::array<uint64_t, 6> args;
  for (uint64_t& arg : args) arg = random_argument(random);
  return args;
}

static std::string describe(const seccomp_data& call, uint32_t ours, uint32_t theirs) {
  return format("arch {:#x} call {} args {:#x} {:#x} {:#x}: ours {:#x}, libseccomp {:#x}", call.arch, call.nr,
                static_cast<uint64_t>(call.args[0]), static_cast<uint64_t>(call.args[1]),
                static_cast<uint64_t>(call.args[2]), ours, theirs);
}

static oci::Seccomp default_profile(CapMask capabilities) {
  return *parse_docker_seccomp_profile(default_seccomp_profile(), capabilities);
}

TEST(SeccompAgainstLibseccomp, TheDefaultProfileGivesTheSameVerdicts) {
  Random random(1);
  for (CapMask capabilities : {kPodmanDefaultCapabilities, kDockerDefaultCapabilities, kAllCapabilities}) {
    oci::Seccomp profile = default_profile(capabilities);
    auto theirs = libseccomp_filter(profile);
    if (!theirs) GTEST_SKIP() << "libseccomp is not installed";
    std::vector<sock_filter> ours = compile_seccomp(profile)->program;
    for (int i = 0; i < 60000; ++i) {
      uint32_t number = static_cast<uint32_t>(random() % 451);  // as far as Debian's libseccomp knows
      if (syscall_name(number).empty() || number == SYS_ioctl || number == 335 || number == 336) continue;  // ioctl: hull keeps its deny rules
      seccomp_data call = make_call(number, random_arguments(random));
      uint32_t our_verdict = *run_filter(ours, call), their_verdict = *run_filter(*theirs, call);
      ASSERT_EQ(our_verdict, their_verdict) << describe(call, our_verdict, their_verdict);
    }
  }
}

namespace {
// Random profiles in which the order of rules cannot matter: a call has either one unconditional rule or conditional
// ones of one action.
class ProfileMaker {
 public:
  ProfileMaker(uint64_t seed, size_t max_rules_per_call) : random_(seed), max_rules_(max_rules_per_call) {}

  oci::Seccomp make() {
    oci::Seccomp profile;
    profile.default_action = pick({"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"});
    profile.default_errno_ret = 38;
    profile.architectures = {"SCMP_ARCH_X86_64"};
    if (random_() % 2) profile.architectures.push_back("SCMP_ARCH_X86");
    if (random_() % 2) profile.architectures.push_back("SCMP_ARCH_X32");
    size_t calls = 1 + random_() % 80;
    for (size_t i = 0; i < calls; ++i) add_call(profile);
    return profile;
  }

 private:
  std::string pick(std::vector<std::string> choices) { return choices[random_() % choices.size()]; }

  void add_call(oci::Seccomp& profile) {
    std::string name(syscall_name(static_cast<uint32_t>(random_() % 335)));
    static const std::set<std::string> kMultiplexed{  // libseccomp adds i386's socketcall and ipc for these
        "socket", "bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername", "socketpair", "sendto",
        "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "semget", "semop",
        "semtimedop", "semctl", "shmget", "shmat", "shmdt", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl"};
    if (name.empty() || name.starts_with("u") || kMultiplexed.contains(name) || !used_.insert(name).second) return;
    oci::SeccompRule rule{{name}, pick({"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                                        "SCMP_ACT_TRAP", "SCMP_ACT_TRACE", "SCMP_ACT_LOG"}), 1 + random_() % 40, {}};
    size_t rules = random_() % (max_rules_ + 1);
    if (rules == 0) profile.syscalls.push_back(rule);
    for (size_t i = 0; i < rules; ++i) {
      rule.args = arguments();
      profile.syscalls.push_back(rule);
    }
  }

  std::vector<oci::SeccompArg> arguments() {
    std::vector<oci::SeccompArg> args;
    size_t count = 1 + random_() % 3;
    for (size_t i = 0; i < count; ++i)
      args.push_back({static_cast<uint32_t>(max_rules_ == 1 ? 2 * i + random_() % 2 : random_() % 6), random_argument(random_), random_argument(random_),
                      pick({"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
                            "SCMP_CMP_MASKED_EQ"})});
    return args;
  }

  Random random_;
  size_t max_rules_;
  std::set<std::string> used_;
};

// A call that has a chance to meet the profile's conditions: numbers and values come from its own rules.
seccomp_data aimed_call(Random& random, const oci::Seccomp& profile) {
  const oci::SeccompRule& rule = profile.syscalls[random() % profile.syscalls.size()];
  static constexpr std::pair<SyscallArch, uint32_t> kArches[] = {
      {SyscallArch::X86_64, AUDIT_ARCH_X86_64}, {SyscallArch::I386, AUDIT_ARCH_I386}, {SyscallArch::X32, AUDIT_ARCH_X86_64}};
  auto [arch, audit] = kArches[random() % 3];
  uint32_t number = syscall_number(arch, rule.names[0]).value_or(0);
  seccomp_data call = make_call(number, random_arguments(random), audit);
  for (const oci::SeccompArg& arg : rule.args)
    if (random() % 3 != 0) call.args[arg.index] = (arg.op == "SCMP_CMP_MASKED_EQ" ? arg.value_two : arg.value) + random() % 3 - 1;
  return call;
}

bool lists(const oci::Seccomp& profile, std::string_view arch) {
  return std::find(profile.architectures.begin(), profile.architectures.end(), arch) != profile.architectures.end();
}

// Of i386 and x32 calls libseccomp compares the low 32 bits alone.
bool fits_32_bits(const oci::Seccomp& profile, const seccomp_data& call) {
  for (uint64_t arg : call.args)
    if (arg > UINT32_MAX) return false;
  for (const oci::SeccompRule& rule : profile.syscalls)
    for (const oci::SeccompArg& arg : rule.args)
      if (syscall_number(SyscallArch::X86_64, rule.names[0]) && (arg.value > UINT32_MAX || arg.value_two > UINT32_MAX) &&
          (syscall_number(SyscallArch::I386, rule.names[0]) == static_cast<uint32_t>(call.nr) ||
           syscall_number(SyscallArch::X32, rule.names[0]) == static_cast<uint32_t>(call.nr)))
        return false;
  return true;
}

// Where hull means to differ: numbers beyond the profile's give ENOSYS; libseccomp may kill.
bool defined_alike(const oci::Seccomp& profile, const seccomp_data& call) {
  bool x32 = (static_cast<uint32_t>(call.nr) & kX32Bit) != 0;
  if (x32 && !lists(profile, "SCMP_ARCH_X32")) return false;
  if ((x32 || call.arch == AUDIT_ARCH_I386) && !fits_32_bits(profile, call)) return false;
  return profile.default_action != "SCMP_ACT_KILL_PROCESS" || call.arch == AUDIT_ARCH_X86_64;
}
}  // namespace

TEST(SeccompAgainstLibseccomp, RandomProfilesGiveTheSameVerdicts) {
  size_t compared = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    // One conditional rule for a call, no argument twice: libseccomp 2.5 merges several into a tree that takes wrong
    // turns; MeansWhatTheRulesSay covers those.
    oci::Seccomp profile = ProfileMaker(seed, 1).make();
    if (profile.syscalls.empty()) continue;
    auto theirs = libseccomp_filter(profile);
    if (!theirs) continue;
    auto ours = compile_seccomp(profile);
    ASSERT_TRUE(ours) << ours.error().text();
    Random random(seed);
    for (int i = 0; i < 8000; ++i) {
      seccomp_data call = aimed_call(random, profile);
      if (!defined_alike(profile, call)) continue;
      uint32_t our_verdict = *run_filter(ours->program, call), their_verdict = *run_filter(*theirs, call);
      ASSERT_EQ(our_verdict, their_verdict) << "seed " << seed << ": " << describe(call, our_verdict, their_verdict);
      ++compared;
    }
  }
  if (compared == 0) GTEST_SKIP() << "libseccomp is not installed";
  EXPECT_GT(compared, 100000u);
}

namespace {
bool condition_holds(const oci::SeccompArg& arg, uint64_t given) {
  if (arg.op == "SCMP_CMP_MASKED_EQ") return (given & arg.value) == (arg.value_two & arg.value);
  if (arg.op == "SCMP_CMP_NE") return given != arg.value;
  if (arg.op == "SCMP_CMP_LT") return given < arg.value;
  if (arg.op == "SCMP_CMP_LE") return given <= arg.value;
  if (arg.op == "SCMP_CMP_GE") return given >= arg.value;
  if (arg.op == "SCMP_CMP_GT") return given > arg.value;
  return given == arg.value;
}

bool rule_matches(const oci::SeccompRule& rule, const seccomp_data& call) {
  std::set<unsigned> indexes;
  size_t held = 0;
  for (const oci::SeccompArg& arg : rule.args) {
    indexes.insert(arg.index);
    held += condition_holds(arg, call.args[arg.index]) ? 1 : 0;
  }
  return indexes.size() == rule.args.size() ? held == rule.args.size() : held > 0;
}

// Whether some rule of the profile matches, by the rules' plain meaning.
bool some_rule_matches(const oci::Seccomp& profile, SyscallArch arch, const seccomp_data& call) {
  for (const oci::SeccompRule& rule : profile.syscalls)
    if (syscall_number(arch, rule.names[0]) == static_cast<uint32_t>(call.nr) && rule_matches(rule, call)) return true;
  return false;
}
}  // namespace

TEST(CompileSeccomp, MeansWhatTheRulesSay) {
  for (uint64_t seed = 100; seed <= 160; ++seed) {
    oci::Seccomp profile = ProfileMaker(seed, 4).make();
    if (profile.syscalls.empty()) continue;
    profile.default_action = "SCMP_ACT_ALLOW";
    std::erase_if(profile.syscalls, [](const oci::SeccompRule& rule) { return rule.action == "SCMP_ACT_ALLOW"; });
    std::vector<sock_filter> program = compile_seccomp(profile)->program;
    Random random(seed);
    for (int i = 0; i < 1500 && !profile.syscalls.empty(); ++i) {
      seccomp_data call = aimed_call(random, profile);
      if (call.arch != AUDIT_ARCH_X86_64 || (static_cast<uint32_t>(call.nr) & kX32Bit) != 0) continue;
      bool denied = *run_filter(program, call) != SECCOMP_RET_ALLOW;
      ASSERT_EQ(denied, some_rule_matches(profile, SyscallArch::X86_64, call)) << "seed " << seed << " call " << call.nr;
    }
  }
}

static uint32_t default_verdict(CapMask capabilities, const seccomp_data& call) {
  std::vector<sock_filter> program = *default_seccomp_filter(capabilities);
  return *run_filter(program, call);
}

TEST(DefaultSeccomp, ComparesSocketFamiliesByTheThirtyTwoBitsTheKernelUses) {
  for (uint64_t family = 0; family < 64; ++family)
    for (uint64_t high : {0ull, 1ull << 32, 1ull << 63}) {
      bool allowed = family == 1 || family == 2 || family == 10 || family == 16 || family == 17;
      EXPECT_EQ(default_verdict(kPodmanDefaultCapabilities, make_call(SYS_socket, {family | high})),
                allowed ? SECCOMP_RET_ALLOW : errno_ret(EPERM)) << family;
    }
}

TEST(DefaultSeccomp, DeniesTypingIntoTerminalsWhateverTheHighBits) {
  for (uint64_t request : {0x5412ull, 0x541cull, 0x100005412ull, 0x80000000541cull})
    EXPECT_EQ(default_verdict(kAllCapabilities, make_call(SYS_ioctl, {0, request})), errno_ret(EPERM)) << request;
  EXPECT_EQ(default_verdict(0, make_call(SYS_ioctl, {0, 0x5413})), SECCOMP_RET_ALLOW);
}

TEST(DefaultSeccomp, TellsUnknownNumbersFromDeniedCalls) {
  constexpr CapMask caps = kPodmanDefaultCapabilities;
  for (uint32_t number : {350u, 423u, 470u, 500u, 9999u, 0x3fffffffu, kX32Bit | 1u, kX32Bit | 512u, 0xffffffffu})
    EXPECT_EQ(default_verdict(caps, make_call(number)), errno_ret(ENOSYS)) << number;
  for (uint32_t number : {SYS_mount, SYS_keyctl, SYS_io_uring_setup, SYS_bpf, SYS_userfaultfd, SYS_unshare, SYS_setns,
                          SYS_kexec_load, SYS_init_module, SYS_open_by_handle_at, SYS_add_key, SYS_fsopen})
    EXPECT_EQ(default_verdict(caps, make_call(number)), errno_ret(EPERM)) << number;
  EXPECT_EQ(default_verdict(caps, make_call(1, {}, AUDIT_ARCH_I386)), errno_ret(ENOSYS));
  EXPECT_EQ(default_verdict(caps, make_call(SYS_read)), SECCOMP_RET_ALLOW);
}

TEST(DefaultSeccomp, LetsI386ThroughOnlyWhenAskedAndNeverSocketcall) {
  std::vector<sock_filter> program = *default_seccomp_filter(kPodmanDefaultCapabilities, true);
  auto i386 = [&](uint32_t number, std::array<uint64_t, 6> args = {}) {
    return *run_filter(program, make_call(number, args, AUDIT_ARCH_I386));
  };
  EXPECT_EQ(i386(4), SECCOMP_RET_ALLOW);            // write
  EXPECT_EQ(i386(102, {1}), errno_ret(ENOSYS));     // socketcall(SYS_SOCKET)
  EXPECT_EQ(i386(359, {2}), SECCOMP_RET_ALLOW);     // socket(AF_INET)
  EXPECT_EQ(i386(359, {38}), errno_ret(EPERM));     // socket(AF_ALG)
  EXPECT_EQ(i386(21), errno_ret(EPERM));            // mount
  EXPECT_EQ(i386(120, {0x10000000}), errno_ret(EPERM));  // clone(CLONE_NEWUSER)
  EXPECT_EQ(*run_filter(program, make_call(SYS_read)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(*run_filter(program, make_call(kX32Bit | 0u)), errno_ret(ENOSYS));
}

TEST(DefaultSeccomp, KeepsNamespacesForThoseWithSysAdmin) {
  constexpr CapMask plain = kDockerDefaultCapabilities, admin = plain | cap_bit(CAP_SYS_ADMIN);
  for (uint64_t flag : {0x20000ull, 0x2000000ull, 0x4000000ull, 0x8000000ull, 0x10000000ull, 0x20000000ull, 0x40000000ull}) {
    EXPECT_EQ(default_verdict(plain, make_call(SYS_clone, {flag | 17})), errno_ret(EPERM));
    EXPECT_EQ(default_verdict(admin, make_call(SYS_clone, {flag | 17})), SECCOMP_RET_ALLOW);
  }
  EXPECT_EQ(default_verdict(plain, make_call(SYS_clone, {0x1200011})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(default_verdict(plain, make_call(SYS_clone3)), errno_ret(ENOSYS));
  EXPECT_EQ(default_verdict(admin, make_call(SYS_clone3)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(default_verdict(admin, make_call(SYS_mount)), SECCOMP_RET_ALLOW);
}

TEST(DefaultSeccomp, AllowsFivePersonalities) {
  for (uint64_t value : {0ull, 8ull, 0x20000ull, 0x20008ull, 0xffffffffull})
    EXPECT_EQ(default_verdict(0, make_call(SYS_personality, {value})), SECCOMP_RET_ALLOW);
  for (uint64_t value : {1ull, 0x40000ull, 0x20009ull})
    EXPECT_EQ(default_verdict(0, make_call(SYS_personality, {value})), errno_ret(EPERM));
}

// In a child: loads the filter and tells by its exit status whether the kernel took it and denies AF_ALG.
static int load_and_probe(std::span<const sock_filter> filter) {
  pid_t child = ::fork();
  if (child == 0) {
    sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
      ::_exit(2);
    bool denied = ::syscall(SYS_socket, 38, 5, 0) == -1 && errno == EPERM;
    denied = denied && ::syscall(SYS_socket, 0x100000026, 5, 0) == -1 && errno == EPERM;
    ::_exit(denied ? 0 : 3);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(DefaultSeccomp, TheKernelTakesTheFilter) {
  EXPECT_EQ(load_and_probe(prebuilt_seccomp_filter(kPodmanDefaultCapabilities)), 0);
}

TEST(DefaultSeccomp, ThePrebuiltFilterIsTheCompiledOne) {
  for (CapMask caps : {kPodmanDefaultCapabilities, kDockerDefaultCapabilities, kAllCapabilities, CapMask{0},
                       kPodmanDefaultCapabilities | cap_bit(CAP_NET_ADMIN)}) {
    auto prebuilt = prebuilt_seccomp_filter(caps);
    auto compiled = compile_seccomp(default_profile(caps))->program;
    ASSERT_EQ(prebuilt.size(), compiled.size());
    EXPECT_EQ(std::memcmp(prebuilt.data(), compiled.data(), compiled.size() * sizeof(sock_filter)), 0);
  }
  EXPECT_TRUE(prebuilt_seccomp_filter(kPodmanDefaultCapabilities | cap_bit(CAP_SYSLOG)).empty());
  EXPECT_TRUE(default_seccomp_filter(kPodmanDefaultCapabilities | cap_bit(CAP_SYSLOG)));
}

// Every native number in one line each: what it gets with arguments of no bits and of all bits.
static std::string verdict_table(CapMask capabilities) {
  auto word = [](uint32_t ret) {
    if (ret == SECCOMP_RET_ALLOW) return std::string("allow");
    return ret == errno_ret(EPERM) ? std::string("EPERM") : ret == errno_ret(ENOSYS) ? "ENOSYS" : format("{:#x}", ret);
  };
  std::string table;
  for (uint32_t number = 0; number <= 547; ++number) {
    std::string none = word(default_verdict(capabilities, make_call(number)));
    std::string all = word(default_verdict(capabilities, make_call(number, {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull})));
    std::string_view name = syscall_name(number);
    table += format("{} {} {}{}\n", number, name.empty() ? "-" : name, none, none == all ? "" : " or " + all);
  }
  return table;
}

TEST(DefaultSeccomp, GivesEveryCallTheVerdictThatIsWrittenDown) {
  const std::pair<const char*, CapMask> kSets[] = {{"default", kPodmanDefaultCapabilities}, {"all", kAllCapabilities}};
  for (const auto& [name, capabilities] : kSets) {
    std::string path = format("{}/tests/golden/seccomp/{}.txt", HULL_SOURCE_DIR, name), table = verdict_table(capabilities);
    if (::getenv("HULL_GOLDEN_UPDATE") != nullptr) (void)replace_file(path, table, Durability::Volatile, 0644);
    EXPECT_EQ(read_file(path).value_or(""), table) << "set HULL_GOLDEN_UPDATE=1 to write the new table, then read the diff";
  }
}

static oci::Seccomp simple_profile(std::vector<oci::SeccompRule> rules, std::string otherwise = "SCMP_ACT_ALLOW") {
  oci::Seccomp profile;
  profile.default_action = std::move(otherwise);
  profile.syscalls = std::move(rules);
  return profile;
}

TEST(CompileSeccomp, KeepsAConditionalDenialBesideAnUnconditionalAllow) {
  oci::Seccomp profile = simple_profile({{{"ioctl"}, "SCMP_ACT_ALLOW", {}, {}},
                                         {{"ioctl"}, "SCMP_ACT_ERRNO", 5, {{1, 7, 0, "SCMP_CMP_EQ"}}},
                                         {{"ioctl"}, "SCMP_ACT_KILL", {}, {{1, 7, 0, "SCMP_CMP_GE"}, {2, 9, 0, "SCMP_CMP_EQ"}}}},
                                        "SCMP_ACT_ERRNO");
  std::vector<sock_filter> program = compile_seccomp(profile)->program;
  EXPECT_EQ(run_filter(program, make_call(SYS_ioctl, {0, 6, 9})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run_filter(program, make_call(SYS_ioctl, {0, 7, 8})), errno_ret(5));
  EXPECT_EQ(run_filter(program, make_call(SYS_ioctl, {0, 7, 9})), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(run_filter(program, make_call(SYS_ioctl, {0, 8, 8})), SECCOMP_RET_ALLOW);
}

TEST(CompileSeccomp, ReachesTargetsBeyondTheEightBitsOfABranch) {
  oci::Seccomp profile = simple_profile({});
  for (uint64_t value = 0; value < 500; ++value)
    profile.syscalls.push_back({{"prctl"}, value % 2 ? "SCMP_ACT_ERRNO" : "SCMP_ACT_TRAP", 1 + value, {{0, value << 20, 0, "SCMP_CMP_EQ"}}});
  auto filter = compile_seccomp(profile);
  ASSERT_TRUE(filter) << filter.error().text();
  for (uint64_t value = 0; value < 500; ++value)
    EXPECT_EQ(run_filter(filter->program, make_call(SYS_prctl, {value << 20})),
              value % 2 ? errno_ret(static_cast<uint32_t>(1 + value)) : SECCOMP_RET_TRAP);
  EXPECT_EQ(run_filter(filter->program, make_call(SYS_prctl, {3})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run_filter(filter->program, make_call(SYS_read)), SECCOMP_RET_ALLOW);
}

TEST(CompileSeccomp, RefusesWhatItDoesNotKnowByName) {
  auto text_of = [](oci::Seccomp profile) { return compile_seccomp(profile).error().text(); };
  EXPECT_NE(text_of(simple_profile({}, "SCMP_ACT_FOO")).find("SCMP_ACT_FOO"), std::string::npos);
  EXPECT_NE(text_of(simple_profile({{{"read"}, "SCMP_ACT_BAR", {}, {}}})).find("SCMP_ACT_BAR"), std::string::npos);
  EXPECT_NE(text_of(simple_profile({{{"read"}, "SCMP_ACT_KILL", {}, {{0, 0, 0, "SCMP_CMP_XX"}}}})).find("SCMP_CMP_XX"),
            std::string::npos);
  EXPECT_FALSE(compile_seccomp(simple_profile({{{"read"}, "SCMP_ACT_KILL", {}, {{6, 0, 0, "SCMP_CMP_EQ"}}}})));
  EXPECT_FALSE(compile_seccomp(simple_profile({}, "SCMP_ACT_NOTIFY")));
  EXPECT_FALSE(compile_seccomp(simple_profile({{{"write"}, "SCMP_ACT_NOTIFY", {}, {}}})));
  EXPECT_FALSE(compile_seccomp(simple_profile({{{"read"}, "SCMP_ACT_ERRNO", 5000, {}}})));
  oci::Seccomp profile = simple_profile({});
  profile.architectures = {"SCMP_ARCH_VAX"};
  EXPECT_NE(text_of(profile).find("SCMP_ARCH_VAX"), std::string::npos);
  profile.architectures = {"SCMP_ARCH_AARCH64"};
  EXPECT_TRUE(compile_seccomp(profile));
  profile.flags = {"SECCOMP_FILTER_FLAG_NOPE"};
  EXPECT_NE(text_of(profile).find("SECCOMP_FILTER_FLAG_NOPE"), std::string::npos);
}

TEST(CompileSeccomp, ListsUnknownCallsAndSetsFlags) {
  oci::Seccomp profile = simple_profile({{{"frobnicate", "mkdir"}, "SCMP_ACT_NOTIFY", {}, {}}});
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG"};
  auto filter = compile_seccomp(profile);
  ASSERT_TRUE(filter);
  EXPECT_EQ(filter->unknown_syscalls, std::vector<std::string>{"frobnicate"});
  EXPECT_TRUE(filter->notifies);
  EXPECT_EQ(filter->flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_NEW_LISTENER);
  EXPECT_EQ(run_filter(filter->program, make_call(SYS_mkdir)), SECCOMP_RET_USER_NOTIF);
}

TEST(SeccompProfile, ReadsDockersConditionsOnCapabilitiesArchitecturesAndKernels) {
  constexpr std::string_view text = R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,
    "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},
               {"architecture":"SCMP_ARCH_S390X","subArchitectures":["SCMP_ARCH_S390"]}],
    "syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN","CAP_BPF"]}},
      {"names":["b"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN","CAP_BPF"]}},
      {"names":["c"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390"]}},
      {"name":"d","action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"},"args":null},
      {"names":["e"],"action":"SCMP_ACT_ERRNO","errno":"ENOSYS","includes":{"minKernel":"9.1"}}]})";
  auto names = [&](CapMask caps, KernelVersion kernel) {
    std::string all;
    auto profile = parse_docker_seccomp_profile(text, caps, "p", kernel);
    for (const oci::SeccompRule& rule : profile->syscalls) all += rule.names[0];
    return all;
  };
  EXPECT_EQ(names(0, {6, 1}), "bd");
  EXPECT_EQ(names(cap_bit(CAP_BPF), {6, 1}), "d");
  EXPECT_EQ(names(kAllCapabilities, {4, 7}), "a");
  EXPECT_EQ(names(0, {10, 0}), "bde");
  auto profile = parse_docker_seccomp_profile(text, 0, "p", {10, 0});
  EXPECT_EQ(profile->architectures, (std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}));
  EXPECT_EQ(profile->syscalls[2].errno_ret, 38u);
  EXPECT_GE(host_kernel_version(), (KernelVersion{4, 0}));
}

TEST(SeccompProfile, NamesWhatIsWrong) {
  auto text_of = [](std::string_view text) { return parse_docker_seccomp_profile(text, 0, "my.json").error().text(); };
  EXPECT_NE(text_of("{").find("my.json"), std::string::npos);
  EXPECT_NE(text_of("[]").find("not an object"), std::string::npos);
  EXPECT_NE(text_of("{}").find("defaultAction"), std::string::npos);
  EXPECT_NE(text_of(R"({"defaultAction":"x","syscalls":[{"names":"read"}]})").find("syscalls[0]"), std::string::npos);
  EXPECT_NE(text_of(R"({"defaultAction":"x","syscalls":[{"names":["a"],"args":[{"value":-1}]}]})").find("value"),
            std::string::npos);
}

TEST(Syscalls, KnowsNumbersOfThreeArchitectures) {
  EXPECT_EQ(syscall_number(SyscallArch::X86_64, "openat"), SYS_openat);
  EXPECT_EQ(syscall_number(SyscallArch::I386, "openat"), 295u);
  EXPECT_EQ(syscall_number(SyscallArch::X32, "ioctl"), kX32Bit | 514u);
  EXPECT_FALSE(syscall_number(SyscallArch::X86_64, "socketcall"));
  EXPECT_EQ(syscall_name(SYS_clone3), "clone3");
}

}  // namespace hull::kernel
