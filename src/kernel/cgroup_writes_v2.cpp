// oci::Resources as writes to cgroup v2 files. Pure; see cgroup.h.
#include <cmath>

#include "base/text.h"
#include "kernel/cgroup.h"

namespace hull::kernel {

std::vector<CgroupWrite> rdma_writes(const oci::Resources& resources);  // cgroup_writes_v1.cpp

namespace {

using Writes = std::vector<CgroupWrite>;

void put(Writes& writes, const char* controller, std::string file, std::string value) {
  writes.push_back({controller, std::move(file), std::move(value), {}, {}});
}

std::string limit_text(int64_t value) { return value < 0 ? "max" : std::to_string(value); }

auto unsupported(std::string_view what, std::string_view remedy) {
  return fail(ErrorKind::Unsupported, format("{}: cgroup v2 has no such setting; {}", what, remedy));
}

// The runtime-spec's swap limit counts memory and swap; v2's counts swap alone.
Result<std::optional<std::string>> swap_value(const oci::Memory& memory) {
  int64_t limit = memory.limit.value_or(0), swap = memory.swap.value_or(0);
  if (swap == 0) return limit == -1 && !memory.swap ? std::optional<std::string>("max") : std::nullopt;
  if (swap < 0) return std::optional<std::string>("max");
  if (limit <= 0) return fail(ErrorKind::Invalid, "a swap limit needs a memory limit; give both");
  if (swap < limit)
    return fail(ErrorKind::Invalid, format("memory plus swap ({} bytes) is below the memory limit ({} bytes); the swap "
                                           "limit counts both, give at least the memory limit", swap, limit));
  return std::optional<std::string>(std::to_string(swap - limit));
}

Result<> add_memory(Writes& writes, const oci::Memory& memory) {
  if (memory.swappiness) return unsupported("memory swappiness", "leave it out, or set vm.swappiness on the host");
  if (memory.disable_oom_killer.value_or(false))
    return unsupported("disabling the out-of-memory killer", "leave it out, or set oom_score_adj");
  std::optional<std::string> swap = TRY(swap_value(memory));
  if (memory.limit) put(writes, "memory", "memory.max", limit_text(*memory.limit));
  if (swap) put(writes, "memory", "memory.swap.max", *swap);
  if (memory.reservation) put(writes, "memory", "memory.low", limit_text(*memory.reservation));
  return {};
}

Result<> add_cpu(Writes& writes, const oci::Cpu& cpu) {
  if (cpu.realtime_period.value_or(0) != 0 || cpu.realtime_runtime.value_or(0) != 0)
    return unsupported("realtime CPU time", "leave it out");
  bool idle = cpu.idle.value_or(0) != 0;
  // KERNEL: an idle group's weight cannot be set (EINVAL); since 5.15; cpu.idle in cgroup-v2.rst.
  if (cpu.shares.value_or(0) != 0 && !idle)
    put(writes, "cpu", "cpu.weight", std::to_string(cpu_weight_from_shares(*cpu.shares)));
  if (cpu.idle) put(writes, "cpu", "cpu.idle", std::to_string(*cpu.idle));
  if (cpu.quota || cpu.period) {
    std::string value = cpu.quota.value_or(-1) > 0 ? std::to_string(*cpu.quota) : "max";
    if (cpu.period.value_or(0) != 0) value += " " + std::to_string(*cpu.period);
    put(writes, "cpu", "cpu.max", value);
  }
  if (cpu.burst) put(writes, "cpu", "cpu.max.burst", std::to_string(*cpu.burst));
  if (!cpu.cpus.empty()) put(writes, "cpuset", "cpuset.cpus", cpu.cpus);
  if (!cpu.mems.empty()) put(writes, "cpuset", "cpuset.mems", cpu.mems);
  return {};
}

// blkio's 10-1000 as io.weight's 1-10000, linearly; BFQ takes blkio's own.
uint64_t io_weight(uint64_t weight) { return weight < 10 ? 1 : 1 + (weight - 10) * 9999 / 990; }

void add_throttles(Writes& writes, const char* key, const std::vector<oci::ThrottleDevice>& devices) {
  for (const oci::ThrottleDevice& device : devices) {
    std::string rate = device.rate == 0 ? "max" : std::to_string(device.rate);
    put(writes, "io", "io.max", format("{}:{} {}={}", device.major, device.minor, key, rate));
  }
}

void add_io(Writes& writes, const oci::BlockIo& io) {
  if (io.weight)
    writes.push_back({"io", "io.bfq.weight", std::to_string(*io.weight), "io.weight", std::to_string(io_weight(*io.weight))});
  for (const oci::WeightDevice& device : io.weight_device) {
    if (!device.weight) continue;
    std::string prefix = format("{}:{} ", device.major, device.minor);
    writes.push_back({"io", "io.bfq.weight", prefix + std::to_string(*device.weight), "io.weight",
                      prefix + std::to_string(io_weight(*device.weight))});
  }
  add_throttles(writes, "rbps", io.throttle_read_bps);
  add_throttles(writes, "wbps", io.throttle_write_bps);
  add_throttles(writes, "riops", io.throttle_read_iops);
  add_throttles(writes, "wiops", io.throttle_write_iops);
}

Result<> add_unified(Writes& writes, const std::map<std::string, std::string>& unified) {
  for (const auto& [file, value] : unified) {
    size_t dot = file.find('.');
    if (dot == 0 || dot == std::string::npos || file.find('/') != std::string::npos)
      return fail(ErrorKind::Invalid, format("unified \"{}\": not the name of a cgroup file, as in memory.high",
                                             escape_controls(file)));
    // Lines are set one by one, as the kernel takes them ("io.max" and the like).
    for (std::string_view line : split_lines(value))
      put(writes, file.substr(0, dot).c_str(), file, std::string(line));
  }
  return {};
}

}  // namespace

uint64_t cpu_weight_from_shares(uint64_t shares) {
  if (shares == 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  // runtime-spec, cpu.shares on v2: 2 is 1, 1024 is 100, 262144 is 10000, a smooth curve between them.
  double l = std::log2(static_cast<double>(shares));
  double exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
  return static_cast<uint64_t>(std::ceil(std::pow(10, exponent)));
}

Result<std::vector<CgroupWrite>> cgroup_v2_writes(const oci::Resources& resources) {
  Writes writes;
  TRY(add_memory(writes, resources.memory));
  TRY(add_cpu(writes, resources.cpu));
  if (resources.pids_limit)
    put(writes, "pids", "pids.max", *resources.pids_limit > 0 ? std::to_string(*resources.pids_limit) : "max");
  add_io(writes, resources.block_io);
  for (const oci::HugepageLimit& limit : resources.hugepage_limits)
    put(writes, "hugetlb", format("hugetlb.{}.max", limit.page_size), std::to_string(limit.limit));
  if (resources.network_class_id.value_or(0) != 0)
    return unsupported("network class id", "leave it out, or match the cgroup in nftables");
  if (!resources.network_priorities.empty()) return unsupported("network priorities", "leave them out");
  for (CgroupWrite& write : rdma_writes(resources)) writes.push_back(std::move(write));
  TRY(add_unified(writes, resources.unified));
  return writes;
}

}  // namespace hull::kernel
