#include "oci/parse.h"

#include <concepts>
#include <limits>

#include "base/text.h"

namespace hull::oci {
namespace {

// A value and where it stands. The readers below are overloads, found through this type.
struct Node {
  const json::value& value;
  std::string path;

  bool absent() const { return value.is_null(); }
};

std::string_view kind_name(const json::value& v) {
  if (v.is_object()) return "an object";
  if (v.is_array()) return "an array";
  if (v.is_string()) return "a string";
  if (v.is_bool()) return "a boolean";
  if (v.is_null()) return "null";
  return "a number";
}

tl::unexpected<Error> mistyped(const Node& node, std::string_view wanted) {
  std::string found(kind_name(node.value));
  if (node.value.is_number()) found = json::to_text(node.value);
  return fail(ErrorKind::Invalid, format("{}{}expected {}, not {}", node.path, node.path.ends_with(' ') ? "" : ": ", wanted, found));
}

// One object's members. The first error stays, and done() returns it.
class Members {
 public:
  explicit Members(const Node& node) : node_(node) {
    if (!node.value.is_object()) result_ = mistyped(node, "an object");
  }

  template <typename T>
  Members& optional(const char* key, T& out) {
    if (const json::value* member = result_ ? json::find(node_.value, key) : nullptr; member != nullptr && !member->is_null())
      result_ = read(Node{*member, path_of(key)}, out);
    return *this;
  }

  template <typename T>
  Members& required(const char* key, T& out) {
    if (const json::value* member = result_ ? json::find(node_.value, key) : nullptr;
        result_ && (member == nullptr || member->is_null()))
      result_ = fail(ErrorKind::Invalid, format("{}: missing", path_of(key)));
    return optional(key, out);
  }

  Members& refused(const char* key) {
    if (const json::value* member = result_ ? json::find(node_.value, key) : nullptr; member != nullptr && !member->is_null())
      result_ = fail(ErrorKind::Unsupported, format("{}: not supported; remove it", path_of(key)));
    return *this;
  }

  Result<> done() { return std::move(result_); }

 private:
  std::string path_of(const char* key) const {
    return node_.path.ends_with(' ') ? node_.path + key : node_.path + "." + key;
  }

