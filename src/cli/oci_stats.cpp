// A group's statistics as runc's events have them: its names, and a value of nought left out where it leaves it out.
#include "base/text.h"
#include "cli/oci.h"

namespace hull::cli {
namespace {

void put(json::object& object, const char* key, const kernel::Counter& value) {
  if (value.value_or(0) != 0) object[key] = *value;
}

// "0-2,8" as numbers.
json::array numbers_of(std::string_view list) {
  constexpr uint64_t kMost = UINT16_MAX;
  json::array out;
  for (const std::string& range : split(list, ',')) {
    size_t dash = range.find('-');
    auto first = parse_uint(std::string_view(range).substr(0, dash), 0, kMost);
    auto last = dash == std::string::npos ? first : parse_uint(std::string_view(range).substr(dash + 1), 0, kMost);
    if (!first || !last) continue;
    for (uint64_t i = *first; i <= *last; ++i) out.emplace_back(i);
  }
  return out;
}

json::object cpu_json(const kernel::CgroupStats& stats) {
  json::object usage, throttling;
  put(usage, "total", stats.cpu_usage_ns);
  json::array per_cpu;
  for (uint64_t nanoseconds : stats.per_cpu_ns) per_cpu.emplace_back(nanoseconds);
  if (!per_cpu.empty()) usage["percpu"] = std::move(per_cpu);
  usage["kernel"] = stats.cpu_system_ns.value_or(0);
  usage["user"] = stats.cpu_user_ns.value_or(0);
  put(throttling, "periods", stats.periods);
  put(throttling, "throttledPeriods", stats.throttled_periods);
  put(throttling, "throttledTime", stats.throttled_ns);
  return json::object{{"usage", usage}, {"throttling", throttling}};
}

json::object cpuset_json(const kernel::CgroupStats& stats) {
  json::object out;
  if (json::array cpus = numbers_of(stats.cpus); !cpus.empty()) out["cpus"] = std::move(cpus);
  if (json::array mems = numbers_of(stats.mems); !mems.empty()) out["mems"] = std::move(mems);
  for (const auto& [flag, value] : stats.cpuset) out[flag] = value;
  return out;
}

json::object use_json(const kernel::MemoryUse& use) {
  json::object out{{"limit", use.limit.value_or(UINT64_MAX)}};
  put(out, "usage", use.usage);
  put(out, "max", use.peak);
  out["failcnt"] = use.failures.value_or(0);
  return out;
}

json::object memory_json(const kernel::CgroupStats& stats) {
  json::object out, raw;
  auto stat = [&](const char* key) {
    auto found = stats.memory_stat.find(key);
    return found == stats.memory_stat.end() ? kernel::Counter() : kernel::Counter(found->second);
  };
  put(out, "cache", stat("cache") ? stat("cache") : stat("file"));  // v1's name, v2's
  out["usage"] = use_json(stats.memory);
  out["swap"] = use_json(stats.swap);
  out["kernel"] = use_json(stats.kernel);
  out["kernelTCP"] = use_json(stats.kernel_tcp);
  for (const auto& [key, value] : stats.memory_stat) raw[key] = value;
  if (!raw.empty()) out["raw"] = std::move(raw);
  return out;
}

json::array devices_json(const std::vector<kernel::DeviceUse>& uses) {
  json::array out;
  for (const kernel::DeviceUse& use : uses)
    out.emplace_back(json::object{{"major", use.major}, {"minor", use.minor}, {"op", use.operation}, {"value", use.value}});
  return out;
}

json::object blkio_json(const kernel::CgroupStats& stats) {
  json::object out;
  if (!stats.io_bytes.empty()) out["ioServiceBytesRecursive"] = devices_json(stats.io_bytes);
  if (!stats.io_operations.empty()) out["ioServicedRecursive"] = devices_json(stats.io_operations);
  return out;
}

json::object hugetlb_json(const kernel::CgroupStats& stats) {
  json::object out;
  for (const auto& [size, use] : stats.hugepages) {
    json::object one;
    put(one, "usage", use.usage);
    put(one, "max", use.peak);
    one["failcnt"] = use.failures.value_or(0);
    out[size] = std::move(one);
  }
  return out;
}

}  // namespace

json::object oci_stats_json(const kernel::CgroupStats& stats) {
  json::object pids;
  put(pids, "current", stats.pids_current);
  put(pids, "limit", stats.pids_limit);
  return json::object{{"cpu", cpu_json(stats)}, {"cpuset", cpuset_json(stats)}, {"memory", memory_json(stats)}, {"pids", pids},
                      {"blkio", blkio_json(stats)}, {"hugetlb", hugetlb_json(stats)}, {"intel_rdt", json::object{}}, {"network_interfaces", nullptr}};
}

}  // namespace hull::cli
