// What a group has used and may use, as `hull oci events` tells it in runc's form. Read whole, for those who ask now and
// then; what a start or an end asks (Cgroup::oom_kills, Cgroup::memory_usage) reads one file. Private to kernel/ but for the structures.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::kernel {

struct CgroupTree;

// Absent: this host cannot tell, or there is no limit.
using Counter = std::optional<uint64_t>;
using CounterMap = std::map<std::string, uint64_t, std::less<>>;

struct MemoryUse {  // bytes
  Counter usage, limit, peak, failures;
};

struct DeviceUse {
  uint64_t major = 0, minor = 0;
  std::string operation;  // "Read", "Write", and on v1 "Sync", "Async", "Discard", "Total"
  uint64_t value = 0;
};

struct CgroupStats {
  Counter cpu_usage_ns, cpu_user_ns, cpu_system_ns, periods, throttled_periods, throttled_ns;
  std::vector<uint64_t> per_cpu_ns;  // v1
  MemoryUse memory, swap, kernel, kernel_tcp;  // swap: memory and swap together
  CounterMap memory_stat;                      // memory.stat as it is
  Counter oom_kills, pids_current, pids_limit;
  std::vector<DeviceUse> io_bytes, io_operations;
  std::map<std::string, MemoryUse> hugepages;  // by size: "2MB"
  std::string cpus, mems;                      // lists as the kernel writes them
  CounterMap cpuset;                           // v1: the flags of the cpuset, "memory_migrate" and so on
};

// The tree of a controller on cgroup v1, or null.
using TreeOf = std::function<const CgroupTree*(std::string_view controller)>;
CgroupStats read_v1_stats(const TreeOf& tree_of, const std::string& group);
// Of v2, in full; and on a hybrid host of the controllers that are in v2 there.
CgroupStats read_v2_stats(const CgroupTree& tree, const std::string& group);
void add_v2_hugepages(CgroupStats& stats, const CgroupTree& tree, const std::string& group);

}  // namespace hull::kernel
