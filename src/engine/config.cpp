// From flags to a configuration: every default and every rule between options stands here, as one table of steps.
#include "engine/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

#include "base/text.h"
#include "engine/names.h"
#include "engine/specs.h"
#include "engine/terminal.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

struct Maker {
  const RunArgs& args;
  const RunInputs& inputs;
  ContainerConfig config;
  std::map<NsKind, std::string> said = {};  // of which kinds the options speak, and which one does
};

tl::unexpected<Error> invalid(std::string text) { return fail(ErrorKind::Invalid, std::move(text)); }

Result<> check_line(std::string_view what, std::string_view value) {
  for (char c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return invalid(format("invalid {}: control characters are not allowed", what));
  return {};
}

Result<> set_identity(Maker& m) {
  const RunArgs& args = m.args;
  ContainerConfig& config = m.config;
  if (args.image.empty() == args.rootfs.empty())
    return invalid(args.image.empty() ? "an image or --rootfs is needed" : "conflicting options: --rootfs and an image");
  if (!args.name.empty()) TRY(check_name(args.name));
  config.image = args.image;
  config.rootfs = args.rootfs;
  if (!config.rootfs.empty() && !config.rootfs.starts_with('/')) config.rootfs = clean_path(m.inputs.working_directory + "/" + config.rootfs);
  config.name = args.name;
  config.command = args.command;
  if (args.entrypoint) config.entrypoint = args.entrypoint->empty() ? std::vector<std::string>() : std::vector<std::string>{*args.entrypoint};
  return {};
}

Result<> set_modes(Maker& m) {
  const RunArgs& args = m.args;
  ContainerConfig& config = m.config;
  config.tty = args.tty;
  config.open_stdin = args.interactive;
  config.detach = args.detach;
  config.rm = args.rm;
  config.init = args.init;
  config.read_only = args.read_only;
  config.privileged = args.privileged;
  bool some = !args.attach.empty();
  for (const std::string& stream : args.attach) {
    std::string name = to_lower(stream);
    if (name == "stdin") config.attach_stdin = true;
    else if (name == "stdout") config.attach_stdout = true;
    else if (name == "stderr") config.attach_stderr = true;
    else return invalid(format("invalid argument \"{}\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR", stream));
  }
  if (some && args.detach) return invalid("conflicting options: cannot specify both --attach and --detach");
  if (!some && !args.detach) {
    config.attach_stdin = args.interactive;
    config.attach_stdout = config.attach_stderr = true;
  }
  if (!args.restart.empty() && args.restart != "no")
    return fail(ErrorKind::Unsupported, args.rm ? "conflicting options: cannot specify both --restart and --rm"
                                                : format("restart policy {} is not supported; use no", args.restart));
  return {};
}

// NAME=value, or NAME for the caller's own value (nothing when it has none).
Result<> add_env(Maker& m, const std::string& entry) {
  size_t equals = entry.find('=');
  if (entry.empty() || equals == 0 || entry.find('\0') != std::string::npos) return invalid(format("invalid environment variable: {}", entry));
  if (equals != std::string::npos) {
    m.config.env.push_back(entry);
    return {};
  }
  for (const std::string& own : m.inputs.environment)
    if (own.starts_with(entry + "=")) m.config.env.push_back(own);
  return {};
}

Result<> set_env(Maker& m) {
  for (const std::string& path : m.args.env_file) {
    auto file = m.inputs.files.find(path);
    if (file == m.inputs.files.end()) return fail(ErrorKind::NotFound, format("open {}: no such file or directory", path));
    for (const std::string& entry : TRY(env_file_entries(path, file->second))) TRY(add_env(m, entry));
  }
  for (const std::string& entry : m.args.env) TRY(add_env(m, entry));
  return {};
}

Result<> set_labels(Maker& m) {
  auto add = [](std::map<std::string, std::string>& to, const std::string& entry, const char* what) -> Result<> {
    size_t equals = entry.find('=');
    std::string key = entry.substr(0, equals);
    if (key.empty()) return invalid(format("invalid {}: '{}' has no key", what, entry));
    to[key] = equals == std::string::npos ? "" : entry.substr(equals + 1);
    return {};
  };
  for (const std::string& path : m.args.label_file) {
    auto file = m.inputs.files.find(path);
    if (file == m.inputs.files.end()) return fail(ErrorKind::NotFound, format("open {}: no such file or directory", path));
    for (std::string_view line : split_lines(file->second))
      if (!trim(line).empty() && trim(line)[0] != '#') TRY(add(m.config.labels, std::string(trim(line)), "label"));
  }
  for (const std::string& entry : m.args.label) TRY(add(m.config.labels, entry, "label"));
  for (const std::string& entry : m.args.annotation) TRY(add(m.config.annotations, entry, "annotation"));
  return {};
}

Result<> set_user(Maker& m) {
  TRY(parse_user(m.args.user));
  m.config.user = m.args.user;
  m.config.group_add = m.args.group_add;
  if (!m.args.workdir.empty() && !m.args.workdir.starts_with('/'))
    return invalid(format("the working directory '{}' is invalid, it needs to be an absolute path", m.args.workdir));
  m.config.workdir = m.args.workdir.empty() ? "" : clean_path(m.args.workdir);
  constexpr size_t kHostnameMax = 63;
  if (m.args.hostname.size() > kHostnameMax) return invalid(format("invalid hostname format: {}: longer than 63 bytes", m.args.hostname));
  TRY(check_line("hostname", m.args.hostname));
  TRY(check_line("domainname", m.args.domainname));
  m.config.hostname = m.args.hostname;
  m.config.domainname = m.args.domainname;
  return {};
}

bool is_ip_address(const std::string& text) {
  unsigned char address[16];
  return ::inet_pton(AF_INET, text.c_str(), address) == 1 || ::inet_pton(AF_INET6, text.c_str(), address) == 1;
}

Result<> set_names(Maker& m) {
  ContainerConfig& config = m.config;
  for (const std::string& entry : m.args.add_host) {
    size_t colon = entry.find_first_of(":=");
    if (colon == std::string::npos || colon == 0 || colon + 1 == entry.size())
      return invalid(format("bad format for add-host: \"{}\": write NAME:ADDRESS", escape_controls(entry)));
    TRY(check_line("add-host", entry));
    if (std::string address = entry.substr(colon + 1); !is_ip_address(address))
      return invalid(format("invalid argument \"{}\" for \"--add-host\" flag: invalid IP address in add-host: \"{}\"", escape_controls(entry), escape_controls(address)));
    config.extra_hosts.push_back(entry.substr(0, colon) + ":" + entry.substr(colon + 1));
  }
  for (const std::string& server : m.args.dns) {
    if (!is_ip_address(server))
      return invalid(format("invalid argument \"{}\" for \"--dns\" flag: {} is not an ip address", escape_controls(server), escape_controls(server)));
    config.dns.push_back(server);
  }
  for (const std::vector<std::string>* list : {&m.args.dns_search, &m.args.dns_option})
    for (const std::string& word : *list) TRY(check_line("DNS option", word));
  config.dns_search = m.args.dns_search;
  config.dns_options = m.args.dns_option;
  return {};
}

Result<> set_mounts(Maker& m) {
  for (const std::string& volume : m.args.volume) m.config.mounts.push_back(TRY(parse_volume(volume, m.inputs.working_directory)));
  for (const std::string& mount : m.args.mount) m.config.mounts.push_back(TRY(parse_mount(mount)));
  for (const std::string& tmpfs : m.args.tmpfs) m.config.mounts.push_back(TRY(parse_tmpfs(tmpfs)));
  for (const std::string& device : m.args.device) m.config.devices.push_back(TRY(parse_device(device)));
  for (auto a = m.config.mounts.begin(); a != m.config.mounts.end(); ++a)
    if (std::any_of(m.config.mounts.begin(), a, [&](const MountSpec& b) { return b.target == a->target; }))
      return invalid(format("Duplicate mount point: {}", a->target));
  return {};
}

Result<> say_namespace(Maker& m, NsKind kind, const std::string& option, NamespaceSpec spec) {
  auto [at, first] = m.said.emplace(kind, option);
  if (!first) return invalid(format("conflicting options: {} and {} both say what the {} namespace is to be; leave one out", at->second, option, kernel::ns_info(kind).name));
  m.config.ns(kind) = std::move(spec);
  return {};
}

Result<> apply_ns_entry(Maker& m, std::string_view entry) {
  std::string option = format("--ns {}", entry);
  size_t equals = entry.find('=');
  if (auto set = m.inputs.named.find(entry); set != m.inputs.named.end()) {
    // Its root is a container's own (specs.cpp); a set of nothing else is of no use to one.
    if (set->second == std::vector<NsKind>{NsKind::Mnt})
      return invalid(format("--ns {}: keeps a mount namespace alone, and a container has its own; enter it with hull nsenter --mount={}", entry, entry));
    for (NsKind of : set->second)
      if (of != NsKind::Mnt) TRY(say_namespace(m, of, option, {NsMode::Named, std::string(entry), "ns:" + std::string(entry)}));
    return {};
  }
  auto kind = kernel::ns_kind_from_name(entry.substr(0, equals));
  if (equals == std::string_view::npos || !kind)
    return invalid(format("--ns: invalid entry '{}'; write KIND=SPEC with KIND one of mnt, uts, ipc, net, pid, user, cgroup, time, or a name of hull ns create", entry));
  std::string_view spec = entry.substr(equals + 1);
  bool offset = *kind == NsKind::Time && !spec.empty() && (spec[0] == '+' || spec[0] == '-');
  if (!offset) return say_namespace(m, *kind, option, TRY(parse_namespace(*kind, spec, "--ns")));
  int64_t seconds = TRY(parse_time_offset(spec));
  m.config.time_offsets = TimeOffsets{seconds, seconds};
  return say_namespace(m, *kind, option, {NsMode::Private, "", std::string(spec)});
}

void set_default_maps(Maker& m) {
  m.config.uid_map = m.config.gid_map = {kDefaultIdMap};
  if (!m.inputs.ordinary_user) return;
  m.config.uid_map = {{0, m.inputs.ordinary_user->first, 1}};
  m.config.gid_map = {{0, m.inputs.ordinary_user->second, 1}};
}

Result<> set_namespaces(Maker& m) {
  // A user or time namespace of its own only on request: as docker, the host's.
  m.config.ns(NsKind::User).mode = m.config.ns(NsKind::Time).mode = NsMode::Host;
  // Without a user namespace of its own, an ordinary user's container could have none of the others.
  if (m.inputs.ordinary_user) m.config.ns(NsKind::User).mode = NsMode::Private;
  const std::tuple<NsKind, const std::optional<std::string>&, const char*> flags[] = {
      {NsKind::Net, m.args.network, "--network"}, {NsKind::Pid, m.args.pid, "--pid"}, {NsKind::Ipc, m.args.ipc, "--ipc"},
      {NsKind::Uts, m.args.uts, "--uts"}, {NsKind::User, m.args.userns, "--userns"}, {NsKind::Cgroup, m.args.cgroupns, "--cgroupns"}};
  for (const auto& [kind, value, flag] : flags)
    if (value && !value->empty()) {
      NamespaceSpec spec = TRY(parse_namespace(kind, *value, flag));
      TRY(say_namespace(m, kind, format("{} {}", flag, *value), std::move(spec)));
    }
  for (const std::string& list : m.args.ns)
    for (const std::string& entry : split(list, ',')) TRY(apply_ns_entry(m, entry));
  for (const std::string& map : m.args.uidmap) m.config.uid_map.push_back(TRY(parse_id_map(map)));
  for (const std::string& map : m.args.gidmap) m.config.gid_map.push_back(TRY(parse_id_map(map)));
  bool mapped = !m.config.uid_map.empty() || !m.config.gid_map.empty();
  if (mapped && m.config.ns(NsKind::User).mode == NsMode::Host && !m.args.userns) m.config.ns(NsKind::User).mode = NsMode::Private;
  if (mapped && m.config.ns(NsKind::User).mode != NsMode::Private)
    return invalid("conflicting options: --uidmap and --gidmap need a user namespace of the container's own (--userns=private)");
  if (mapped && m.config.uid_map.empty()) m.config.uid_map = m.config.gid_map;
  if (mapped && m.config.gid_map.empty()) m.config.gid_map = m.config.uid_map;
  if (!mapped && m.config.ns(NsKind::User).mode == NsMode::Private) set_default_maps(m);
  if (m.config.privileged && m.config.ns(NsKind::User).mode == NsMode::Private)
    return invalid("conflicting options: --privileged and a private user namespace");
  if (!m.config.hostname.empty() && m.config.ns(NsKind::Uts).mode != NsMode::Private)
    return invalid("conflicting options: hostname and the UTS mode");
  for (const NamespaceSpec& ns : m.config.namespaces)
    if (ns.mode == NsMode::Container && !m.args.name.empty() && ns.target == m.args.name)
      return invalid(format("container:{} is the container itself: leave it out, or name another", escape_controls(ns.target)));
  return {};
}

// docker refuses these with a shared network; here the port leads into what is shared.
Result<> set_ports(Maker& m) {
  ContainerConfig& config = m.config;
  for (const std::string& text : m.args.publish) {
    auto bindings = TRY(net::parse_publish(text));
    config.ports.insert(config.ports.end(), bindings.begin(), bindings.end());
  }
  for (const std::string& text : m.args.expose) {
    auto ports = TRY(net::parse_expose(text));
    config.exposed.insert(config.exposed.end(), ports.begin(), ports.end());
  }
  config.publish_all = m.args.publish_all;
  if (!m.args.strict_ns || config.ns(NsKind::Net).mode != NsMode::Container) return {};
  if (!config.ports.empty() || config.publish_all) return invalid("conflicting options: port publishing and the container type network mode");
  if (!config.exposed.empty()) return invalid("conflicting options: port exposing and the container type network mode");
  return {};
}

Result<> set_security_option(Maker& m, const std::string& option) {
  size_t at = option.find_first_of("=:");
  std::string key = option.substr(0, at), value = at == std::string::npos ? "" : option.substr(at + 1);
  if (key == "no-new-privileges" && (value.empty() || value == "true")) m.config.no_new_privileges = true;
  else if (key == "no-new-privileges" && value == "false") m.config.no_new_privileges = false;
  else if (key == "seccomp" && value == "unconfined") m.config.seccomp.kind = SeccompChoice::Kind::Unconfined;
  else if (key == "seccomp" && value == "builtin") m.config.seccomp.kind = SeccompChoice::Kind::Default;
  else if (key == "seccomp") {
    auto file = m.inputs.files.find(value);
    if (file == m.inputs.files.end()) return fail(ErrorKind::NotFound, format("opening seccomp profile ({}) failed: no such file or directory", value));
    m.config.seccomp = {SeccompChoice::Kind::Profile, file->second};
  } else if (key == "systempaths" && value == "unconfined") m.config.masked_paths = false;
  else if ((key == "apparmor" && value == "unconfined") || (key == "label" && value == "disable")) return {};
  else if (key == "apparmor" || key == "label") return fail(ErrorKind::Unsupported, format("--security-opt {}: this host has no {}", option, key == "apparmor" ? "AppArmor" : "SELinux"));
  else return invalid(format("invalid --security-opt 1: \"{}\"", option));
  return {};
}

Result<> set_security(Maker& m) {
  for (const std::string& name : m.args.cap_add) m.config.cap_add.push_back(TRY_CONTEXT(parse_capability(name), "invalid CapAdd"));
  for (const std::string& name : m.args.cap_drop) m.config.cap_drop.push_back(TRY_CONTEXT(parse_capability(name), "invalid CapDrop"));
  for (const std::string& option : m.args.security_opt) TRY(set_security_option(m, option));
  m.config.security_opt = m.args.security_opt;
  if (m.config.privileged) {
    m.config.masked_paths = false;
    if (m.args.security_opt.empty()) m.config.seccomp.kind = SeccompChoice::Kind::Unconfined;
  }
  return {};
}

// Only what belongs to the container's own namespaces may be set (SECURITY H2).
Result<> check_sysctl(const ContainerConfig& config, const std::string& key, const std::string& value) {
  static constexpr const char* kIpc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
                                         "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
  bool ipc = key.starts_with("fs.mqueue.") || std::find(std::begin(kIpc), std::end(kIpc), key) != std::end(kIpc);
  bool net = key.starts_with("net.");
  if (!ipc && !net) return fail(ErrorKind::Denied, format("sysctl '{}' is not allowed: it is not of a namespace; only net.*, fs.mqueue.* and System V IPC ones are", key));
  for (char c : key)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_' && c != '-' && c != '/') return invalid(format("sysctl '{}': invalid name", escape_controls(key)));
  if (key.find("..") != std::string::npos) return invalid(format("sysctl '{}': invalid name", key));
  TRY(check_line(format("value of sysctl '{}'", key), value));
  NsKind kind = net ? NsKind::Net : NsKind::Ipc;
  if (config.ns(kind).mode == NsMode::Host)
    return fail(ErrorKind::Denied, format("sysctl '{}' not allowed in host {} namespace", key, net ? "network" : "ipc"));
  return {};
}

Result<> set_sysctls(Maker& m) {
  for (const std::string& entry : m.args.sysctl) {
    size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) return invalid(format("sysctl '{}' is not allowed: write NAME=VALUE", entry));
    std::string key = entry.substr(0, equals), value = entry.substr(equals + 1);
    TRY(check_sysctl(m.config, key, value));
    m.config.sysctl[key] = value;
  }
  for (const std::string& entry : m.args.ulimit) m.config.ulimits.push_back(TRY(parse_ulimit(entry)));
  return {};
}

