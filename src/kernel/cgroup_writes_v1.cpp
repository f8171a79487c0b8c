// oci::Resources as writes to cgroup v1 files. Pure; see cgroup.h.
#include "base/text.h"
#include "kernel/cgroup.h"

namespace hull::kernel {

namespace {

using Writes = std::vector<CgroupWrite>;

template <typename T>
void add(Writes& writes, const char* controller, const char* file, const std::optional<T>& value) {
  if (value) writes.push_back({controller, file, std::to_string(*value), {}, {}});
}

Result<> add_memory(Writes& writes, const oci::Memory& memory) {
  if (memory.limit.value_or(0) > 0 && memory.swap.value_or(0) > 0 && *memory.swap < *memory.limit)
    return fail(ErrorKind::Invalid, format("memory plus swap ({} bytes) is below the memory limit ({} bytes); the swap "
                                           "limit counts both, give at least the memory limit",
                                           *memory.swap, *memory.limit));
  add(writes, "memory", "memory.limit_in_bytes", memory.limit);
  add(writes, "memory", "memory.memsw.limit_in_bytes", memory.swap);
  // No limit for memory is one for neither, as with runc; where swap is not counted there is but the one.
  if (memory.limit == -1 && !memory.swap) writes.push_back({"memory", "memory.memsw.limit_in_bytes", "-1", "memory.limit_in_bytes", "-1"});
  add(writes, "memory", "memory.soft_limit_in_bytes", memory.reservation);
  add(writes, "memory", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp);
  add(writes, "memory", "memory.swappiness", memory.swappiness);
  if (memory.disable_oom_killer.value_or(false)) writes.push_back({"memory", "memory.oom_control", "1", {}, {}});
  return {};
}

void add_cpu(Writes& writes, const oci::Cpu& cpu) {
  add(writes, "cpu", "cpu.shares", cpu.shares);
  add(writes, "cpu", "cpu.cfs_period_us", cpu.period);
  add(writes, "cpu", "cpu.cfs_quota_us", cpu.quota);
  add(writes, "cpu", "cpu.cfs_burst_us", cpu.burst);
  add(writes, "cpu", "cpu.rt_period_us", cpu.realtime_period);
  add(writes, "cpu", "cpu.rt_runtime_us", cpu.realtime_runtime);
  add(writes, "cpu", "cpu.idle", cpu.idle);
  if (!cpu.cpus.empty()) writes.push_back({"cpuset", "cpuset.cpus", cpu.cpus, {}, {}});
  if (!cpu.mems.empty()) writes.push_back({"cpuset", "cpuset.mems", cpu.mems, {}, {}});
}

// The weights of CFQ went with it in Linux 5.0; BFQ's have its name in the file's.
void add_weights(Writes& writes, const oci::BlockIo& io) {
  auto weight = [&](const char* file, const char* bfq_file, std::string value) {
    writes.push_back({"blkio", file, value, bfq_file, value});
  };
  if (io.weight) weight("blkio.weight", "blkio.bfq.weight", std::to_string(*io.weight));
  add(writes, "blkio", "blkio.leaf_weight", io.leaf_weight);
  for (const oci::WeightDevice& device : io.weight_device) {
    if (device.weight)
      weight("blkio.weight_device", "blkio.bfq.weight_device", format("{}:{} {}", device.major, device.minor, *device.weight));
    if (device.leaf_weight)
      writes.push_back({"blkio", "blkio.leaf_weight_device",
                        format("{}:{} {}", device.major, device.minor, *device.leaf_weight), {}, {}});
  }
}

void add_throttles(Writes& writes, const char* file, const std::vector<oci::ThrottleDevice>& devices) {
  for (const oci::ThrottleDevice& device : devices)
    writes.push_back({"blkio", file, format("{}:{} {}", device.major, device.minor, device.rate), {}, {}});
}

void add_block_io(Writes& writes, const oci::BlockIo& io) {
  add_weights(writes, io);
  add_throttles(writes, "blkio.throttle.read_bps_device", io.throttle_read_bps);
  add_throttles(writes, "blkio.throttle.write_bps_device", io.throttle_write_bps);
  add_throttles(writes, "blkio.throttle.read_iops_device", io.throttle_read_iops);
  add_throttles(writes, "blkio.throttle.write_iops_device", io.throttle_write_iops);
}

}  // namespace

// Shared with v2: the file has one name and form in both.
std::vector<CgroupWrite> rdma_writes(const oci::Resources& resources) {
  Writes writes;
  for (const auto& [device, limits] : resources.rdma) {
    std::string value = device;
    if (limits.first) value += format(" hca_handle={}", *limits.first);
    if (limits.second) value += format(" hca_object={}", *limits.second);
    writes.push_back({"rdma", "rdma.max", value, {}, {}});
  }
  return writes;
}

Result<std::vector<CgroupWrite>> cgroup_v1_writes(const oci::Resources& resources) {
  if (!resources.unified.empty())
    return fail(ErrorKind::Unsupported,
                format("{}: \"unified\" values need cgroup v2 and this host uses v1; use the limits' own options",
                       resources.unified.begin()->first));
  Writes writes;
  TRY(add_memory(writes, resources.memory));
  add_cpu(writes, resources.cpu);
  if (resources.pids_limit)
    writes.push_back({"pids", "pids.max", *resources.pids_limit > 0 ? std::to_string(*resources.pids_limit) : "max", {}, {}});
  add_block_io(writes, resources.block_io);
  for (const oci::HugepageLimit& limit : resources.hugepage_limits)
    writes.push_back({"hugetlb", format("hugetlb.{}.limit_in_bytes", limit.page_size), std::to_string(limit.limit), {}, {}});
  add(writes, "net_cls", "net_cls.classid", resources.network_class_id);
  for (const auto& [interface, priority] : resources.network_priorities)
    writes.push_back({"net_prio", "net_prio.ifpriomap", format("{} {}", interface, priority), {}, {}});
  for (CgroupWrite& write : rdma_writes(resources)) writes.push_back(std::move(write));
  return writes;
}

}  // namespace hull::kernel
