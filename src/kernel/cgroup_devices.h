// Which devices a cgroup may use: the runtime-spec's rule list folded into one default and its exceptions, as the v1
// devices controller would, then written as v1 lines or as an eBPF program for v2 (which has no files for it).
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "oci/spec.h"

namespace hull::kernel {

constexpr unsigned kDeviceRead = 1, kDeviceWrite = 2, kDeviceMknod = 4;

struct DeviceException {
  char type = 'c';                       // 'c', 'b'
  std::optional<uint32_t> major, minor;  // absent: all
  unsigned access = 0;                   // kDevice*
  bool operator==(const DeviceException&) const = default;
};

struct DevicePolicy {
  bool allow_by_default = true;  // a group with no rules at all
  std::vector<DeviceException> exceptions;
};

// Later rules win. Fails with Invalid for malformed rules, and with Unsupported where a rule takes one device out of
// a wildcard that the same list allowed: v1 would silently keep it allowed.
Result<DevicePolicy> fold_device_rules(const std::vector<oci::DeviceRule>& rules);

struct DeviceLine {
  bool allow = false;  // devices.allow or devices.deny
  std::string value;   // "c 1:3 rwm", "a"
  bool operator==(const DeviceLine&) const = default;
};
std::vector<DeviceLine> device_v1_lines(const DevicePolicy& policy);

// A BPF_PROG_TYPE_CGROUP_DEVICE program: returns 1 (allowed) or 0.
std::vector<bpf_insn> device_program(const DevicePolicy& policy);
// Loads the program, attaches it to the v2 group and detaches the device programs that were there.
Result<> attach_device_program(const Fd& cgroup, const std::vector<bpf_insn>& program);

}  // namespace hull::kernel
