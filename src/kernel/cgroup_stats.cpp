#include "kernel/cgroup_stats.h"

#include <dirent.h>
#include <fcntl.h>

#include <memory>

#include "base/text.h"
#include "kernel/cgroup_tree.h"

namespace hull::kernel {
namespace {

// The sizes for which the group has files "hugetlb.SIZE.<suffix>".
std::vector<std::string> hugepage_sizes(const CgroupTree& tree, const std::string& group, std::string_view suffix) {
  constexpr std::string_view kPrefix = "hugetlb.";
  std::vector<std::string> sizes;
  auto opened = open_at(tree.root, group, O_RDONLY | O_DIRECTORY);
  if (!opened) return sizes;
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(opened->get()), ::closedir);
  if (!directory) return sizes;
  (void)opened->release();
  while (dirent* entry = ::readdir(directory.get())) {
    std::string_view name = entry->d_name;
    if (!name.starts_with(kPrefix) || !name.ends_with(suffix)) continue;
    std::string_view size = name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size());
    if (size.find('.') == std::string_view::npos) sizes.emplace_back(size);  // not "2MB.rsvd"
  }
  return sizes;
}

// "8:0" in front of the words of a line.
bool take_device(std::string_view word, DeviceUse& use) {
  size_t colon = word.find(':');
  if (colon == std::string_view::npos) return false;
  auto major = parse_uint(word.substr(0, colon)), minor = parse_uint(word.substr(colon + 1));
  if (!major || !minor) return false;
  use.major = *major, use.minor = *minor;
  return true;
}

// v1: lines of "8:0 Read 4096".
std::vector<DeviceUse> v1_devices(const CgroupTree& tree, const std::string& group, const std::string& file) {
  std::vector<DeviceUse> uses;
  std::string text = read_group_file(tree, group, file).value_or("");
  for (std::string_view line : split_lines(text)) {
    std::vector<std::string_view> words = split_words(line);
    DeviceUse use;
    if (words.size() != 3 || !take_device(words[0], use)) continue;
    use.operation = words[1];
    use.value = parse_uint(words[2]).value_or(0);
    uses.push_back(std::move(use));
  }
  return uses;
}

// BFQ counts for itself where it schedules; else the throttling layer does.
std::vector<DeviceUse> v1_io(const CgroupTree& tree, const std::string& group, const std::string& what) {
  std::vector<DeviceUse> uses = v1_devices(tree, group, "blkio.bfq." + what);
  return uses.empty() ? v1_devices(tree, group, "blkio.throttle." + what) : uses;
}

MemoryUse v1_memory(const CgroupTree& tree, const std::string& group, const std::string& prefix) {
  auto counter = [&](const char* name) { return read_counter(tree, group, prefix + name); };
  return {counter("usage_in_bytes"), counter("limit_in_bytes"), counter("max_usage_in_bytes"), counter("failcnt")};
}

void add_v1_cpu(CgroupStats& stats, const TreeOf& tree_of, const std::string& group) {
  if (const CgroupTree* tree = tree_of("cpuacct")) {
    stats.cpu_usage_ns = read_counter(*tree, group, "cpuacct.usage");
    stats.cpu_user_ns = read_counter(*tree, group, "cpuacct.usage_user");
    stats.cpu_system_ns = read_counter(*tree, group, "cpuacct.usage_sys");
    std::string per_cpu = read_group_file(*tree, group, "cpuacct.usage_percpu").value_or("");
    for (std::string_view word : split_words(trim(per_cpu))) stats.per_cpu_ns.push_back(parse_uint(word).value_or(0));
  }
  if (const CgroupTree* tree = tree_of("cpu")) {
    CounterMap pairs = read_pairs(*tree, group, "cpu.stat");
    stats.periods = pair_value(pairs, "nr_periods");
    stats.throttled_periods = pair_value(pairs, "nr_throttled");
    stats.throttled_ns = pair_value(pairs, "throttled_time");
  }
  if (const CgroupTree* tree = tree_of("cpuset")) {
    stats.cpus = trim(read_group_file(*tree, group, "cpuset.cpus").value_or(""));
    stats.mems = trim(read_group_file(*tree, group, "cpuset.mems").value_or(""));
    for (const char* flag : {"cpu_exclusive", "mem_exclusive", "mem_hardwall", "memory_migrate", "memory_pressure", "memory_spread_page",
                             "memory_spread_slab", "sched_load_balance"})
      if (auto value = read_counter(*tree, group, std::string("cpuset.") + flag)) stats.cpuset[flag] = *value;
  }
}

}  // namespace

