#include "engine/inspect.h"

#include "base/text.h"
#include "engine/ports.h"

namespace hull::engine {
namespace {

using json::array;
using json::object;
using json::value;
using kernel::NsKind;

array strings(const std::vector<std::string>& list) {
  array out;
  for (const std::string& text : list) out.push_back(json::string(text));
  return out;
}

value strings_or_null(const std::vector<std::string>& list) { return list.empty() ? value(nullptr) : value(strings(list)); }

object strings(const std::map<std::string, std::string>& map) {
  object out;
  for (const auto& [key, text] : map) out[key] = text;
  return out;
}

template <typename Number>
int64_t number(const std::optional<Number>& optional) { return optional ? static_cast<int64_t>(*optional) : 0; }

object state_value(const State& state) {
  return {{"Status", std::string(status_name(state.status))},
          {"Running", state.running()},
          {"Paused", state.status == Status::Paused},
          {"Restarting", state.status == Status::Restarting},
          {"OOMKilled", state.oom_killed},
          {"Dead", state.status == Status::Dead},
          {"Pid", state.pid},
          {"ExitCode", state.exit_code},
          {"Error", state.error},
          {"StartedAt", state.started_at.empty() ? std::string(kZeroTime) : state.started_at},
          {"FinishedAt", state.finished_at.empty() ? std::string(kZeroTime) : state.finished_at}};
}

// The mode in docker's words: what the user wrote, or the default's name.
std::string mode_text(const ContainerConfig& config, NsKind kind) {
  const NamespaceSpec& ns = config.ns(kind);
  if (!ns.text.empty()) return ns.text;
  switch (kind) {
    case NsKind::Net: return ns.mode == NsMode::Host ? "host" : "none";
    case NsKind::Ipc: case NsKind::Cgroup: return ns.mode == NsMode::Host ? "host" : "private";
    default: return "";
  }
}

std::string bind_text(const MountSpec& mount) {
  std::string text = mount.source + ":" + mount.target;
  if (mount.read_only) text += ":ro";
  return text;
}

array ulimits_value(const ContainerConfig& config) {
  auto limit = [](uint64_t bound) { return bound == UINT64_MAX ? int64_t{-1} : static_cast<int64_t>(bound); };
  array out;
  for (const Ulimit& ulimit : config.ulimits)
    out.push_back(object{{"Name", ulimit.name}, {"Hard", limit(ulimit.hard)}, {"Soft", limit(ulimit.soft)}});
  return out;
}

// docker's maps from "80/tcp" to where it is asked for, and where it is.
object bindings_value(const ContainerConfig& config) {
  object out;
  for (const net::PortBinding& b : config.ports) {
    value& list = out[b.inside.text()];
    if (!list.is_array()) list = array{};
    list.get_array().push_back(object{{"HostIp", b.host_ip}, {"HostPort", b.host_ports()}});
  }
  return out;
}

object published_value(const Container& container) {
  object out;
  for (const net::ContainerPort& port : only_exposed(container.record, container.state)) out[port.text()] = nullptr;
  for (const net::PublishedPort& port : container.state.ports) {
    value& list = out[port.inside.text()];
    if (!list.is_array()) list = array{};
    list.get_array().push_back(object{{"HostIp", port.host_ip}, {"HostPort", std::to_string(port.host_port)}});
  }
  return out;
}

object exposed_value(const Record& record) {
  object out;
  for (const net::ContainerPort& port : exposed_ports(record)) out[port.text()] = object{};
  return out;
}

void add_modes(object& host, const ContainerConfig& config) {
  host["NetworkMode"] = mode_text(config, NsKind::Net);
  host["PidMode"] = mode_text(config, NsKind::Pid);
  host["IpcMode"] = mode_text(config, NsKind::Ipc);
  host["UTSMode"] = mode_text(config, NsKind::Uts);
  host["UsernsMode"] = mode_text(config, NsKind::User);
  host["CgroupnsMode"] = mode_text(config, NsKind::Cgroup);
}

void add_limits(object& host, const Limits& limits) {
  host["Memory"] = number(limits.memory);
  host["MemoryReservation"] = number(limits.memory_reservation);
  host["MemorySwap"] = number(limits.memory_swap);
  host["MemorySwappiness"] = limits.memory_swappiness ? value(*limits.memory_swappiness) : value(nullptr);
  host["NanoCpus"] = number(limits.nano_cpus);
  host["CpuShares"] = number(limits.cpu_shares);
  host["CpuPeriod"] = number(limits.cpu_period);
  host["CpuQuota"] = number(limits.cpu_quota);
  host["CpusetCpus"] = limits.cpuset_cpus;
  host["CpusetMems"] = limits.cpuset_mems;
  host["PidsLimit"] = limits.pids ? value(*limits.pids) : value(nullptr);
  host["BlkioWeight"] = number(limits.blkio_weight);
  host["OomKillDisable"] = limits.oom_kill_disable;
}

object host_config(const ContainerConfig& config) {
  std::vector<std::string> binds;
  object tmpfs;
  for (const MountSpec& mount : config.mounts) {
    if (mount.kind == MountKind::Bind && mount.origin == "volume") binds.push_back(bind_text(mount));
    if (mount.kind == MountKind::Tmpfs && mount.origin == "tmpfs") tmpfs[mount.target] = join(mount.options, ",");
  }
  object host{{"Binds", strings_or_null(binds)},
              {"AutoRemove", config.rm},
              {"Privileged", config.privileged},
              {"ReadonlyRootfs", config.read_only},
              {"Init", config.init ? value(true) : value(nullptr)},
              {"CapAdd", strings_or_null(config.cap_add)},
              {"CapDrop", strings_or_null(config.cap_drop)},
              {"SecurityOpt", strings_or_null(config.security_opt)},
              {"GroupAdd", strings_or_null(config.group_add)},
              {"Sysctls", strings(config.sysctl)},
              {"Ulimits", ulimits_value(config)},
              {"ShmSize", config.shm_size},
              {"OomScoreAdj", number(config.oom_score_adj)},
              {"CgroupParent", config.cgroup_parent},
              {"Runtime", "hull"},
              {"PortBindings", bindings_value(config)},
              {"PublishAllPorts", config.publish_all},
              {"Tmpfs", tmpfs},
              {"RestartPolicy", object{{"Name", "no"}, {"MaximumRetryCount", 0}}},
              {"LogConfig", object{{"Type", config.log_driver}, {"Config", strings(config.log_opts)}}}};
  add_modes(host, config);
  add_limits(host, config.limits);
  return host;
}

object config_value(const Record& record) {
  const ContainerConfig& config = record.config;
  return {{"Hostname", record.hostname},
          {"Domainname", config.domainname},
          {"User", record.process.user},
          {"AttachStdin", config.attach_stdin},
          {"AttachStdout", config.attach_stdout},
          {"AttachStderr", config.attach_stderr},
          {"Tty", config.tty},
          {"OpenStdin", config.open_stdin},
          {"StdinOnce", config.open_stdin && config.attach_stdin},
          {"Env", strings(record.process.env)},
          {"Cmd", strings_or_null(config.command)},
          {"Entrypoint", config.entrypoint ? strings_or_null(*config.entrypoint) : value(nullptr)},
          {"Image", config.image},
          {"WorkingDir", record.process.workdir},
          {"ExposedPorts", exposed_value(record)},
          {"Labels", strings(record.process.labels)},
          {"StopSignal", record.process.stop_signal}};
}

array mounts_value(const ContainerConfig& config) {
  array out;
  for (const MountSpec& mount : config.mounts)
    out.push_back(object{{"Type", mount.kind == MountKind::Bind ? "bind" : "tmpfs"}, {"Source", mount.source}, {"Destination", mount.target},
                         {"Mode", mount.read_only ? "ro" : ""}, {"RW", !mount.read_only}, {"Propagation", mount.propagation}});
  return out;
}

// By kind: a file to join it by, its inode, how long it lasts, and who else is in it.
object namespaces_value(const Container& container) {
  object out;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    uint64_t inode = container.namespaces[static_cast<size_t>(info.kind)];
    if (inode == 0) continue;
    const NamespaceSpec& ns = container.record.config.ns(info.kind);
    array sharers;
    for (const auto& [kind, name] : container.sharers)
      if (kind == info.kind) sharers.push_back(json::string(name));
    const std::string& kept = container.kept_paths[static_cast<size_t>(info.kind)];
    const char* lasts = ns.mode == NsMode::Host ? "host" : !kept.empty() ? "record" : "process";
    std::string path = container.state.pid != 0 ? format("/proc/{}/ns/{}", container.state.pid, info.name) : kept;
    out[info.name] = object{{"Path", path}, {"Inode", inode}, {"Mode", ns.text}, {"Lasts", lasts}, {"SharedWith", std::move(sharers)}};
  }
  return out;
}

object graph_driver(const Container& container) {
  if (container.upper_dir.empty()) return {{"Name", "rootfs"}, {"Data", object{{"Root", container.record.config.rootfs}}}};
  return {{"Name", "overlay2"},
          {"Data", object{{"LowerDir", container.lower_dirs}, {"UpperDir", container.upper_dir}, {"WorkDir", container.work_dir}}}};
}

}  // namespace

