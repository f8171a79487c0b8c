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

Result<> check_rlimits(const Process& process) {
  std::set<std::string> seen;
  for (const Rlimit& limit : process.rlimits) {
    if (!seen.insert(limit.type).second) return invalid(format("process.rlimits: \"{}\" stands twice", escape_controls(limit.type)));
    if (limit.soft > limit.hard) return invalid(format("process.rlimits: {}: soft {} is above hard {}", escape_controls(limit.type), limit.soft, limit.hard));
  }
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
  TRY(check_hook("poststart", hooks.poststart));
  TRY(check_hook("poststop", hooks.poststop));
  if (!hooks.create_container.empty()) return unsupported("hooks.createContainer");
  if (!hooks.start_container.empty()) return unsupported("hooks.startContainer");
  return {};
}

Result<> check_mappings(const char* field, const std::vector<IdMapping>& maps) {
  for (size_t i = 0; i < maps.size(); ++i) {
    if (maps[i].size == 0) return invalid(format("{}[{}].size: must be above 0", field, i));
    if (maps[i].size > UINT32_MAX - maps[i].container_id || maps[i].size > UINT32_MAX - maps[i].host_id)
      return invalid(format("{}[{}]: reaches beyond the last id", field, i));
  }
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
  TRY(check_mappings("linux.uidMappings", spec.linux_.uid_mappings));
  return check_mappings("linux.gidMappings", spec.linux_.gid_mappings);
}

// A sysctl that no namespace of the container owns would change the host.
Result<> check_sysctl(const Spec& spec) {
  auto has = [&](std::string_view type) {
    return std::any_of(spec.linux_.namespaces.begin(), spec.linux_.namespaces.end(), [&](const Namespace& ns) { return ns.type == type; });
  };
  for (const auto& [name, value] : spec.linux_.sysctl) {
    std::string key = name;
    if (key.find('/') < key.find('.')) std::replace(key.begin(), key.end(), '/', '.');
    std::string_view owner;
    if (key.starts_with("net.")) owner = "network";
    else if (one_of(key, {"kernel.hostname", "kernel.domainname"})) owner = "uts";
    else if (key.starts_with("fs.mqueue.") || key.starts_with("kernel.shm") || one_of(key, {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"})) owner = "ipc";
    if (owner.empty() || key.find("..") != std::string::npos)
      return invalid(format("linux.sysctl[\"{}\"]: belongs to no namespace", escape_controls(name)));
    if (!has(owner)) return invalid(format("linux.sysctl[\"{}\"]: needs a {} namespace", escape_controls(name), owner));
  }
  return {};
}

Result<> check_paths(const Spec& spec) {
  if (spec.root.path.empty()) return invalid("root.path: empty");
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    if (spec.mounts[i].destination.empty()) return invalid(format("mounts[{}].destination: empty", i));
    if (!spec.mounts[i].uid_mappings.empty()) return unsupported(format("mounts[{}].uidMappings", i));
    if (!spec.mounts[i].gid_mappings.empty()) return unsupported(format("mounts[{}].gidMappings", i));
  }
  for (const std::string& path : spec.linux_.masked_paths)
    if (!path.starts_with('/')) return invalid(format("linux.maskedPaths: \"{}\" is not absolute", escape_controls(path)));
  for (const std::string& path : spec.linux_.readonly_paths)
    if (!path.starts_with('/')) return invalid(format("linux.readonlyPaths: \"{}\" is not absolute", escape_controls(path)));
  for (size_t i = 0; i < spec.linux_.devices.size(); ++i)
    if (!spec.linux_.devices[i].path.starts_with('/')) return invalid(format("linux.devices[{}].path: is not absolute", i));
  return {};
}

}  // namespace

Result<> validate(const Process& process) {
  if (process.args.empty() || process.args[0].empty()) return invalid("process.args: no command given");
  if (!process.cwd.starts_with('/')) return invalid(format("process.cwd: \"{}\" is not absolute", escape_controls(process.cwd)));
  for (size_t i = 0; i < process.env.size(); ++i)
    if (process.env[i].find('=') == std::string::npos || process.env[i][0] == '=')
      return invalid(format("process.env[{}]: is not NAME=value", i));
  if (process.user.umask && *process.user.umask > 0777) return invalid("process.user.umask: above 0777");
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000))
    return invalid("process.oomScoreAdj: not from -1000 to 1000");
  if (!process.selinux_label.empty()) return unsupported("process.selinuxLabel");
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined") return unsupported("process.apparmorProfile");
  if (process.scheduler) return unsupported("process.scheduler");
  if (process.io_priority) return unsupported("process.ioPriority");
  if (process.exec_cpu_affinity) return unsupported("process.execCPUAffinity");
  return check_rlimits(process);
}

Result<> validate(const Spec& spec) {
  TRY(check_version(spec));
  TRY(validate(spec.process));
  TRY(check_paths(spec));
  TRY(check_namespaces(spec));
  TRY(check_sysctl(spec));
  TRY(check_hooks(spec));
  if (!spec.linux_.mount_label.empty()) return unsupported("linux.mountLabel");
  if (spec.linux_.personality_domain) return unsupported("linux.personality");
  if (spec.linux_.seccomp && !spec.linux_.seccomp->listener_path.empty()) return unsupported("linux.seccomp.listenerPath");
  return {};
}

}  // namespace hull::oci