Result<std::optional<int64_t>> bytes(std::string_view text, std::string_view flag, bool allow_unlimited) {
  if (text.empty()) return std::optional<int64_t>();
  if (allow_unlimited && text == "-1") return std::optional<int64_t>(-1);
  auto value = parse_bytes(text);
  if (!value || *value > INT64_MAX) return invalid(format("invalid argument \"{}\" for \"--{}\" flag: invalid size: '{}'", text, flag, text));
  return std::optional<int64_t>(static_cast<int64_t>(*value));
}

Result<std::optional<int64_t>> nano_cpus(const std::string& text, unsigned available) {
  if (text.empty()) return std::optional<int64_t>();
  double cpus{};
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), cpus);
  if (code != std::errc() || end != text.data() + text.size() || !(cpus >= 0) || cpus > 1e6) return invalid(format("invalid argument \"{}\" for \"--cpus\" flag: failed to parse {} as a rational number", text, text));
  if (available > 0 && cpus > available)
    return invalid(format("range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available", available, available));
  return std::optional<int64_t>(static_cast<int64_t>(cpus * 1e9));
}

Result<> set_limits(Maker& m) {
  constexpr int64_t kLeastMemory = 6 << 20;
  Limits& limits = m.config.limits;
  limits.memory = TRY(bytes(m.args.memory, "memory", false));
  limits.memory_reservation = TRY(bytes(m.args.memory_reservation, "memory-reservation", false));
  limits.memory_swap = TRY(bytes(m.args.memory_swap, "memory-swap", true));
  if (limits.memory && *limits.memory == 0) limits.memory.reset();
  if (limits.memory && *limits.memory < kLeastMemory) return invalid("Minimum memory limit allowed is 6MB");
  if (limits.memory_swap && *limits.memory_swap > 0 && !limits.memory) return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (limits.memory_swap && *limits.memory_swap > 0 && *limits.memory_swap < *limits.memory) return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (limits.memory && limits.memory_reservation && *limits.memory < *limits.memory_reservation) return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  limits.memory_swappiness = m.args.memory_swappiness;
  limits.nano_cpus = TRY(nano_cpus(m.args.cpus, m.inputs.cpu_count));
  limits.cpu_shares = m.args.cpu_shares;
  limits.cpu_period = m.args.cpu_period;
  limits.cpu_quota = m.args.cpu_quota;
  if (limits.nano_cpus && (limits.cpu_period || limits.cpu_quota)) return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  constexpr int64_t kDefaultPids = 2048;
  limits.pids = m.args.pids_limit.value_or(kDefaultPids);
  bool asked = m.args.pids_limit || !m.inputs.ordinary_user;  // who has no cgroup goes without the default
  if (!asked || *limits.pids <= 0) limits.pids.reset();
  if (m.args.blkio_weight) {
    if (*m.args.blkio_weight != 0 && (*m.args.blkio_weight < 10 || *m.args.blkio_weight > 1000)) return invalid("Range of blkio weight is from 10 to 1000");
    if (*m.args.blkio_weight != 0) limits.blkio_weight = static_cast<uint16_t>(*m.args.blkio_weight);
  }
  limits.cpuset_cpus = m.args.cpuset_cpus;
  limits.cpuset_mems = m.args.cpuset_mems;
  limits.oom_kill_disable = m.args.oom_kill_disable;
  return {};
}

