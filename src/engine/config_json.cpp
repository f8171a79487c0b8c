// The configuration in the record: written whole, read back strictly enough that a damaged file is noticed.
#include "base/text.h"
#include "engine/config.h"

namespace hull::engine {
namespace {

using json::array;
using json::object;
using json::value;

array strings(const std::vector<std::string>& list) {
  array out;
  for (const std::string& text : list) out.push_back(json::string(text));
  return out;
}

object strings(const std::map<std::string, std::string>& map) {
  object out;
  for (const auto& [key, text] : map) out[key] = text;
  return out;
}

std::vector<std::string> read_strings(const value& from, std::string_view key) {
  std::vector<std::string> out;
  const value* list = json::find(from, key);
  if (list == nullptr || !list->is_array()) return out;
  for (const value& element : list->get_array())
    if (element.is_string()) out.emplace_back(element.get_string());
  return out;
}

std::map<std::string, std::string> read_map(const value& from, std::string_view key) {
  std::map<std::string, std::string> out;
  const value* map = json::find(from, key);
  if (map == nullptr || !map->is_object()) return out;
  for (const auto& member : map->get_object())
    if (member.value().is_string()) out[std::string(member.key())] = std::string(member.value().get_string());
  return out;
}

template <typename Number>
value optional_number(const std::optional<Number>& number) {
  return number ? value(static_cast<int64_t>(*number)) : value(nullptr);
}

template <typename Number>
void read_optional(const value& from, std::string_view key, std::optional<Number>& to) {
  const value* member = json::find(from, key);
  if (member != nullptr && (member->is_int64() || member->is_uint64())) to = static_cast<Number>(json::get_int(from, key));
}

// ---- parts

value to_value(const MountSpec& mount) {
  return object{{"Type", mount.kind == MountKind::Bind ? "bind" : "tmpfs"}, {"Source", mount.source}, {"Target", mount.target},
                {"ReadOnly", mount.read_only}, {"Recursive", mount.recursive}, {"RecursiveReadOnly", mount.recursive_read_only},
                {"CreateSource", mount.create_source}, {"Propagation", mount.propagation}, {"Options", strings(mount.options)}, {"Origin", mount.origin}};
}

MountSpec mount_from(const value& v) {
  MountSpec mount;
  mount.kind = json::get_string(v, "Type") == "tmpfs" ? MountKind::Tmpfs : MountKind::Bind;
  mount.source = json::get_string(v, "Source");
  mount.target = json::get_string(v, "Target");
  mount.read_only = json::get_bool(v, "ReadOnly");
  mount.recursive = json::get_bool(v, "Recursive", true);
  mount.recursive_read_only = json::get_bool(v, "RecursiveReadOnly", true);
  mount.create_source = json::get_bool(v, "CreateSource");
  mount.propagation = json::get_string(v, "Propagation");
  mount.options = read_strings(v, "Options");
  mount.origin = json::get_string(v, "Origin");
  return mount;
}

template <typename Item, typename Convert>
array list_of(const std::vector<Item>& items, Convert convert) {
  array out;
  for (const Item& item : items) out.push_back(convert(item));
  return out;
}

template <typename Item, typename Convert>
std::vector<Item> read_list(const value& from, std::string_view key, Convert convert) {
  std::vector<Item> out;
  const value* list = json::find(from, key);
  if (list == nullptr || !list->is_array()) return out;
  for (const value& element : list->get_array()) out.push_back(convert(element));
  return out;
}

value id_map_value(const IdMap& map) { return array{map.container_id, map.host_id, map.size}; }
IdMap id_map_from(const value& v) {
  auto number = [&](size_t at) { return v.is_array() && v.get_array().size() > at ? v.get_array()[at].to_number<uint32_t>() : 0; };
  return {number(0), number(1), number(2)};
}

value binding_value(const net::PortBinding& b) {
  return object{{"HostIp", b.host_ip}, {"HostFirst", b.host_first}, {"HostLast", b.host_last}, {"Port", b.inside.text()}};
}
net::PortBinding binding_from(const value& v) {
  auto number = [&](const char* key) { return static_cast<uint16_t>(json::get_int(v, key)); };
  return {std::string(json::get_string(v, "HostIp")), number("HostFirst"), number("HostLast"),
          net::parse_container_port(json::get_string(v, "Port")).value_or(net::ContainerPort())};
}

// 2^64-1 (unlimited) as a string: JSON numbers of other readers end at 2^53.
value ulimit_value(const Ulimit& limit) { return object{{"Name", limit.name}, {"Soft", std::to_string(limit.soft)}, {"Hard", std::to_string(limit.hard)}}; }
Ulimit ulimit_from(const value& v) {
  return {std::string(json::get_string(v, "Name")), parse_uint(json::get_string(v, "Soft")).value_or(0), parse_uint(json::get_string(v, "Hard")).value_or(0)};
}

object limits_value(const Limits& limits) {
  return {{"Memory", optional_number(limits.memory)}, {"MemoryReservation", optional_number(limits.memory_reservation)},
          {"MemorySwap", optional_number(limits.memory_swap)}, {"MemorySwappiness", optional_number(limits.memory_swappiness)},
          {"NanoCpus", optional_number(limits.nano_cpus)}, {"CpuShares", optional_number(limits.cpu_shares)},
          {"CpuPeriod", optional_number(limits.cpu_period)}, {"CpuQuota", optional_number(limits.cpu_quota)},
          {"PidsLimit", optional_number(limits.pids)}, {"BlkioWeight", optional_number(limits.blkio_weight)},
          {"CpusetCpus", limits.cpuset_cpus}, {"CpusetMems", limits.cpuset_mems}, {"OomKillDisable", limits.oom_kill_disable}};
}

Limits limits_from(const value& v) {
  Limits limits;
  read_optional(v, "Memory", limits.memory);
  read_optional(v, "MemoryReservation", limits.memory_reservation);
  read_optional(v, "MemorySwap", limits.memory_swap);
  read_optional(v, "MemorySwappiness", limits.memory_swappiness);
  read_optional(v, "NanoCpus", limits.nano_cpus);
  read_optional(v, "CpuShares", limits.cpu_shares);
  read_optional(v, "CpuPeriod", limits.cpu_period);
  read_optional(v, "CpuQuota", limits.cpu_quota);
  read_optional(v, "PidsLimit", limits.pids);
  read_optional(v, "BlkioWeight", limits.blkio_weight);
  limits.cpuset_cpus = json::get_string(v, "CpusetCpus");
  limits.cpuset_mems = json::get_string(v, "CpusetMems");
  limits.oom_kill_disable = json::get_bool(v, "OomKillDisable");
  return limits;
}

object namespaces_value(const ContainerConfig& config) {
  object out;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const NamespaceSpec& ns = config.ns(info.kind);
    out[info.name] = object{{"Mode", static_cast<int>(ns.mode)}, {"Target", ns.target}, {"Text", ns.text}};
  }
  return out;
}

Result<> read_namespaces(const value& v, ContainerConfig& config) {
  const value* all = json::find(v, "Namespaces");
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const value* ns = all != nullptr ? json::find(*all, info.name) : nullptr;
    int64_t mode = ns != nullptr ? json::get_int(*ns, "Mode", -1) : -1;
    if (mode < 0 || mode > static_cast<int64_t>(NsMode::Named)) return fail(ErrorKind::Corrupt, format("its {} namespace is not readable", info.name));
    config.ns(info.kind) = {static_cast<NsMode>(mode), std::string(json::get_string(*ns, "Target")), std::string(json::get_string(*ns, "Text"))};
  }
  return {};
}

