#include "oci/validate.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace hull::oci {
namespace {

tl::unexpected<Error> invalid(std::string text) { return fail(ErrorKind::Invalid, std::move(text)); }
tl::unexpected<Error> unsupported(std::string_view field) {
  return fail(ErrorKind::Unsupported, format("{}: hull cannot apply it; remove it", field));
}

bool one_of(std::string_view text, std::initializer_list<std::string_view> known) {
  return std::find(known.begin(), known.end(), text) != known.end();
}

// ociVersion: major 1, with optional suffix; a newer minor only adds.
Result<> check_version(const Spec& spec) {
  std::vector<std::string> parts = split(spec.oci_version.substr(0, spec.oci_version.find_first_of("-+")), '.');
  bool numbers = parts.size() == 3 && std::all_of(parts.begin(), parts.end(), [](const std::string& p) { return parse_uint(p).has_value(); });
  if (!numbers) return invalid(format("ociVersion: \"{}\" is no version", escape_controls(spec.oci_version)));
  if (parts[0] != "1") return fail(ErrorKind::Unsupported, format("ociVersion: {} is not 1.x", spec.oci_version));
  return {};
}

Result<> check_hook(const char* kind, const std::vector<Hook>& hooks) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    if (!hooks[i].path.starts_with('/')) return invalid(format("hooks.{}[{}].path: \"{}\" is not absolute", kind, i, escape_controls(hooks[i].path)));
    if (hooks[i].timeout && *hooks[i].timeout <= 0) return invalid(format("hooks.{}[{}].timeout: must be above 0", kind, i));
  }
  return {};
}

Result<> check_hooks(const Spec& spec) {
  const Hooks& hooks = spec.hooks;
  TRY(check_hook("prestart", hooks.prestart));
  TRY(check_hook("createRuntime", hooks.create_runtime));
  TRY(check_hook("createContainer", hooks.create_container));
  TRY(check_hook("startContainer", hooks.start_container));
  TRY(check_hook("poststart", hooks.poststart));
  return check_hook("poststop", hooks.poststop);

}

bool overlap(uint32_t a, uint32_t b, uint32_t a_size, uint32_t b_size) {
  return a < static_cast<uint64_t>(b) + b_size && b < static_cast<uint64_t>(a) + a_size;
}

Result<> check_mappings(const std::string& field, const std::vector<IdMapping>& maps) {
  for (size_t i = 0; i < maps.size(); ++i) {
    if (maps[i].size == 0) return invalid(format("{}[{}].size: must be above 0", field, i));
    if (maps[i].size > UINT32_MAX - maps[i].container_id || maps[i].size > UINT32_MAX - maps[i].host_id)
      return invalid(format("{}[{}]: reaches beyond the last id", field, i));
    for (size_t k = 0; k < i; ++k)
      if (overlap(maps[i].container_id, maps[k].container_id, maps[i].size, maps[k].size) ||
          overlap(maps[i].host_id, maps[k].host_id, maps[i].size, maps[k].size))
        return invalid(format("{0}[{1}]: overlaps {0}[{2}]", field, i, k));
  }
  constexpr size_t kMostExtents = 340;  // user_namespaces(7)
  if (maps.size() > kMostExtents) return invalid(format("{}: more than {} ranges", field, kMostExtents));
  return {};
}

Result<> check_time_offsets(const Linux& linux_) {
  constexpr uint32_t kSecond = 1000000000;
  for (const auto& [clock, offset] : linux_.time_offsets) {
    if (!one_of(clock, {"monotonic", "boottime"})) return invalid(format("linux.timeOffsets: unknown clock \"{}\"", escape_controls(clock)));
    if (offset.nanosecs >= kSecond) return invalid(format("linux.timeOffsets[\"{}\"].nanosecs: not below {}", clock, kSecond));
  }
  return {};
}

Result<> check_name(const char* field, const std::string& name) {
  constexpr size_t kLongest = 64;  // __NEW_UTS_LEN
  if (name.size() > kLongest) return invalid(format("{}: longer than {} bytes", field, kLongest));
  return {};
}