Result<> set_rest(Maker& m) {
  ContainerConfig& config = m.config;
  config.oom_score_adj = m.args.oom_score_adj;
  if (config.oom_score_adj && (*config.oom_score_adj < -1000 || *config.oom_score_adj > 1000))
    return invalid(format("Invalid value {}, range for oom score adj is [-1000, 1000]", *config.oom_score_adj));
  if (!m.args.stop_signal.empty()) TRY(parse_signal(m.args.stop_signal));
  config.stop_signal = m.args.stop_signal;
  config.stop_timeout_s = m.args.stop_timeout;
  auto shm = TRY(bytes(m.args.shm_size, "shm-size", false));
  if (shm) config.shm_size = static_cast<uint64_t>(*shm);
  if (!m.args.log_driver.empty()) config.log_driver = m.args.log_driver;
  if (config.log_driver != "json-file" && config.log_driver != "none")
    return fail(ErrorKind::Unsupported, format("logger: no log driver named '{}' is registered; use json-file or none", config.log_driver));
  for (const std::string& option : m.args.log_opt) {
    size_t equals = option.find('=');
    std::string key = option.substr(0, equals), value = equals == std::string::npos ? "" : option.substr(equals + 1);
    if (key != "max-size" && key != "max-file") return invalid(format("unknown log opt '{}' for {} log driver", key, config.log_driver));
    if (key == "max-size" && value != "-1" && !parse_bytes(value)) return invalid(format("invalid value for max-size: {}", value));
    if (key == "max-file" && !parse_uint(value, 1, 1000)) return invalid(format("invalid value for max-file: {}", value));
    config.log_opts[key] = value;
  }
  config.cgroup_parent = m.args.cgroup_parent;
  config.strict_ns = m.args.strict_ns;
  return {};
}

}  // namespace