// The plain members, in one place for both directions.
template <typename Visit>
void visit_texts(Visit visit, auto& c) {
  visit("Image", c.image); visit("Rootfs", c.rootfs); visit("Name", c.name); visit("User", c.user); visit("WorkingDir", c.workdir);
  visit("Hostname", c.hostname); visit("Domainname", c.domainname); visit("StopSignal", c.stop_signal);
  visit("LogDriver", c.log_driver); visit("CgroupParent", c.cgroup_parent);
}
template <typename Visit>
void visit_flags(Visit visit, auto& c) {
  visit("Tty", c.tty); visit("OpenStdin", c.open_stdin); visit("Detach", c.detach); visit("AutoRemove", c.rm); visit("Init", c.init);
  visit("ReadonlyRootfs", c.read_only); visit("Privileged", c.privileged); visit("AttachStdin", c.attach_stdin);
  visit("AttachStdout", c.attach_stdout); visit("AttachStderr", c.attach_stderr); visit("NoNewPrivileges", c.no_new_privileges);
  visit("MaskedPaths", c.masked_paths); visit("StrictNs", c.strict_ns); visit("PublishAll", c.publish_all);
}
template <typename Visit>
void visit_lists(Visit visit, auto& c) {
  visit("Cmd", c.command); visit("Env", c.env); visit("GroupAdd", c.group_add); visit("CapAdd", c.cap_add);
  visit("CapDrop", c.cap_drop); visit("SecurityOpt", c.security_opt); visit("ExtraHosts", c.extra_hosts); visit("Dns", c.dns);
  visit("DnsSearch", c.dns_search); visit("DnsOptions", c.dns_options);
}
template <typename Visit>
void visit_maps(Visit visit, auto& c) {
  visit("Labels", c.labels); visit("Annotations", c.annotations); visit("Sysctls", c.sysctl); visit("LogOpts", c.log_opts);
}

}  // namespace

