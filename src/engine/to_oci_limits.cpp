// What a container's cgroup limits: memory, processors, processes, block devices, and which devices it may use.
#include "engine/to_oci.h"

namespace hull::engine {
namespace {

constexpr int64_t kPeriodUs = 100000, kNano = 1000000000;

struct DeviceNumber { const char* type; int64_t major, minor; };  // -1: all
// null, zero, full, random, urandom, tty, ptmx and ptys; console is one of the ptys.
constexpr DeviceNumber kDevices[] = {{"c", 1, 3}, {"c", 1, 5}, {"c", 1, 7}, {"c", 1, 8},
                                     {"c", 1, 9}, {"c", 5, 0}, {"c", 5, 2}, {"c", 136, -1}};

oci::DeviceRule rule(bool allow, const char* type, int64_t major, int64_t minor, std::string access) {
  oci::DeviceRule made{allow, type, {}, {}, std::move(access)};
  if (major >= 0) made.major = major;
  if (minor >= 0) made.minor = minor;
  return made;
}

std::vector<oci::DeviceRule> device_rules(const Record& record, const OciFacts& facts) {
  if (record.config.privileged) return {rule(true, "a", -1, -1, "rwm")};
  std::vector<oci::DeviceRule> rules = {rule(false, "a", -1, -1, "rwm"), rule(true, "c", -1, -1, "m"),
                                        rule(true, "b", -1, -1, "m")};
  for (const DeviceNumber& device : kDevices) rules.push_back(rule(true, device.type, device.major, device.minor, "rwm"));
  for (size_t i = 0; i < facts.devices.size(); ++i) {
    const oci::Device& device = facts.devices[i];
    rules.push_back(rule(true, device.type.c_str(), device.major, device.minor, facts.device_access[i]));
  }
  return rules;
}

oci::Memory memory(const Limits& limits) {
  oci::Memory out;
  out.limit = limits.memory;
  out.reservation = limits.memory_reservation;
  out.swap = limits.memory_swap;
  if (limits.memory && !limits.memory_swap) out.swap = *limits.memory * 2;  // docker: as much swap as memory
  if (limits.memory_swappiness) out.swappiness = static_cast<uint64_t>(*limits.memory_swappiness);
  if (limits.oom_kill_disable) out.disable_oom_killer = true;
  return out;
}

oci::Cpu cpu(const Limits& limits) {
  oci::Cpu out;
  if (limits.cpu_shares) out.shares = static_cast<uint64_t>(*limits.cpu_shares);
  if (limits.cpu_period) out.period = static_cast<uint64_t>(*limits.cpu_period);
  out.quota = limits.cpu_quota;
  if (limits.nano_cpus) {
    out.period = kPeriodUs;
    out.quota = *limits.nano_cpus / (kNano / kPeriodUs);
  }
  out.cpus = limits.cpuset_cpus;
  out.mems = limits.cpuset_mems;
  return out;
}

}  // namespace

oci::Resources oci_resources(const Record& record, const OciFacts& facts) {
  const Limits& limits = record.config.limits;
  oci::Resources resources;
  resources.devices = device_rules(record, facts);
  resources.memory = memory(limits);
  resources.cpu = cpu(limits);
  resources.pids_limit = limits.pids;
  resources.block_io.weight = limits.blkio_weight;
  return resources;
}

}  // namespace hull::engine
