#include "kernel/cgroup_devices.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace hull::kernel {

namespace {

std::string to_line(const DeviceException& e) {
  auto number = [](std::optional<uint32_t> value) { return value ? std::to_string(*value) : std::string("*"); };
  std::string access;
  if (e.access & kDeviceRead) access += 'r';
  if (e.access & kDeviceWrite) access += 'w';
  if (e.access & kDeviceMknod) access += 'm';
  return format("{} {}:{} {}", e.type, number(e.major), number(e.minor), access);
}

Result<unsigned> parse_access(std::string_view text) {
  unsigned access = 0;
  for (char c : text) {
    if (c == 'r') access |= kDeviceRead;
    else if (c == 'w') access |= kDeviceWrite;
    else if (c == 'm') access |= kDeviceMknod;
    else return fail(ErrorKind::Invalid, format("device access \"{}\": only r, w and m", escape_controls(text)));
  }
  return access != 0 ? access : kDeviceRead | kDeviceWrite | kDeviceMknod;
}

Result<std::optional<uint32_t>> parse_number(std::optional<int64_t> number) {
  if (!number || *number == -1) return std::optional<uint32_t>();  // -1: how older bundles write "all"
  if (*number < 0 || *number > UINT32_MAX) return fail(ErrorKind::Invalid, format("device number {}: out of range", *number));
  return std::optional<uint32_t>(static_cast<uint32_t>(*number));
}

Result<DeviceException> parse_rule(const oci::DeviceRule& rule) {
  DeviceException e;
  if (rule.type != "b" && rule.type != "c" && rule.type != "u")
    return fail(ErrorKind::Invalid, format("device type \"{}\": only a, b and c", escape_controls(rule.type)));
  e.type = rule.type == "b" ? 'b' : 'c';
  e.major = TRY(parse_number(rule.major));
  e.minor = TRY(parse_number(rule.minor));
  e.access = TRY(parse_access(rule.access));
  return e;
}

bool same_devices(const DeviceException& a, const DeviceException& b) {
  return a.type == b.type && a.major == b.major && a.minor == b.minor;
}
bool covers(const DeviceException& wide, const DeviceException& narrow) {
  return wide.type == narrow.type && (!wide.major || wide.major == narrow.major) &&
         (!wide.minor || wide.minor == narrow.minor);
}
bool overlaps(const DeviceException& a, const DeviceException& b) {
  return a.type == b.type && (!a.major || !b.major || a.major == b.major) && (!a.minor || !b.minor || a.minor == b.minor);
}

void add_exception(DevicePolicy& policy, const DeviceException& added) {
  for (DeviceException& e : policy.exceptions)
    if (same_devices(e, added)) {
      e.access |= added.access;
      return;
    }
  policy.exceptions.push_back(added);
}

Result<> remove_exception(DevicePolicy& policy, const DeviceException& removed) {
  for (DeviceException& e : policy.exceptions) {
    if (!overlaps(e, removed) || (e.access & removed.access) == 0) continue;
    if (!covers(removed, e))
      return fail(ErrorKind::Unsupported,
                  format("device rule \"{}\" takes a part out of \"{}\"; write the parts that stay as rules of their own",
                         to_line(removed), to_line(e)));
    e.access &= ~removed.access;
  }
  std::erase_if(policy.exceptions, [](const DeviceException& e) { return e.access == 0; });
  return {};
}

}  // namespace

Result<DevicePolicy> fold_device_rules(const std::vector<oci::DeviceRule>& rules) {
  DevicePolicy policy;
  for (const oci::DeviceRule& rule : rules) {
    if (rule.type.empty() || rule.type == "a") {
      TRY(parse_access(rule.access));
      policy = {rule.allow, {}};
      continue;
    }
    DeviceException exception = TRY(parse_rule(rule));
    if (rule.allow == policy.allow_by_default) TRY(remove_exception(policy, exception));
    else add_exception(policy, exception);
  }
  return policy;
}

std::vector<DeviceLine> device_v1_lines(const DevicePolicy& policy) {
  std::vector<DeviceLine> lines{{policy.allow_by_default, "a"}};
  for (const DeviceException& e : policy.exceptions) lines.push_back({!policy.allow_by_default, to_line(e)});
  return lines;
}

namespace {

bpf_insn instruction(unsigned code, unsigned dst, unsigned src, int offset, int64_t imm) {
  bpf_insn ins{};
  ins.code = static_cast<uint8_t>(code);
  ins.dst_reg = dst & 0xf;
  ins.src_reg = src & 0xf;
  ins.off = static_cast<int16_t>(offset);
  ins.imm = static_cast<int32_t>(imm);
  return ins;
}

bpf_insn load_word(unsigned dst, int offset) { return instruction(BPF_LDX | BPF_MEM | BPF_W, dst, 1, offset, 0); }
bpf_insn alu(unsigned op, unsigned dst, int64_t imm) { return instruction(BPF_ALU | op | BPF_K, dst, 0, 0, imm); }
bpf_insn move(unsigned dst, unsigned src) { return instruction(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0); }
bpf_insn jump_if(unsigned op, unsigned dst, int64_t imm) { return instruction(BPF_JMP32 | op | BPF_K, dst, 0, 0, imm); }

void append_return(std::vector<bpf_insn>& program, bool allowed) {
  program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, allowed ? 1 : 0));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

