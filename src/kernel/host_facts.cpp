#include "kernel/host_facts.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/capabilities.h"
#include "kernel/cgroup.h"
#include "kernel/namespaces.h"

namespace hull::kernel {
namespace {

// What is mounted right under /sys/fs/cgroup.
void note_cgroups(const CgroupLayout& layout, HostFacts& facts) {
  static constexpr std::string_view kUsual = "/sys/fs/cgroup";
  auto name_of = [](const CgroupHierarchy& hierarchy) -> std::string {
    std::string_view below = hierarchy.mount_point;
    if (!below.starts_with(kUsual) || !below.substr(kUsual.size()).starts_with('/')) return "";
    return std::string(below.substr(kUsual.size() + 1));
  };
  for (const CgroupHierarchy& hierarchy : layout.v1) {
    std::string name = name_of(hierarchy), controllers = join(hierarchy.controllers, ",");
    if (!name.empty()) facts.cgroup_v1.emplace_back(name, controllers.starts_with("name=") ? "none," + controllers : controllers);
  }
  if (!layout.v2) return;
  if (layout.v2->mount_point == kUsual) facts.cgroup_unified = true;
  else if (std::string name = name_of(*layout.v2); !name.empty()) facts.cgroup_v1.emplace_back(name, "unified");
}

bool lacks_setgid() {
  constexpr unsigned kVersion3 = 0x20080522, kSetgid = 6;
  struct { uint32_t version; int pid; } header{kVersion3, 0};
  struct { uint32_t effective, permitted, inheritable; } data[2] = {};
  return ::syscall(SYS_capget, &header, data) != 0 || (data[0].effective & 1u << kSetgid) == 0;
}

// The user namespace of an ordinary user (unshare -r), in which root is he alone.
bool setgroups_is_denied() { return read_file("/proc/self/setgroups").value_or("").starts_with("deny"); }

HostFacts probe() {
  HostFacts facts;
  facts.unprivileged = is_unprivileged();
  facts.has_mqueue = path_exists("/dev/mqueue");
  facts.has_kcore = path_exists("/proc/kcore");
  if (auto layout = discover_cgroups()) note_cgroups(*layout, facts);
  facts.in_user_namespace = in_user_namespace();
  facts.last_capability = std::bit_width(host_capabilities()) - 1;
  return facts;
}

}  // namespace

// KERNEL: the first one has a fixed inode, PROC_USER_INIT_INO; include/linux/proc_ns.h.
bool in_user_namespace() {
  constexpr uint64_t kFirst = 0xEFFFFFFD;
  static const bool in_another = ns_inode(0, NsKind::User).value_or(kFirst) != kFirst;
  return in_another;
}

// KERNEL: in the first user namespace setgroups cannot be given up; kernel/user_namespace.c, proc_setgroups_write().
bool is_unprivileged() {
  static const bool unprivileged = lacks_setgid() || (in_user_namespace() && setgroups_is_denied());
  return unprivileged;
}

bool is_ordinary() { return is_unprivileged() || in_user_namespace(); }

const HostFacts& host_facts() {
  static const HostFacts facts = probe();
  return facts;
}

unsigned online_cpus() {
  unsigned count = 0;
  constexpr uint64_t kMost = 1 << 20;
  std::string online = read_file("/sys/devices/system/cpu/online").value_or("");
  for (const NumberRange& range : parse_ranges(trim(online), kMost).value_or(std::vector<NumberRange>()))
    count += static_cast<unsigned>(range.last - range.first + 1);
  return std::max(count, 1U);
}

}  // namespace hull::kernel
