#include "kernel/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>

#include "base/text.h"
#include "kernel/seccomp_rules.h"
#include "kernel/syscalls.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace hull::kernel {

namespace {

struct NamedValue {
  std::string_view name;
  uint32_t value;
};

constexpr NamedValue kActions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},         {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS}, {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},         {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF}};

constexpr NamedValue kOperators[] = {
    {"SCMP_CMP_NE", static_cast<uint32_t>(ArgOp::Ne)}, {"SCMP_CMP_LT", static_cast<uint32_t>(ArgOp::Lt)},
    {"SCMP_CMP_LE", static_cast<uint32_t>(ArgOp::Le)}, {"SCMP_CMP_EQ", static_cast<uint32_t>(ArgOp::Eq)},
    {"SCMP_CMP_GE", static_cast<uint32_t>(ArgOp::Ge)}, {"SCMP_CMP_GT", static_cast<uint32_t>(ArgOp::Gt)},
    {"SCMP_CMP_MASKED_EQ", static_cast<uint32_t>(ArgOp::MaskedEq)}};

constexpr NamedValue kFlags[] = {{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
                                 {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
                                 {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
                                 {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV}};

// Architectures that no x86-64 kernel reports: listing them changes nothing here.
constexpr std::string_view kForeignArches[] = {
    "SCMP_ARCH_ARM",      "SCMP_ARCH_AARCH64",  "SCMP_ARCH_MIPS",       "SCMP_ARCH_MIPS64",  "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",   "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",     "SCMP_ARCH_S390X",      "SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",  "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",    "SCMP_ARCH_SH",      "SCMP_ARCH_SHEB"};

constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint32_t kMaxErrno = 4095;  // the kernel clamps more

template <size_t N>
Result<uint32_t> value_of(const NamedValue (&table)[N], std::string_view name, std::string_view what) {
  for (const NamedValue& entry : table)
    if (entry.name == name) return entry.value;
  return fail(ErrorKind::Invalid, format("seccomp: unknown {} \"{}\"", what, name));
}

Result<uint32_t> return_value(std::string_view action, std::optional<uint32_t> errno_ret) {
  uint32_t value = TRY(value_of(kActions, action, "action"));
  if (value != SECCOMP_RET_ERRNO && value != SECCOMP_RET_TRACE) return value;
  uint32_t data = errno_ret.value_or(EPERM);
  uint32_t limit = value == SECCOMP_RET_ERRNO ? kMaxErrno : SECCOMP_RET_DATA;
  if (data > limit) return fail(ErrorKind::Invalid, format("seccomp: errnoRet {} of {}: at most {}", data, action, limit));
  return value | data;
}

struct Architectures {
  bool i386 = false, x32 = false;  // x86-64 always
};

Result<Architectures> read_architectures(const std::vector<std::string>& names) {
  Architectures found;
  for (const std::string& name : names) {
    if (name == "SCMP_ARCH_X86") found.i386 = true;
    else if (name == "SCMP_ARCH_X32") found.x32 = true;
    else if (name != "SCMP_ARCH_X86_64" && name != "SCMP_ARCH_NATIVE" &&
             std::find(std::begin(kForeignArches), std::end(kForeignArches), name) == std::end(kForeignArches))
      return fail(ErrorKind::Invalid, format("seccomp: unknown architecture \"{}\"", name));
  }
  return found;
}

Result<ArgCondition> read_condition(const oci::SeccompArg& arg) {
  if (arg.index > 5) return fail(ErrorKind::Invalid, format("seccomp: argument index {}: at most 5", arg.index));
  auto op = static_cast<ArgOp>(TRY(value_of(kOperators, arg.op, "operator")));
  // As libseccomp: bits of the wanted value outside the mask do not count.
  return ArgCondition{arg.index, op, arg.value, arg.value_two & arg.value};
}

// One profile rule as compiled rules: more than one when it names an argument twice.
struct ProfileRule {
  const std::vector<std::string>* names;
  std::vector<CallRule> alternatives;
  bool unconditional() const { return alternatives[0].conditions.empty(); }
};

Result<ProfileRule> read_rule(const oci::SeccompRule& rule) {
  uint32_t ret = TRY(return_value(rule.action, rule.errno_ret));
  bool notify = (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
  if (notify && std::find(rule.names.begin(), rule.names.end(), "write") != rule.names.end())
    return fail(ErrorKind::Invalid, "seccomp: SCMP_ACT_NOTIFY cannot be used for write: its own listener hand-over needs it");
  ProfileRule read{&rule.names, {{ret, {}}}};
  unsigned seen = 0;
  bool repeated = false;
  for (const oci::SeccompArg& arg : rule.args) {
    ArgCondition condition = TRY(read_condition(arg));
    repeated |= (seen & (1u << condition.index)) != 0;
    seen |= 1u << condition.index;
    read.alternatives[0].conditions.push_back(condition);
  }
  if (!repeated) return read;
  std::vector<ArgCondition> conditions = std::move(read.alternatives[0].conditions);
  read.alternatives.clear();
  for (const ArgCondition& condition : conditions) read.alternatives.push_back({ret, {condition}});
  return read;
}

Result<std::vector<ProfileRule>> read_rules(const oci::Seccomp& profile) {
  std::vector<ProfileRule> rules;
  for (const oci::SeccompRule& rule : profile.syscalls) {
    std::string first = rule.names.empty() ? "no call" : rule.names[0];
    rules.push_back(TRY_CONTEXT(read_rule(rule), format("rule for {}", first)));
  }
  return rules;
}

// A call's rules while they are gathered in profile order.
struct Gathered {
  std::vector<CallRule> conditional;
  std::optional<uint32_t> unconditional;
};

CallVerdict settle(Gathered gathered, uint32_t otherwise) {
  CallVerdict verdict{std::move(gathered.conditional), gathered.unconditional.value_or(otherwise)};
  auto stricter = [](const CallRule& a, const CallRule& b) { return strictness(a.ret) < strictness(b.ret); };
  std::stable_sort(verdict.conditional.begin(), verdict.conditional.end(), stricter);
  if (gathered.unconditional)
    std::erase_if(verdict.conditional,
                  [&](const CallRule& rule) { return strictness(rule.ret) >= strictness(verdict.otherwise); });
  return verdict;
}

bool denies(uint32_t ret) { return strictness(ret) <= strictness(SECCOMP_RET_ERRNO); }

CallTable build_table(SyscallArch arch, const std::vector<ProfileRule>& rules, uint32_t otherwise) {
  CallTable table{.otherwise = otherwise, .beyond = otherwise};
  std::map<uint32_t, Gathered> gathered;
  for (const ProfileRule& rule : rules)
    for (const std::string& name : *rule.names) {
      std::optional<uint32_t> number = syscall_number(arch, name);
      if (!number) continue;
      table.last_known = std::max(table.last_known, *number);
      table.beyond = denies(otherwise) ? kEnosys : otherwise;
      Gathered& call = gathered[*number];
      if (!rule.unconditional())
        call.conditional.insert(call.conditional.end(), rule.alternatives.begin(), rule.alternatives.end());
      else if (!call.unconditional && rule.alternatives[0].ret != otherwise)  // runc skips a rule that is the default
        call.unconditional = rule.alternatives[0].ret;
    }
  for (uint32_t number : unused_numbers(arch))
    if (number < table.last_known) table.calls[number] = {{}, table.beyond};
  for (auto& [number, call] : gathered) table.calls.emplace(number, settle(std::move(call), otherwise));
  return table;
}

std::vector<std::string> find_unknown(const std::vector<ProfileRule>& rules) {
  std::vector<std::string> unknown;
  for (const ProfileRule& rule : rules)
    for (const std::string& name : *rule.names)
      if (!syscall_number(SyscallArch::X86_64, name) && !syscall_number(SyscallArch::I386, name) &&
          !syscall_number(SyscallArch::X32, name))
        unknown.push_back(name);
  std::sort(unknown.begin(), unknown.end());
  unknown.erase(std::unique(unknown.begin(), unknown.end()), unknown.end());
  return unknown;
}

std::vector<sock_filter> emit_program(const std::vector<ProfileRule>& rules, uint32_t otherwise, Architectures arches) {
  using Label = BpfAssembler::Label;
  constexpr uint16_t load = BPF_LD | BPF_W | BPF_ABS;
  constexpr uint32_t number_offset = offsetof(seccomp_data, nr), arch_offset = offsetof(seccomp_data, arch);
  BpfAssembler out;
  auto table = [&](SyscallArch arch) { return emit_call_table(out, build_table(arch, rules, otherwise)); };
  Label i386 = arches.i386 ? out.statement(load, number_offset, table(SyscallArch::I386)) : 0;
  Label x32 = arches.x32 ? table(SyscallArch::X32) : out.ret(kEnosys);
  Label native = table(SyscallArch::X86_64);
  Label x86_64 = out.statement(load, number_offset, out.branch(BPF_JGE, kX32Bit, x32, native));
  Label foreign = out.ret(kEnosys);
  if (arches.i386) foreign = out.branch(BPF_JEQ, AUDIT_ARCH_I386, i386, foreign);
  out.statement(load, arch_offset, out.branch(BPF_JEQ, AUDIT_ARCH_X86_64, x86_64, foreign));
  return std::move(out).finish();
}

}  // namespace

Result<SeccompFilter> compile_seccomp(const oci::Seccomp& profile) {
  uint32_t otherwise = TRY_CONTEXT(return_value(profile.default_action, profile.default_errno_ret), "default");
  if ((otherwise & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
    return fail(ErrorKind::Invalid, "seccomp: SCMP_ACT_NOTIFY cannot be the default action");
  Architectures arches = TRY(read_architectures(profile.architectures));
  std::vector<ProfileRule> rules = TRY(read_rules(profile));
  SeccompFilter filter;
  for (const std::string& flag : profile.flags) filter.flags |= TRY(value_of(kFlags, flag, "flag"));
  for (const ProfileRule& rule : rules)
    filter.notifies |= (rule.alternatives[0].ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
  if (filter.notifies) filter.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  filter.unknown_syscalls = find_unknown(rules);
  filter.program = emit_program(rules, otherwise, arches);
  if (filter.program.size() > BPF_MAXINSNS)
    return fail(ErrorKind::Invalid, format("seccomp: the profile needs {} instructions, the kernel takes {}; use fewer rules",
                                           filter.program.size(), BPF_MAXINSNS));
  return filter;
}

static std::string_view mnemonic(uint16_t code) {
  switch (code) {
    case BPF_LD | BPF_W | BPF_ABS: return "ld";
    case BPF_RET | BPF_K: return "ret";
    case BPF_ALU | BPF_AND | BPF_K: return "and";
    case BPF_JMP | BPF_JA: return "ja";
    case BPF_JMP | BPF_K | BPF_JEQ: return "jeq";
    case BPF_JMP | BPF_K | BPF_JGT: return "jgt";
    case BPF_JMP | BPF_K | BPF_JGE: return "jge";
    case BPF_JMP | BPF_K | BPF_JSET: return "jset";
    default: return "?";
  }
}

template <size_t N>
static std::vector<std::string> names_of(const NamedValue (&table)[N], const std::function<bool(const NamedValue&)>& wanted) {
  std::vector<std::string> names;
  for (const NamedValue& entry : table)
    if (wanted(entry)) names.emplace_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

SeccompNames seccomp_names() {
  auto all = [](const NamedValue&) { return true; };
  auto has_action = [](const NamedValue& action) { return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action.value) == 0; };
  // KERNEL: a flag that it knows is looked at before the filter's address, which is none; seccomp(2).
  auto has_flag = [](const NamedValue& flag) {
    unsigned long flags = flag.value;
    if (flag.value == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) != 0 && errno == EFAULT;
  };
  return {names_of(kOperators, all), names_of(kFlags, all), names_of(kActions, has_action), names_of(kFlags, has_flag)};
}

std::string seccomp_to_text(const std::vector<sock_filter>& program) {
  std::string text;
  for (size_t i = 0; i < program.size(); ++i) {
    const sock_filter& ins = program[i];
    text += format("{:04} {} {:#x}", i, mnemonic(ins.code), ins.k);
    bool conditional = BPF_CLASS(ins.code) == BPF_JMP && BPF_OP(ins.code) != BPF_JA;
    text += conditional ? format(" {} {}\n", ins.jt, ins.jf) : std::string("\n");
  }
  return text;
}

}  // namespace hull::kernel
