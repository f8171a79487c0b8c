#include "oci/write.h"

namespace hull::oci {
namespace {

using json::array;
using json::object;

// Members that are written only when given.
void put(object& o, const char* key, const std::string& value) { if (!value.empty()) o[key] = value; }
template <typename T>
void put(object& o, const char* key, const std::optional<T>& value) { if (value) o[key] = *value; }
void put_object(object& o, const char* key, object value) { if (!value.empty()) o[key] = std::move(value); }
void put_array(object& o, const char* key, array value) { if (!value.empty()) o[key] = std::move(value); }

array strings(const std::vector<std::string>& list) {
  array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

template <typename T, typename Convert>
array each(const std::vector<T>& list, Convert convert) {
  array out;
  for (const T& item : list) out.emplace_back(convert(item));
  return out;
}

object text_map(const std::map<std::string, std::string>& map) {
  object out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

object user(const User& u) {
  object o{{"uid", u.uid}, {"gid", u.gid}};
  put(o, "umask", u.umask);
  if (!u.additional_gids.empty()) o["additionalGids"] = each(u.additional_gids, [](uint32_t gid) { return json::value(gid); });
  return o;
}

object capabilities(const Capabilities& caps) {
  object o;
  put_array(o, "bounding", strings(caps.bounding));
  put_array(o, "effective", strings(caps.effective));
  put_array(o, "inheritable", strings(caps.inheritable));
  put_array(o, "permitted", strings(caps.permitted));
  put_array(o, "ambient", strings(caps.ambient));
  return o;
}

object scheduler(const Scheduler& s) {
  object o{{"policy", s.policy}};
  put(o, "nice", s.nice);
  put(o, "priority", s.priority);
  put_array(o, "flags", strings(s.flags));
  put(o, "runtime", s.runtime);
  put(o, "deadline", s.deadline);
  put(o, "period", s.period);
  return o;
}

object cpu_affinity(const ExecCpuAffinity& a) {
  object o;
  put(o, "initial", a.initial);
  put(o, "final", a.final_);
  return o;
}

object process_object(const Process& p) {
  object o;
  if (p.terminal) o["terminal"] = true;
  if (p.console_height != 0) o["consoleSize"] = object{{"height", p.console_height}, {"width", p.console_width}};
  o["user"] = user(p.user);
  o["args"] = strings(p.args);
  put_array(o, "env", strings(p.env));
  o["cwd"] = p.cwd;
  if (p.capabilities) o["capabilities"] = capabilities(*p.capabilities);
  put_array(o, "rlimits", each(p.rlimits, [](const Rlimit& r) { return object{{"type", r.type}, {"hard", r.hard}, {"soft", r.soft}}; }));
  o["noNewPrivileges"] = p.no_new_privileges;
  put(o, "apparmorProfile", p.apparmor_profile);
  put(o, "selinuxLabel", p.selinux_label);
  put(o, "oomScoreAdj", p.oom_score_adj);
  if (p.scheduler) o["scheduler"] = scheduler(*p.scheduler);
  if (p.io_priority) o["ioPriority"] = object{{"class", p.io_priority->io_class}, {"priority", p.io_priority->priority}};
  if (p.exec_cpu_affinity) o["execCPUAffinity"] = cpu_affinity(*p.exec_cpu_affinity);
  return o;
}

array mappings(const std::vector<IdMapping>& list) {
  return each(list, [](const IdMapping& m) {
    return object{{"containerID", m.container_id}, {"hostID", m.host_id}, {"size", m.size}};
  });
}

object mount_object(const Mount& m) {
  object o{{"destination", m.destination}};
  put(o, "type", m.type);
  put(o, "source", m.source);
  put_array(o, "options", strings(m.options));
  put_array(o, "uidMappings", mappings(m.uid_mappings));
  put_array(o, "gidMappings", mappings(m.gid_mappings));
  return o;
}

object device(const Device& d) {
  object o{{"type", d.type}, {"path", d.path}, {"major", d.major}, {"minor", d.minor}};
  put(o, "fileMode", d.file_mode);
  put(o, "uid", d.uid);
  put(o, "gid", d.gid);
  return o;
}

object device_rule(const DeviceRule& r) {
  object o{{"allow", r.allow}};
  put(o, "type", r.type);
  put(o, "major", r.major);
  put(o, "minor", r.minor);
  put(o, "access", r.access);
  return o;
}

object memory(const Memory& m) {
  object o;
  put(o, "limit", m.limit);
  put(o, "reservation", m.reservation);
  put(o, "swap", m.swap);
  put(o, "kernel", m.kernel);
  put(o, "kernelTCP", m.kernel_tcp);
  put(o, "swappiness", m.swappiness);
  put(o, "disableOOMKiller", m.disable_oom_killer);
  put(o, "useHierarchy", m.use_hierarchy);
  put(o, "checkBeforeUpdate", m.check_before_update);
  return o;
}

object cpu(const Cpu& c) {
  object o;
  put(o, "shares", c.shares);
  put(o, "quota", c.quota);
  put(o, "burst", c.burst);
  put(o, "period", c.period);
  put(o, "realtimeRuntime", c.realtime_runtime);
  put(o, "realtimePeriod", c.realtime_period);
  put(o, "cpus", c.cpus);
  put(o, "mems", c.mems);
  put(o, "idle", c.idle);
  return o;
}

array throttles(const std::vector<ThrottleDevice>& list) {
  return each(list, [](const ThrottleDevice& t) { return object{{"major", t.major}, {"minor", t.minor}, {"rate", t.rate}}; });
}

object block_io(const BlockIo& b) {
  object o;
  put(o, "weight", b.weight);
  put(o, "leafWeight", b.leaf_weight);
  put_array(o, "weightDevice", each(b.weight_device, [](const WeightDevice& w) {
    object one{{"major", w.major}, {"minor", w.minor}};
    put(one, "weight", w.weight);
    put(one, "leafWeight", w.leaf_weight);
    return one;
  }));
  put_array(o, "throttleReadBpsDevice", throttles(b.throttle_read_bps));
  put_array(o, "throttleWriteBpsDevice", throttles(b.throttle_write_bps));
  put_array(o, "throttleReadIOPSDevice", throttles(b.throttle_read_iops));
  put_array(o, "throttleWriteIOPSDevice", throttles(b.throttle_write_iops));
  return o;
}

object network(const Resources& r) {
  object o;
  put(o, "classID", r.network_class_id);
  put_array(o, "priorities", each(r.network_priorities, [](const auto& p) {
    return object{{"name", p.first}, {"priority", p.second}};
  }));
  return o;
}

object rdma(const Resources& r) {
  object o;
  for (const auto& [name, limit] : r.rdma) {
    object one;
    put(one, "hcaHandles", limit.first);
    put(one, "hcaObjects", limit.second);
    o[name] = std::move(one);
  }
  return o;
}

object resources(const Resources& r) {
  object o;
  put_array(o, "devices", each(r.devices, device_rule));
  put_object(o, "memory", memory(r.memory));
  put_object(o, "cpu", cpu(r.cpu));
  if (r.pids_limit) o["pids"] = object{{"limit", *r.pids_limit}};
  put_object(o, "blockIO", block_io(r.block_io));
  put_array(o, "hugepageLimits", each(r.hugepage_limits, [](const HugepageLimit& h) {
    return object{{"pageSize", h.page_size}, {"limit", h.limit}};
  }));
  put_object(o, "network", network(r));
  put_object(o, "rdma", rdma(r));
  put_object(o, "unified", text_map(r.unified));
  return o;
}

object seccomp_rule(const SeccompRule& rule) {
  object o{{"names", strings(rule.names)}, {"action", rule.action}};
  put(o, "errnoRet", rule.errno_ret);
  put_array(o, "args", each(rule.args, [](const SeccompArg& a) {
    object one{{"index", a.index}, {"value", a.value}};
    if (a.value_two != 0) one["valueTwo"] = a.value_two;
    one["op"] = a.op;
    return one;
  }));
  return o;
}

object seccomp(const Seccomp& s) {
  object o{{"defaultAction", s.default_action}};
  put(o, "defaultErrnoRet", s.default_errno_ret);
  put_array(o, "architectures", strings(s.architectures));
  put_array(o, "flags", strings(s.flags));
  put(o, "listenerPath", s.listener_path);
  put(o, "listenerMetadata", s.listener_metadata);
  put_array(o, "syscalls", each(s.syscalls, seccomp_rule));
  return o;
}

object linux_object(const Linux& l) {
  object o;
  put_array(o, "uidMappings", mappings(l.uid_mappings));
  put_array(o, "gidMappings", mappings(l.gid_mappings));
  put_object(o, "sysctl", text_map(l.sysctl));
  if (l.resources) o["resources"] = resources(*l.resources);
  put(o, "cgroupsPath", l.cgroups_path);
  put_array(o, "namespaces", each(l.namespaces, [](const Namespace& ns) {
    object one{{"type", ns.type}};
    put(one, "path", ns.path);
    return one;
  }));
  put_array(o, "devices", each(l.devices, device));
  if (l.seccomp) o["seccomp"] = seccomp(*l.seccomp);
  put(o, "rootfsPropagation", l.rootfs_propagation);
  put_array(o, "maskedPaths", strings(l.masked_paths));
  put_array(o, "readonlyPaths", strings(l.readonly_paths));
  put(o, "mountLabel", l.mount_label);
  if (l.personality_domain) {
    object personality{{"domain", *l.personality_domain}};
    put_array(personality, "flags", strings(l.personality_flags));
    o["personality"] = std::move(personality);
  }
  object offsets;
  for (const auto& [clock, offset] : l.time_offsets) offsets[clock] = object{{"secs", offset.secs}, {"nanosecs", offset.nanosecs}};
  put_object(o, "timeOffsets", std::move(offsets));
  if (l.intel_rdt) {
    object rdt;
    put(rdt, "closID", l.intel_rdt->clos_id);
    put(rdt, "l3CacheSchema", l.intel_rdt->l3_cache_schema);
    put(rdt, "memBwSchema", l.intel_rdt->mem_bw_schema);
    put_array(rdt, "schemata", strings(l.intel_rdt->schemata));
    if (l.intel_rdt->enable_monitoring) rdt["enableMonitoring"] = true;
    o["intelRdt"] = std::move(rdt);
  }
  if (l.memory_policy) {
    object policy{{"mode", l.memory_policy->mode}};
    put(policy, "nodes", l.memory_policy->nodes);
    put_array(policy, "flags", strings(l.memory_policy->flags));
    o["memoryPolicy"] = std::move(policy);
  }
  object net_devices;
  for (const auto& [host, name] : l.net_devices) {
    object device;
    put(device, "name", name);
    net_devices[host] = std::move(device);
  }
  put_object(o, "netDevices", std::move(net_devices));
  return o;
}

array hook_list(const std::vector<Hook>& list) {
  return each(list, [](const Hook& h) {
    object o{{"path", h.path}};
    put_array(o, "args", strings(h.args));
    put_array(o, "env", strings(h.env));
    put(o, "timeout", h.timeout);
    return o;
  });
}

object hooks(const Hooks& h) {
  object o;
  put_array(o, "prestart", hook_list(h.prestart));
  put_array(o, "createRuntime", hook_list(h.create_runtime));
  put_array(o, "createContainer", hook_list(h.create_container));
  put_array(o, "startContainer", hook_list(h.start_container));
  put_array(o, "poststart", hook_list(h.poststart));
  put_array(o, "poststop", hook_list(h.poststop));
  return o;
}

}  // namespace

json::value to_json(const Process& process) { return process_object(process); }

json::value to_json(const Spec& spec) {
  object o{{"ociVersion", spec.oci_version}};
  o["process"] = process_object(spec.process);
  o["root"] = object{{"path", spec.root.path}, {"readonly", spec.root.readonly}};
  put(o, "hostname", spec.hostname);
  put(o, "domainname", spec.domainname);
  put_array(o, "mounts", each(spec.mounts, mount_object));
  put_object(o, "hooks", hooks(spec.hooks));
  put_object(o, "annotations", text_map(spec.annotations));
  o["linux"] = linux_object(spec.linux_);
  return o;
}

}  // namespace hull::oci
