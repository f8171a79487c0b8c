#include "engine/to_oci.h"

#include "base/text.h"
#include "engine/layout.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

// docker's list and podman's together (SECURITY §5).
constexpr const char* kMaskedPaths[] = {
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware", "/sys/fs/selinux"};
constexpr const char* kReadonlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

std::vector<oci::IdMapping> mappings(const std::vector<IdMap>& map) {
  std::vector<oci::IdMapping> out;
  for (const IdMap& range : map) out.push_back({range.container_id, range.host_id, range.size});
  if (out.empty()) out.push_back({kDefaultIdMap.container_id, kDefaultIdMap.host_id, kDefaultIdMap.size});
  return out;
}

Result<> add_namespaces(const ContainerConfig& config, const OciFacts& facts, oci::Linux& linux_) {
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const NamespaceSpec& ns = config.ns(info.kind);
    const std::string& path = facts.join_paths[static_cast<size_t>(info.kind)];
    if (ns.mode == NsMode::Host || (facts.ours & info.clone_flag) != 0) continue;
    linux_.namespaces.push_back({info.oci_name, path});
  }
  bool new_user_namespace = config.ns(NsKind::User).mode != NsMode::Host && facts.join_paths[static_cast<size_t>(NsKind::User)].empty();
  if (new_user_namespace) {
    const std::vector<IdMap>& uids = facts.uid_map.empty() ? config.uid_map : facts.uid_map;
    const std::vector<IdMap>& gids = facts.gid_map.empty() ? config.gid_map : facts.gid_map;
    linux_.uid_mappings = mappings(uids);
    linux_.gid_mappings = mappings(gids.empty() ? uids : gids);
  }
  auto offsets = facts.time_offsets ? facts.time_offsets : config.time_offsets;
  if (offsets && config.ns(NsKind::Time).mode != NsMode::Host && facts.join_paths[static_cast<size_t>(NsKind::Time)].empty()) {
    linux_.time_offsets["monotonic"].secs = offsets->monotonic_s;
    linux_.time_offsets["boottime"].secs = offsets->boottime_s;
  }
  return {};
}

// docker's two defaults make low ports and ping work without capabilities; they belong to a net namespace of our own.
void add_sysctls(const ContainerConfig& config, const OciFacts& facts, oci::Linux& linux_) {
  NsMode net = config.ns(NsKind::Net).mode;
  bool promised = net == NsMode::Container && facts.join_paths[static_cast<size_t>(NsKind::Net)].empty();
  bool own_net = net == NsMode::Private || promised;
  if (own_net) linux_.sysctl["net.ipv4.ip_unprivileged_port_start"] = "0";
  // KERNEL: ids that are not mapped are refused (EINVAL); ping_group_range in net/ipv4/sysctl_net_ipv4.c.
  if (own_net && config.ns(NsKind::User).mode == NsMode::Host && !facts.in_user_namespace) linux_.sysctl["net.ipv4.ping_group_range"] = "0 2147483647";
  for (const auto& [name, value] : config.sysctl) linux_.sysctl[name] = value;
}

void add_protections(const ContainerConfig& config, const OciFacts& facts, oci::Linux& linux_) {
  if (config.privileged || !config.masked_paths) return;
  linux_.masked_paths.assign(std::begin(kMaskedPaths), std::end(kMaskedPaths));
  linux_.masked_paths.insert(linux_.masked_paths.end(), facts.thermal_throttle.begin(), facts.thermal_throttle.end());
  linux_.readonly_paths.assign(std::begin(kReadonlyPaths), std::end(kReadonlyPaths));
}

}  // namespace

Result<oci::Spec> to_oci(const Record& record, const OciFacts& facts) {
  const ContainerConfig& config = record.config;
  oci::Spec spec;
  if (config.ns(NsKind::Uts).mode == NsMode::Private) {
    spec.hostname = record.hostname;
    spec.domainname = config.domainname;
  }
  spec.process = TRY(oci_process(record, facts));
  spec.root = {facts.rootfs, config.read_only};
  spec.mounts = oci_mounts(record, facts);
  spec.annotations = config.annotations;
  TRY(add_namespaces(config, facts, spec.linux_));
  add_sysctls(config, facts, spec.linux_);
  add_protections(config, facts, spec.linux_);
  spec.linux_.devices = facts.devices;
  spec.linux_.resources = oci_resources(record, facts);
  spec.linux_.cgroups_path = cgroup_path(record);
  return spec;
}

}  // namespace hull::engine