json::value inspect_json(const Container& container) {
  const Record& record = container.record;
  std::vector<std::string> arguments(record.process.args.begin() + (record.process.args.empty() ? 0 : 1), record.process.args.end());
  std::string sandbox_key = container.state.pid != 0 ? format("/proc/{}/ns/net", container.state.pid) : "";
  return object{{"Id", record.id},
                {"Created", record.created},
                {"Path", record.process.args.empty() ? "" : record.process.args[0]},
                {"Args", strings(arguments)},
                {"State", state_value(container.state)},
                {"Image", record.image_id},
                {"ResolvConfPath", container.resolv_conf_path},
                {"HostnamePath", container.hostname_path},
                {"HostsPath", container.hosts_path},
                {"LogPath", container.log_path},
                {"Name", "/" + record.name},
                {"RestartCount", 0},
                {"Driver", container.upper_dir.empty() ? "rootfs" : "overlay2"},
                {"Platform", "linux"},
                {"MountLabel", ""},
                {"ProcessLabel", ""},
                {"AppArmorProfile", ""},
                {"ExecIDs", nullptr},
                {"HostConfig", host_config(record.config)},
                {"GraphDriver", graph_driver(container)},
                {"Mounts", mounts_value(record.config)},
                {"Config", config_value(record)},
                {"Namespaces", namespaces_value(container)},
                {"NetworkSettings", object{{"SandboxKey", sandbox_key}, {"Ports", published_value(container)}, {"IPAddress", ""}, {"Networks", object{}}}}};
}

}  // namespace hull::engine
