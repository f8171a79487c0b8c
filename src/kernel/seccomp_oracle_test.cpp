#include <dlfcn.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <set>

#include "kernel/bpf.h"
#include "kernel/seccomp_oracle.h"

namespace hull::kernel::test {

namespace {

struct Library {
  void* handle = ::dlopen("libseccomp.so.2", RTLD_NOW);
  template <typename F>
  F* get(const char* name) const { return reinterpret_cast<F*>(::dlsym(handle, name)); }
};
#define CALL(name) library.get<decltype(name)>(#name)

uint32_t action_value(const std::string& name, uint32_t data) {
  static const std::map<std::string, uint32_t> values{
      {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW}, {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD}, {"SCMP_ACT_LOG", SCMP_ACT_LOG},
      {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS}, {"SCMP_ACT_TRAP", SCMP_ACT_TRAP}};
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(data);
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(data);
  return values.at(name);
}

scmp_compare op_value(const std::string& name) {
  static const std::map<std::string, scmp_compare> values{
      {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  return values.at(name);
}

bool add_rule(const Library& library, scmp_filter_ctx context, const oci::SeccompRule& rule, int number) {
  uint32_t action = action_value(rule.action, rule.errno_ret.value_or(1));
  std::vector<scmp_arg_cmp> args;
  std::set<unsigned> indexes;
  for (const oci::SeccompArg& arg : rule.args) {
    args.push_back({arg.index, op_value(arg.op), arg.value, arg.value_two});
    indexes.insert(arg.index);
  }
  auto add = CALL(seccomp_rule_add_array);
  if (indexes.size() == args.size()) return add(context, action, number, static_cast<unsigned>(args.size()), args.data()) == 0;
  for (scmp_arg_cmp& arg : args)
    if (add(context, action, number, 1, &arg) != 0) return false;
  return true;
}

std::optional<std::vector<sock_filter>> exported(const Library& library, scmp_filter_ctx context) {
  int fd = ::memfd_create("filter", MFD_CLOEXEC);
  bool good = CALL(seccomp_export_bpf)(context, fd) == 0;
  off_t size = ::lseek(fd, 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<size_t>(size) / sizeof(sock_filter));
  good = good && ::pread(fd, program.data(), static_cast<size_t>(size), 0) == size;
  ::close(fd);
  if (!good) return std::nullopt;
  return program;
}

}  // namespace

std::optional<std::vector<sock_filter>> libseccomp_filter(const oci::Seccomp& profile) {
  static const Library library;
  if (library.handle == nullptr) return std::nullopt;
  uint32_t otherwise = action_value(profile.default_action, profile.default_errno_ret.value_or(1));
  scmp_filter_ctx context = CALL(seccomp_init)(otherwise);
  CALL(seccomp_attr_set)(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
  bool good = true;
  for (const std::string& arch : profile.architectures) {
    if (arch == "SCMP_ARCH_X86") good = good && CALL(seccomp_arch_add)(context, SCMP_ARCH_X86) == 0;
    if (arch == "SCMP_ARCH_X32") good = good && CALL(seccomp_arch_add)(context, SCMP_ARCH_X32) == 0;
  }
  for (const oci::SeccompRule& rule : profile.syscalls)
    for (const std::string& name : rule.names) {
      int number = CALL(seccomp_syscall_resolve_name)(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      if (action_value(rule.action, rule.errno_ret.value_or(1)) == otherwise) continue;
      good = good && add_rule(library, context, rule, number);
    }
  std::optional<std::vector<sock_filter>> program;
  if (good) program = exported(library, context);
  CALL(seccomp_release)(context);
  return program;
}

TEST(RunFilter, RefusesAProgramThatRunsOffItsEnd) {
  EXPECT_FALSE(run_filter({{BPF_JMP | BPF_JA, 0, 0, 5}}, {}));
  EXPECT_FALSE(run_filter({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}}, {}));
  EXPECT_EQ(run_filter({{BPF_RET | BPF_K, 0, 0, 7}}, {}), 7u);
}

}  // namespace hull::kernel::test