Result<> check_namespaces(const Spec& spec) {
  std::set<std::string> seen;
  bool user = false;
  for (size_t i = 0; i < spec.linux_.namespaces.size(); ++i) {
    const Namespace& ns = spec.linux_.namespaces[i];
    if (!one_of(ns.type, {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"}))
      return invalid(format("linux.namespaces[{}].type: unknown \"{}\"", i, escape_controls(ns.type)));
    if (!seen.insert(ns.type).second) return invalid(format("linux.namespaces[{}].type: \"{}\" stands twice", i, ns.type));
    if (!ns.path.empty() && !ns.path.starts_with('/'))
      return invalid(format("linux.namespaces[{}].path: \"{}\" is not absolute", i, escape_controls(ns.path)));
    user |= ns.type == "user";
  }
  if (!user && !spec.linux_.uid_mappings.empty()) return invalid("linux.uidMappings: given without a user namespace");
  if (!user && !spec.linux_.gid_mappings.empty()) return invalid("linux.gidMappings: given without a user namespace");
  if (!spec.linux_.time_offsets.empty() && !seen.contains("time")) return invalid("linux.timeOffsets: given without a time namespace");
  if (!spec.hostname.empty() && !seen.contains("uts")) return invalid("hostname: given without a uts namespace");
  if (!spec.domainname.empty() && !seen.contains("uts")) return invalid("domainname: given without a uts namespace");
  TRY(check_name("hostname", spec.hostname));
  TRY(check_name("domainname", spec.domainname));
  TRY(check_time_offsets(spec.linux_));
  TRY(check_mappings("linux.uidMappings", spec.linux_.uid_mappings));
  return check_mappings("linux.gidMappings", spec.linux_.gid_mappings);
}

}  // namespace

std::string_view sysctl_owner(std::string_view name) {
  std::string key(name);
  if (key.find('/') < key.find('.')) std::replace(key.begin(), key.end(), '/', '.');
  if (key.find("..") != std::string::npos) return "";
  if (key.starts_with("net.")) return "network";
  if (one_of(key, {"kernel.hostname", "kernel.domainname"})) return "uts";
  bool ipc = key.starts_with("fs.mqueue.") || key.starts_with("kernel.shm") || one_of(key, {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"});
  return ipc ? "ipc" : "";
}

namespace {

// A sysctl that no namespace of the container owns would change the host.
Result<> check_sysctl(const Spec& spec) {
  auto has = [&](std::string_view type) {
    return std::any_of(spec.linux_.namespaces.begin(), spec.linux_.namespaces.end(), [&](const Namespace& ns) { return ns.type == type; });
  };
  for (const auto& [name, value] : spec.linux_.sysctl) {
    std::string_view owner = sysctl_owner(name);
    if (owner.empty())
      return invalid(format("linux.sysctl[\"{}\"]: belongs to no namespace", escape_controls(name)));
    if (!has(owner)) return invalid(format("linux.sysctl[\"{}\"]: needs a {} namespace", escape_controls(name), owner));
  }
  return {};
}

Result<> check_mounts(const Spec& spec) {
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    const Mount& mount = spec.mounts[i];
    std::string field = format("mounts[{}]", i);
    if (mount.destination.empty()) return invalid(field + ".destination: empty");
    if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) return invalid(field + ": uidMappings and gidMappings go together");
    bool bind = mount.is_bind();
    if (!bind && !mount.uid_mappings.empty()) return unsupported(field + ".uidMappings of a mount that is no bind");
    if (!bind && mount.type.empty()) return invalid(field + ".type: missing");
    TRY(check_mappings(field + ".uidMappings", mount.uid_mappings));
    TRY(check_mappings(field + ".gidMappings", mount.gid_mappings));
  }
  return {};
}

Result<> check_absolute(const char* field, const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (!path.starts_with('/')) return invalid(format("{}: \"{}\" is not absolute", field, escape_controls(path)));
  return {};
}

Result<> check_paths(const Spec& spec) {
  if (spec.root.path.empty()) return invalid("root.path: empty");
  TRY(check_mounts(spec));
  TRY(check_absolute("linux.maskedPaths", spec.linux_.masked_paths));
  TRY(check_absolute("linux.readonlyPaths", spec.linux_.readonly_paths));
  for (const std::string& part : split(spec.linux_.cgroups_path, '/'))
    if (part == ".." || part == ".") return invalid(format("linux.cgroupsPath: \"{}\" is no plain path", escape_controls(spec.linux_.cgroups_path)));
  return {};
}

Result<> check_devices(const Spec& spec) {
  std::set<std::string> seen;
  for (size_t i = 0; i < spec.linux_.devices.size(); ++i) {
    const Device& device = spec.linux_.devices[i];
    std::string field = format("linux.devices[{}]", i);
    if (!device.path.starts_with('/')) return invalid(field + ".path: is not absolute");
    if (!seen.insert(device.path).second) return invalid(format("{}.path: \"{}\" stands twice", field, escape_controls(device.path)));
    if (!one_of(device.type, {"c", "b", "u", "p"})) return invalid(format("{}.type: unknown \"{}\"", field, escape_controls(device.type)));
    // podman writes st_mode, with the type of the file above the permissions.
    if (device.file_mode.value_or(0) > 0177777) return invalid(field + ".fileMode: above 0177777");
    if (device.major < 0 || device.minor < 0) return invalid(field + ": major and minor are not below 0");
  }
  return {};
}

bool is_link_name(const std::string& name) {
  constexpr size_t kLongest = 15;  // IFNAMSIZ
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." && name.find_first_of("/: \t\n") == std::string::npos;
}

Result<> check_net_devices(const Spec& spec) {
  if (spec.linux_.net_devices.empty()) return {};
  bool network = std::any_of(spec.linux_.namespaces.begin(), spec.linux_.namespaces.end(), [](const Namespace& ns) { return ns.type == "network"; });
  if (!network) return invalid("linux.netDevices: given without a network namespace");
  std::set<std::string> seen;
  for (const auto& [host, name] : spec.linux_.net_devices) {
    const std::string& inside = name.empty() ? host : name;
    if (!is_link_name(host) || !is_link_name(inside)) return invalid(format("linux.netDevices[\"{}\"]: is no name of a device", escape_controls(host)));
    if (!seen.insert(inside).second) return invalid(format("linux.netDevices[\"{}\"].name: \"{}\" stands twice", host, inside));
  }
  return {};
}

Result<> check_intel_rdt(const IntelRdt& rdt) {
  const std::string& name = rdt.clos_id;
  if (name != "/" && (name.find('/') != std::string::npos || name == "." || name == ".." || name == "info" || name == "mon_groups" || name == "mon_data"))
    return invalid(format("linux.intelRdt.closID: \"{}\" is no name of a class", escape_controls(name)));
  for (const std::string& line : rdt.schemata)
    if (line.find('\n') != std::string::npos || line.find(':') == std::string::npos)
      return invalid(format("linux.intelRdt.schemata: \"{}\" is no line as L3:0=f", escape_controls(line)));
  return {};
}

Result<> check_rest(const Spec& spec) {
  const Linux& linux_ = spec.linux_;
  if (linux_.intel_rdt) TRY(check_intel_rdt(*linux_.intel_rdt));
  if (linux_.mount_label.find_first_of(" \t\n\"") != std::string::npos) return invalid("linux.mountLabel: is no security context");
  if (linux_.personality_domain && !one_of(*linux_.personality_domain, {"LINUX", "LINUX32"}))
    return invalid(format("linux.personality.domain: unknown \"{}\"", escape_controls(*linux_.personality_domain)));
  if (!linux_.personality_flags.empty()) return unsupported("linux.personality.flags");
  if (!one_of(linux_.rootfs_propagation, {"", "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"}))
    return invalid(format("linux.rootfsPropagation: unknown \"{}\"", escape_controls(linux_.rootfs_propagation)));
  if (linux_.seccomp && !linux_.seccomp->listener_path.empty() && !linux_.seccomp->listener_path.starts_with('/'))
    return invalid("linux.seccomp.listenerPath: is not absolute");
  if (linux_.seccomp && linux_.seccomp->listener_path.empty() && !linux_.seccomp->listener_metadata.empty())
    return invalid("linux.seccomp.listenerMetadata: given without listenerPath");
  return {};
}

}  // namespace

Result<> validate(const Spec& spec) {
  TRY(check_version(spec));
  TRY(validate(spec.process));
  TRY(check_paths(spec));
  TRY(check_namespaces(spec));
  TRY(check_sysctl(spec));
  TRY(check_hooks(spec));
  TRY(check_devices(spec));
  TRY(check_net_devices(spec));
  if (spec.linux_.resources) TRY(validate(*spec.linux_.resources));
  return check_rest(spec);
}

}  // namespace hull::oci