json::value to_json(const ContainerConfig& config) {
  object out;
  visit_texts([&](const char* key, const std::string& text) { out[key] = text; }, config);
  visit_flags([&](const char* key, bool flag) { out[key] = flag; }, config);
  visit_lists([&](const char* key, const std::vector<std::string>& list) { out[key] = strings(list); }, config);
  visit_maps([&](const char* key, const std::map<std::string, std::string>& map) { out[key] = strings(map); }, config);
  if (config.entrypoint) out["Entrypoint"] = strings(*config.entrypoint);
  out["Mounts"] = list_of(config.mounts, to_value);
  if (!config.ports.empty()) out["Ports"] = list_of(config.ports, binding_value);
  if (!config.exposed.empty()) out["Expose"] = list_of(config.exposed, [](const net::ContainerPort& port) { return value(json::string(port.text())); });
  out["Devices"] = list_of(config.devices, [](const DeviceSpec& d) { return value(object{{"Host", d.host_path}, {"Path", d.path}, {"Access", d.access}}); });
  out["Namespaces"] = namespaces_value(config);
  if (config.time_offsets) out["TimeOffsets"] = object{{"monotonic", config.time_offsets->monotonic_s}, {"boottime", config.time_offsets->boottime_s}};
  out["UidMap"] = list_of(config.uid_map, id_map_value);
  out["GidMap"] = list_of(config.gid_map, id_map_value);
  out["Seccomp"] = object{{"Kind", static_cast<int>(config.seccomp.kind)}, {"Profile", config.seccomp.profile}};
  out["Ulimits"] = list_of(config.ulimits, ulimit_value);
  out["Limits"] = limits_value(config.limits);
  out["OomScoreAdj"] = optional_number(config.oom_score_adj);
  out["StopTimeout"] = optional_number(config.stop_timeout_s);
  out["ShmSize"] = config.shm_size;
  return out;
}

Result<ContainerConfig> config_from_json(const json::value& v) {
  if (!v.is_object()) return fail(ErrorKind::Corrupt, "the configuration is no JSON object");
  ContainerConfig config;
  visit_texts([&](const char* key, std::string& text) { text = json::get_string(v, key); }, config);
  visit_flags([&](const char* key, bool& flag) { flag = json::get_bool(v, key); }, config);
  visit_lists([&](const char* key, std::vector<std::string>& list) { list = read_strings(v, key); }, config);
  visit_maps([&](const char* key, std::map<std::string, std::string>& map) { map = read_map(v, key); }, config);
  if (json::find(v, "Entrypoint") != nullptr) config.entrypoint = read_strings(v, "Entrypoint");
  config.mounts = read_list<MountSpec>(v, "Mounts", mount_from);
  config.ports = read_list<net::PortBinding>(v, "Ports", binding_from);
  config.exposed = net::container_ports_from(read_strings(v, "Expose"));
  config.devices = read_list<DeviceSpec>(v, "Devices", [](const value& d) {
    return DeviceSpec{std::string(json::get_string(d, "Host")), std::string(json::get_string(d, "Path")), std::string(json::get_string(d, "Access"))};
  });
  TRY(read_namespaces(v, config));
  if (const value* offsets = json::find(v, "TimeOffsets")) config.time_offsets = TimeOffsets{json::get_int(*offsets, "monotonic"), json::get_int(*offsets, "boottime")};
  config.uid_map = read_list<IdMap>(v, "UidMap", id_map_from);
  config.gid_map = read_list<IdMap>(v, "GidMap", id_map_from);
  if (const value* seccomp = json::find(v, "Seccomp")) {
    int64_t kind = json::get_int(*seccomp, "Kind", -1);
    if (kind < 0 || kind > static_cast<int64_t>(SeccompChoice::Kind::Profile)) return fail(ErrorKind::Corrupt, "its seccomp choice is not readable");
    config.seccomp = {static_cast<SeccompChoice::Kind>(kind), std::string(json::get_string(*seccomp, "Profile"))};
  }
  config.ulimits = read_list<Ulimit>(v, "Ulimits", ulimit_from);
  if (const value* limits = json::find(v, "Limits")) config.limits = limits_from(*limits);
  read_optional(v, "OomScoreAdj", config.oom_score_adj);
  read_optional(v, "StopTimeout", config.stop_timeout_s);
  config.shm_size = static_cast<uint64_t>(json::get_int(v, "ShmSize", 64 << 20));
  return config;
}

}  // namespace hull::engine