Result<std::vector<std::string>> env_file_entries(std::string_view path, std::string_view text) {
  std::vector<std::string> entries;
  for (std::string_view line : split_lines(text)) {
    size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos || line[start] == '#') continue;
    line.remove_prefix(start);
    std::string_view name = line.substr(0, line.find('='));
    if (name.empty()) return fail(ErrorKind::Invalid, format("invalid env file ({}): no variable name on line '{}'", path, escape_controls(line)));
    if (name.find_first_of(" \t") != std::string_view::npos)
      return fail(ErrorKind::Invalid, format("invalid env file ({}): variable '{}' contains whitespaces", path, escape_controls(name)));
    entries.emplace_back(line);
  }
  return entries;
}

Result<ContainerConfig> make_config(const RunArgs& args, const RunInputs& inputs) {
  static constexpr Result<> (*kSteps[])(Maker&) = {set_identity, set_modes, set_env, set_labels, set_user, set_names, set_mounts,
                                                   set_namespaces, set_ports, set_security, set_sysctls, set_limits, set_rest};
  Maker maker{args, inputs, {}};
  for (auto step : kSteps) TRY(step(maker));
  return std::move(maker.config);
}

std::vector<std::string> config_warnings(const ContainerConfig& config) {
  if (config.ns(NsKind::Net).mode != NsMode::Host || (config.ports.empty() && !config.publish_all)) return {};
  return {"Published ports are discarded when using host network mode"};
}

static bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& entry) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
  });
}

static void set_variable(std::vector<std::string>& env, const std::string& entry) {
  std::string prefix = entry.substr(0, entry.find('=') + 1);
  for (std::string& existing : env)
    if (existing.starts_with(prefix)) {
      existing = entry;
      return;
    }
  env.push_back(entry);
}

Result<ProcessChoice> choose_process(const ContainerConfig& config, const ImageDefaults& image, std::string_view hostname) {
  ProcessChoice choice;
  choice.args = config.entrypoint ? *config.entrypoint : image.entrypoint;
  const std::vector<std::string>& command = config.command.empty() && !config.entrypoint ? image.command : config.command;
  choice.args.insert(choice.args.end(), command.begin(), command.end());
  if (choice.args.empty() || choice.args[0].empty()) return fail(ErrorKind::Invalid, "no command specified");
  for (const std::string& entry : image.env)
    if (entry.find('=') != std::string::npos && entry.find('=') != 0) set_variable(choice.env, entry);
  for (const std::string& entry : config.env) set_variable(choice.env, entry);
  std::vector<std::string> env;
  if (!has_variable(choice.env, "PATH")) env.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  if (!has_variable(choice.env, "HOSTNAME")) env.push_back("HOSTNAME=" + std::string(hostname));
  if (config.tty && !has_variable(choice.env, "TERM")) env.emplace_back("TERM=xterm");
  choice.env.insert(choice.env.begin(), env.begin(), env.end());
  choice.user = config.user.empty() ? image.user : config.user;
  choice.workdir = config.workdir.empty() ? image.workdir : config.workdir;
  if (!choice.workdir.starts_with('/')) choice.workdir = "/" + choice.workdir;
  choice.stop_signal = config.stop_signal.empty() ? image.stop_signal : config.stop_signal;
  choice.exposed_ports = net::container_ports_from(image.exposed_ports);
  choice.exposed_ports.insert(choice.exposed_ports.end(), config.exposed.begin(), config.exposed.end());
  std::sort(choice.exposed_ports.begin(), choice.exposed_ports.end());
  choice.exposed_ports.erase(std::unique(choice.exposed_ports.begin(), choice.exposed_ports.end()), choice.exposed_ports.end());
  choice.labels = image.labels;
  for (const auto& [key, value] : config.labels) choice.labels[key] = value;
  return choice;
}

}  // namespace hull::engine
