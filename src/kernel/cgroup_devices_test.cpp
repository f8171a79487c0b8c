#include "kernel/cgroup_devices.h"

#include <gtest/gtest.h>

namespace hull::kernel {

static std::string lines(const std::vector<oci::DeviceRule>& rules) {
  Result<DevicePolicy> policy = fold_device_rules(rules);
  if (!policy) return "error: " + policy.error().text();
  std::string text;
  for (const DeviceLine& line : device_v1_lines(*policy)) text += (line.allow ? "allow " : "deny ") + line.value + "\n";
  return text;
}

static const oci::DeviceRule kDenyAll{false, "a", {}, {}, "rwm"};

TEST(DeviceRules, BecomeOneDefaultAndItsExceptions) {
  EXPECT_EQ(lines({kDenyAll, {true, "c", {}, {}, "m"}, {true, "c", 1, 3, "rwm"}, {true, "b", 8, {}, "r"}}),
            "deny a\nallow c *:* m\nallow c 1:3 rwm\nallow b 8:* r\n");
  EXPECT_EQ(lines({{true, "", {}, {}, ""}}), "allow a\n");
  EXPECT_EQ(lines({{false, "c", 10, 232, "rwm"}}), "allow a\ndeny c 10:232 rwm\n");
}

TEST(DeviceRules, TheLaterRuleWins) {
  EXPECT_EQ(lines({{true, "c", 1, 3, "rw"}, kDenyAll, {true, "c", 1, 5, "r"}, {true, "c", 1, 5, "w"}}),
            "deny a\nallow c 1:5 rw\n");
  EXPECT_EQ(lines({kDenyAll, {true, "c", 1, 3, "rwm"}, {false, "c", 1, 3, "w"}}), "deny a\nallow c 1:3 rm\n");
  EXPECT_EQ(lines({kDenyAll, {true, "c", 1, 3, "rwm"}, {false, "c", {}, {}, ""}}), "deny a\n");
}

TEST(DeviceRules, RefuseAHoleInAWildcardThatV1WouldNotMake) {
  EXPECT_EQ(fold_device_rules({kDenyAll, {true, "c", {}, {}, "rwm"}, {false, "c", 10, 232, "rwm"}}).error().kind(),
            ErrorKind::Unsupported);
}

TEST(DeviceRules, RefuseMalformedOnes) {
  for (const oci::DeviceRule& bad : {oci::DeviceRule{true, "x", 1, 1, "r"}, {true, "c", -2, 1, "r"}, {true, "c", 1, 1, "rx"},
                                     {true, "c", int64_t{1} << 33, 1, "r"}})
    EXPECT_EQ(fold_device_rules({bad}).error().kind(), ErrorKind::Invalid);
}

namespace {
struct Access {
  char type;
  uint32_t major, minor;
  unsigned access;
};

// Runs the few eBPF instructions that device_program uses; -1 for any other.
int64_t run(const std::vector<bpf_insn>& program, const Access& access) {
  unsigned bits = ((access.access & kDeviceRead) ? 2u : 0) | ((access.access & kDeviceWrite) ? 4u : 0) |
                  ((access.access & kDeviceMknod) ? 1u : 0);
  const uint32_t context[3] = {bits << 16 | (access.type == 'b' ? 1u : 2u), access.major, access.minor};
  uint64_t r[11] = {};
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const bpf_insn& ins = program[pc];
    uint32_t dst = static_cast<uint32_t>(r[ins.dst_reg]), imm = static_cast<uint32_t>(ins.imm);
    switch (ins.code) {
      case BPF_LDX | BPF_MEM | BPF_W: r[ins.dst_reg] = context[ins.off / 4]; break;
      case BPF_ALU | BPF_MOV | BPF_X: r[ins.dst_reg] = static_cast<uint32_t>(r[ins.src_reg]); break;
      case BPF_ALU64 | BPF_MOV | BPF_K: r[ins.dst_reg] = imm; break;
      case BPF_ALU | BPF_RSH | BPF_K: r[ins.dst_reg] = dst >> imm; break;
      case BPF_ALU | BPF_AND | BPF_K: r[ins.dst_reg] = dst & imm; break;
      case BPF_JMP32 | BPF_JNE | BPF_K: pc += dst != imm ? ins.off : 0; break;
      case BPF_JMP32 | BPF_JEQ | BPF_K: pc += dst == imm ? ins.off : 0; break;
      case BPF_JMP | BPF_EXIT: return static_cast<int64_t>(r[0]);
      default: return -1;
    }
  }
  return -1;
}
}  // namespace

TEST(DeviceProgram, AllowsWhatTheRulesAllow) {
  auto program = device_program(*fold_device_rules(
      {kDenyAll, {true, "c", {}, {}, "m"}, {true, "c", 1, 3, "rwm"}, {true, "b", 8, {}, "r"}}));
  EXPECT_EQ(run(program, {'c', 1, 3, kDeviceRead | kDeviceWrite}), 1);
  EXPECT_EQ(run(program, {'c', 9, 9, kDeviceMknod}), 1);
  EXPECT_EQ(run(program, {'c', 9, 9, kDeviceMknod | kDeviceRead}), 0);
  EXPECT_EQ(run(program, {'c', 1, 5, kDeviceRead}), 0);
  EXPECT_EQ(run(program, {'b', 1, 3, kDeviceRead}), 0);
  EXPECT_EQ(run(program, {'b', 8, 77, kDeviceRead}), 1);
  EXPECT_EQ(run(program, {'b', 8, 77, kDeviceRead | kDeviceWrite}), 0);
}

TEST(DeviceProgram, DeniesWhatTheRulesDeny) {
  auto program = device_program(*fold_device_rules({{true, "a", {}, {}, ""}, {false, "c", 10, 232, "rw"}}));
  EXPECT_EQ(run(program, {'c', 10, 232, kDeviceRead}), 0);
  EXPECT_EQ(run(program, {'c', 10, 232, kDeviceMknod}), 1);
  EXPECT_EQ(run(program, {'c', 10, 229, kDeviceRead}), 1);
}

}  // namespace hull::kernel