int64_t bpf_access(unsigned access) {
  return ((access & kDeviceRead) ? BPF_DEVCG_ACC_READ : 0) | ((access & kDeviceWrite) ? BPF_DEVCG_ACC_WRITE : 0) |
         ((access & kDeviceMknod) ? BPF_DEVCG_ACC_MKNOD : 0);
}

// Registers: 2 type, 3 access, 4 major, 5 minor; 1 is scratch after the loads.
void append_exception(std::vector<bpf_insn>& program, const DeviceException& e, bool allows) {
  constexpr int64_t all = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
  std::vector<bpf_insn> test{jump_if(BPF_JNE, 2, e.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR)};
  if (e.major) test.push_back(jump_if(BPF_JNE, 4, *e.major));
  if (e.minor) test.push_back(jump_if(BPF_JNE, 5, *e.minor));
  if (int64_t access = bpf_access(e.access); access != all) {
    test.push_back(move(1, 3));
    test.push_back(alu(BPF_AND, 1, allows ? all & ~access : access));
    test.push_back(jump_if(allows ? BPF_JNE : BPF_JEQ, 1, 0));
  }
  append_return(test, allows);
  for (size_t i = 0; i < test.size(); ++i)
    if (BPF_CLASS(test[i].code) == BPF_JMP32) test[i].off = static_cast<int16_t>(test.size() - i - 1);
  program.insert(program.end(), test.begin(), test.end());
}

}  // namespace

std::vector<bpf_insn> device_program(const DevicePolicy& policy) {
  std::vector<bpf_insn> program{load_word(2, offsetof(bpf_cgroup_dev_ctx, access_type)), move(3, 2), alu(BPF_RSH, 3, 16),
                                alu(BPF_AND, 2, 0xffff), load_word(4, offsetof(bpf_cgroup_dev_ctx, major)),
                                load_word(5, offsetof(bpf_cgroup_dev_ctx, minor))};
  for (const DeviceException& e : policy.exceptions) append_exception(program, e, !policy.allow_by_default);
  append_return(program, policy.allow_by_default);
  return program;
}

namespace {

// KERNEL: some kernels write past a small bpf_attr (BPF_PROG_QUERY, 6.17-7.1; runc 1.5.2 notes): always hand over a
// full-size, zeroed one with room behind it.
union BpfAttribute {
  bpf_attr attr;
  char room[512];
  BpfAttribute() { std::memset(this, 0, sizeof *this); }
};

int bpf(bpf_cmd command, BpfAttribute& attribute) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attribute.attr, sizeof attribute.attr));
}

Result<Fd> load_program(const std::vector<bpf_insn>& program) {
  BpfAttribute attribute;
  attribute.attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attribute.attr.insns = reinterpret_cast<uintptr_t>(program.data());
  attribute.attr.insn_cnt = static_cast<uint32_t>(program.size());
  attribute.attr.license = reinterpret_cast<uintptr_t>("Apache-2.0");
  std::memcpy(attribute.attr.prog_name, "hull_devices", sizeof "hull_devices");
  int fd = bpf(BPF_PROG_LOAD, attribute);
  if (fd < 0) return fail(Error::from_errno("bpf", "load of the device filter").with_remedy("needs CAP_BPF or root"));
  return Fd(fd);
}

std::vector<uint32_t> attached_programs(const Fd& cgroup) {
  std::vector<uint32_t> ids(64);
  BpfAttribute attribute;
  attribute.attr.query.target_fd = static_cast<uint32_t>(cgroup.get());
  attribute.attr.query.attach_type = BPF_CGROUP_DEVICE;
  attribute.attr.query.prog_ids = reinterpret_cast<uintptr_t>(ids.data());
  attribute.attr.query.prog_cnt = static_cast<uint32_t>(ids.size());
  bool good = bpf(BPF_PROG_QUERY, attribute) == 0;
  ids.resize(good ? attribute.attr.query.prog_cnt : 0);
  return ids;
}

void detach_program(const Fd& cgroup, uint32_t id) {
  BpfAttribute by_id;
  by_id.attr.prog_id = id;
  Fd program(bpf(BPF_PROG_GET_FD_BY_ID, by_id));
  if (!program) return;
  BpfAttribute attribute;
  attribute.attr.target_fd = static_cast<uint32_t>(cgroup.get());
  attribute.attr.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attribute.attr.attach_type = BPF_CGROUP_DEVICE;
  bpf(BPF_PROG_DETACH, attribute);
}

}  // namespace

Result<> attach_device_program(const Fd& cgroup, const std::vector<bpf_insn>& program) {
  Fd loaded = TRY(load_program(program));
  std::vector<uint32_t> old = attached_programs(cgroup);
  BpfAttribute attribute;
  attribute.attr.target_fd = static_cast<uint32_t>(cgroup.get());
  attribute.attr.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attribute.attr.attach_type = BPF_CGROUP_DEVICE;
  attribute.attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attribute) != 0) return fail_errno("bpf", "attach of the device filter");
  // All attached programs must allow, so nothing was open in between.
  for (uint32_t id : old) detach_program(cgroup, id);
  return {};
}

}  // namespace hull::kernel