  const Node& node_;
  Result<> result_;
};

Result<> read(const Node& node, std::string& out) {
  if (!node.value.is_string()) return mistyped(node, "a string");
  const json::string& text = node.value.get_string();
  out.assign(text.data(), text.size());
  if (out.find('\0') != std::string::npos) return fail(ErrorKind::Invalid, format("{}: holds a NUL character", node.path));
  return {};
}

Result<> read(const Node& node, bool& out) {
  if (!node.value.is_bool()) return mistyped(node, "a boolean");
  out = node.value.get_bool();
  return {};
}

template <std::integral T>
Result<> read(const Node& node, T& out) {
  const json::value& v = node.value;
  if ((v.is_int64() && std::in_range<T>(v.get_int64())) || (v.is_uint64() && std::in_range<T>(v.get_uint64()))) {
    out = v.is_int64() ? static_cast<T>(v.get_int64()) : static_cast<T>(v.get_uint64());
    return {};
  }
  return mistyped(node, format("an integer from {} to {}", std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

template <typename T>
Result<> read(const Node& node, std::optional<T>& out) { return read(node, out.emplace()); }

template <typename T>
Result<> read(const Node& node, std::vector<T>& out) {
  if (!node.value.is_array()) return mistyped(node, "an array");
  const json::array& items = node.value.get_array();
  for (size_t i = 0; i < items.size(); ++i) TRY(read(Node{items[i], format("{}[{}]", node.path, i)}, out.emplace_back()));
  return {};
}

template <typename T>
Result<> read(const Node& node, std::map<std::string, T>& out) {
  if (!node.value.is_object()) return mistyped(node, "an object");
  for (const auto& member : node.value.get_object()) {
    std::string key(member.key().data(), member.key().size());
    if (key.empty()) return fail(ErrorKind::Invalid, format("{}: holds an empty name", node.path));
    TRY(read(Node{member.value(), format("{}[\"{}\"]", node.path, escape_controls(key))}, out[key]));
  }
  return {};
}

// ---- process

Result<> read(const Node& node, User& u) {
  return Members(node).optional("uid", u.uid).optional("gid", u.gid).optional("umask", u.umask)
      .optional("additionalGids", u.additional_gids).done();
}

Result<> read(const Node& node, Capabilities& c) {
  return Members(node).optional("bounding", c.bounding).optional("effective", c.effective)
      .optional("inheritable", c.inheritable).optional("permitted", c.permitted).optional("ambient", c.ambient).done();
}

Result<> read(const Node& node, Rlimit& r) {
  return Members(node).required("type", r.type).required("hard", r.hard).required("soft", r.soft).done();
}

Result<> read(const Node& node, Scheduler& s) {
  return Members(node).required("policy", s.policy).optional("nice", s.nice).optional("priority", s.priority)
      .optional("flags", s.flags).optional("runtime", s.runtime).optional("deadline", s.deadline)
      .optional("period", s.period).done();
}

Result<> read(const Node& node, IoPriority& p) {
  return Members(node).required("class", p.io_class).optional("priority", p.priority).done();
}

Result<> read(const Node& node, ExecCpuAffinity& a) {
  return Members(node).optional("initial", a.initial).optional("final", a.final_).done();
}

struct ConsoleSize { uint16_t height = 0, width = 0; };

Result<> read(const Node& node, ConsoleSize& s) {
  return Members(node).required("height", s.height).required("width", s.width).done();
}

Result<> read(const Node& node, Process& p) {
  ConsoleSize size;
  p.cwd.clear();
  TRY(Members(node).optional("terminal", p.terminal).optional("consoleSize", size).optional("user", p.user)
          .optional("args", p.args).optional("env", p.env).required("cwd", p.cwd)
          .optional("capabilities", p.capabilities).optional("rlimits", p.rlimits)
          .optional("noNewPrivileges", p.no_new_privileges).optional("apparmorProfile", p.apparmor_profile)
          .optional("selinuxLabel", p.selinux_label).optional("oomScoreAdj", p.oom_score_adj)
          .optional("scheduler", p.scheduler).optional("ioPriority", p.io_priority)
          .optional("execCPUAffinity", p.exec_cpu_affinity).done());
  p.console_height = size.height;
  p.console_width = size.width;
  return {};
}

// ---- file systems, namespaces, devices

Result<> read(const Node& node, IdMapping& m) {
  return Members(node).required("containerID", m.container_id).required("hostID", m.host_id).required("size", m.size).done();
}

Result<> read(const Node& node, Root& r) {
  return Members(node).required("path", r.path).optional("readonly", r.readonly).done();
}

Result<> read(const Node& node, Mount& m) {
  return Members(node).required("destination", m.destination).optional("type", m.type).optional("source", m.source)
      .optional("options", m.options).optional("uidMappings", m.uid_mappings).optional("gidMappings", m.gid_mappings).done();
}

Result<> read(const Node& node, Hook& h) {
  return Members(node).required("path", h.path).optional("args", h.args).optional("env", h.env)
      .optional("timeout", h.timeout).done();
}

Result<> read(const Node& node, Hooks& h) {
  return Members(node).optional("prestart", h.prestart).optional("createRuntime", h.create_runtime)
      .optional("createContainer", h.create_container).optional("startContainer", h.start_container)
      .optional("poststart", h.poststart).optional("poststop", h.poststop).done();
}

Result<> read(const Node& node, Namespace& n) {
  return Members(node).required("type", n.type).optional("path", n.path).done();
}

Result<> read(const Node& node, Device& d) {
  return Members(node).required("type", d.type).required("path", d.path).optional("major", d.major)
      .optional("minor", d.minor).optional("fileMode", d.file_mode).optional("uid", d.uid).optional("gid", d.gid).done();
}

// ---- resources

Result<> read(const Node& node, DeviceRule& r) {
  TRY(Members(node).required("allow", r.allow).optional("type", r.type).optional("major", r.major)
          .optional("minor", r.minor).optional("access", r.access).done());
  if (r.major == -1) r.major.reset();  // runc's older way of saying "all"
  if (r.minor == -1) r.minor.reset();
  return {};
}

Result<> read(const Node& node, Memory& m) {
  return Members(node).optional("limit", m.limit).optional("reservation", m.reservation).optional("swap", m.swap)
      .optional("kernel", m.kernel).optional("kernelTCP", m.kernel_tcp).optional("swappiness", m.swappiness)
      .optional("disableOOMKiller", m.disable_oom_killer).optional("useHierarchy", m.use_hierarchy)
      .optional("checkBeforeUpdate", m.check_before_update).done();
}

Result<> read(const Node& node, Cpu& c) {
  return Members(node).optional("shares", c.shares).optional("quota", c.quota).optional("burst", c.burst)
      .optional("period", c.period).optional("realtimeRuntime", c.realtime_runtime)
      .optional("realtimePeriod", c.realtime_period).optional("cpus", c.cpus).optional("mems", c.mems)
      .optional("idle", c.idle).done();
}

Result<> read(const Node& node, WeightDevice& w) {
  return Members(node).required("major", w.major).required("minor", w.minor).optional("weight", w.weight)
      .optional("leafWeight", w.leaf_weight).done();
}

Result<> read(const Node& node, ThrottleDevice& t) {
  return Members(node).required("major", t.major).required("minor", t.minor).required("rate", t.rate).done();
}

Result<> read(const Node& node, BlockIo& b) {
  return Members(node).optional("weight", b.weight).optional("leafWeight", b.leaf_weight)
      .optional("weightDevice", b.weight_device).optional("throttleReadBpsDevice", b.throttle_read_bps)
      .optional("throttleWriteBpsDevice", b.throttle_write_bps).optional("throttleReadIOPSDevice", b.throttle_read_iops)
      .optional("throttleWriteIOPSDevice", b.throttle_write_iops).done();
}

Result<> read(const Node& node, HugepageLimit& h) {
  return Members(node).required("pageSize", h.page_size).required("limit", h.limit).done();
}

struct Pids { std::optional<int64_t> limit; };
Result<> read(const Node& node, Pids& p) { return Members(node).optional("limit", p.limit).done(); }

using Priority = std::pair<std::string, uint32_t>;
Result<> read(const Node& node, Priority& p) {
  return Members(node).required("name", p.first).required("priority", p.second).done();
}

struct Network { std::optional<uint32_t> class_id; std::vector<Priority> priorities; };
Result<> read(const Node& node, Network& n) {
  return Members(node).optional("classID", n.class_id).optional("priorities", n.priorities).done();
}

using Rdma = std::pair<std::optional<uint32_t>, std::optional<uint32_t>>;
Result<> read(const Node& node, Rdma& r) {
  return Members(node).optional("hcaHandles", r.first).optional("hcaObjects", r.second).done();
}

Result<> read(const Node& node, Resources& r) {
  Pids pids;
  Network network;
  TRY(Members(node).optional("devices", r.devices).optional("memory", r.memory).optional("cpu", r.cpu)
          .optional("pids", pids).optional("blockIO", r.block_io).optional("hugepageLimits", r.hugepage_limits)
          .optional("network", network).optional("rdma", r.rdma).optional("unified", r.unified).done());
  r.pids_limit = pids.limit;
  r.network_class_id = network.class_id;
  r.network_priorities = std::move(network.priorities);
  return {};
}

// ---- seccomp, the rest of linux, and the whole

Result<> read(const Node& node, SeccompArg& a) {
  return Members(node).required("index", a.index).required("value", a.value).optional("valueTwo", a.value_two)
      .required("op", a.op).done();
}

Result<> read(const Node& node, SeccompRule& r) {
  return Members(node).required("names", r.names).required("action", r.action).optional("errnoRet", r.errno_ret)
      .optional("args", r.args).done();
}

Result<> read(const Node& node, Seccomp& s) {
  return Members(node).required("defaultAction", s.default_action).optional("defaultErrnoRet", s.default_errno_ret)
      .optional("architectures", s.architectures).optional("flags", s.flags).optional("listenerPath", s.listener_path)
      .optional("listenerMetadata", s.listener_metadata).optional("syscalls", s.syscalls).done();
}

Result<> read(const Node& node, TimeOffset& t) {
  return Members(node).optional("secs", t.secs).optional("nanosecs", t.nanosecs).done();
}

Result<> read(const Node& node, MemoryPolicy& p) {
  return Members(node).required("mode", p.mode).optional("nodes", p.nodes).optional("flags", p.flags).done();
}

Result<> read(const Node& node, IntelRdt& r) {
  bool cmt = false, mbm = false;  // before 1.3, the two halves of monitoring
  TRY(Members(node).optional("closID", r.clos_id).optional("l3CacheSchema", r.l3_cache_schema).optional("memBwSchema", r.mem_bw_schema)
          .optional("schemata", r.schemata).optional("enableMonitoring", r.enable_monitoring).optional("enableCMT", cmt).optional("enableMBM", mbm).done());
  r.enable_monitoring |= cmt || mbm;
  return {};
}

struct NetDevice { std::string name; };
Result<> read(const Node& node, NetDevice& d) { return Members(node).optional("name", d.name).done(); }

struct Personality { std::optional<std::string> domain; std::vector<std::string> flags; };
Result<> read(const Node& node, Personality& p) {
  return Members(node).required("domain", p.domain).optional("flags", p.flags).done();
}

Result<> read(const Node& node, Linux& l) {
  Personality personality;
  std::map<std::string, NetDevice> devices;
  TRY(Members(node).optional("uidMappings", l.uid_mappings).optional("gidMappings", l.gid_mappings)
          .optional("sysctl", l.sysctl).optional("resources", l.resources).optional("cgroupsPath", l.cgroups_path)
          .optional("namespaces", l.namespaces).optional("devices", l.devices).optional("seccomp", l.seccomp)
          .optional("rootfsPropagation", l.rootfs_propagation).optional("maskedPaths", l.masked_paths)
          .optional("readonlyPaths", l.readonly_paths).optional("mountLabel", l.mount_label)
          .optional("personality", personality).optional("timeOffsets", l.time_offsets)
          .optional("memoryPolicy", l.memory_policy).optional("netDevices", devices).optional("intelRdt", l.intel_rdt).done());
  for (auto& [host, device] : devices) l.net_devices[host] = std::move(device.name);
  l.personality_domain = std::move(personality.domain);
  l.personality_flags = std::move(personality.flags);
  return {};
}

Result<> read(const Node& node, Spec& s) {
  s.oci_version.clear();
  return Members(node).required("ociVersion", s.oci_version).required("root", s.root).required("process", s.process)
      .optional("hostname", s.hostname).optional("domainname", s.domainname).optional("mounts", s.mounts)
      .optional("hooks", s.hooks).optional("annotations", s.annotations).optional("linux", s.linux_)
      .refused("vm").refused("windows").refused("solaris").refused("zos").done();
}

template <typename T>
Result<T> parse_document(std::string_view text, std::string_view name) {
  json::value document = TRY(json::parse(text, name));
  T out;
  TRY(read(Node{document, format("{}: ", name)}, out));
  return out;
}

}  // namespace

Result<Spec> parse_spec(std::string_view text, std::string_view name) { return parse_document<Spec>(text, name); }
Result<Process> parse_process(std::string_view text, std::string_view name) { return parse_document<Process>(text, name); }
Result<Resources> parse_resources(std::string_view text, std::string_view name) { return parse_document<Resources>(text, name); }

}  // namespace hull::oci