CgroupStats read_v1_stats(const TreeOf& tree_of, const std::string& group) {
  CgroupStats stats;
  add_v1_cpu(stats, tree_of, group);
  if (const CgroupTree* tree = tree_of("memory")) {
    stats.memory = v1_memory(*tree, group, "memory.");
    stats.swap = v1_memory(*tree, group, "memory.memsw.");
    stats.kernel = v1_memory(*tree, group, "memory.kmem.");
    stats.kernel_tcp = v1_memory(*tree, group, "memory.kmem.tcp.");
    stats.memory_stat = read_pairs(*tree, group, "memory.stat");
    stats.oom_kills = pair_value(read_pairs(*tree, group, "memory.oom_control"), "oom_kill");
  }
  if (const CgroupTree* tree = tree_of("pids")) {
    stats.pids_current = read_counter(*tree, group, "pids.current");
    stats.pids_limit = read_counter(*tree, group, "pids.max");
  }
  if (const CgroupTree* tree = tree_of("blkio")) {
    stats.io_bytes = v1_io(*tree, group, "io_service_bytes_recursive");
    stats.io_operations = v1_io(*tree, group, "io_serviced_recursive");
  }
  if (const CgroupTree* tree = tree_of("hugetlb"))
    for (const std::string& size : hugepage_sizes(*tree, group, ".usage_in_bytes")) stats.hugepages[size] = v1_memory(*tree, group, format("hugetlb.{}.", size));
  return stats;
}

void add_v2_hugepages(CgroupStats& stats, const CgroupTree& tree, const std::string& group) {
  for (const std::string& size : hugepage_sizes(tree, group, ".current")) {
    std::string prefix = format("hugetlb.{}.", size);
    stats.hugepages[size] = {read_counter(tree, group, prefix + "current"), read_counter(tree, group, prefix + "max"), std::nullopt,
                             pair_value(read_pairs(tree, group, prefix + "events"), "max")};
  }
}

namespace {

// io.stat: lines of "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …".
void add_v2_io(CgroupStats& stats, std::string_view text) {
  struct Known { std::string_view key; const char* operation; std::vector<DeviceUse>* into; };
  const Known known[] = {{"rbytes=", "Read", &stats.io_bytes}, {"wbytes=", "Write", &stats.io_bytes},
                         {"rios=", "Read", &stats.io_operations}, {"wios=", "Write", &stats.io_operations}};
  for (std::string_view line : split_lines(text)) {
    std::vector<std::string_view> words = split_words(line);
    DeviceUse use;
    if (words.empty() || !take_device(words[0], use)) continue;
    for (std::string_view word : words)
      for (const Known& one : known)
        if (word.starts_with(one.key)) one.into->push_back({use.major, use.minor, one.operation, parse_uint(word.substr(one.key.size())).value_or(0)});
  }
}

void add_v2_memory(CgroupStats& stats, const CgroupTree& tree, const std::string& group) {
  auto counter = [&](const char* file) { return read_counter(tree, group, file); };
  stats.memory = {counter("memory.current"), counter("memory.max"), counter("memory.peak"), std::nullopt};
  stats.memory_stat = read_pairs(tree, group, "memory.stat");
  CounterMap events = read_pairs(tree, group, "memory.events");
  stats.memory.failures = pair_value(events, "max");
  stats.oom_kills = pair_value(events, "oom_kill");
  Counter swap = counter("memory.swap.current"), limit = counter("memory.swap.max");  // of swap alone
  if (swap && stats.memory.usage) stats.swap.usage = *stats.memory.usage + *swap;
  if (limit && stats.memory.limit) stats.swap.limit = *stats.memory.limit + *limit;
}

}  // namespace

CgroupStats read_v2_stats(const CgroupTree& tree, const std::string& group) {
  CgroupStats stats;
  CounterMap cpu = read_pairs(tree, group, "cpu.stat");
  auto nanoseconds = [&](std::string_view key) {
    Counter microseconds = pair_value(cpu, key);
    return microseconds ? Counter(*microseconds * 1000) : std::nullopt;
  };
  stats.cpu_usage_ns = nanoseconds("usage_usec");
  stats.cpu_user_ns = nanoseconds("user_usec");
  stats.cpu_system_ns = nanoseconds("system_usec");
  stats.periods = pair_value(cpu, "nr_periods");
  stats.throttled_periods = pair_value(cpu, "nr_throttled");
  stats.throttled_ns = nanoseconds("throttled_usec");
  add_v2_memory(stats, tree, group);
  stats.pids_current = read_counter(tree, group, "pids.current");
  stats.pids_limit = read_counter(tree, group, "pids.max");
  stats.cpus = trim(read_group_file(tree, group, "cpuset.cpus.effective").value_or(""));
  stats.mems = trim(read_group_file(tree, group, "cpuset.mems.effective").value_or(""));
  add_v2_io(stats, read_group_file(tree, group, "io.stat").value_or(""));
  add_v2_hugepages(stats, tree, group);
  return stats;
}

}  // namespace hull::kernel
