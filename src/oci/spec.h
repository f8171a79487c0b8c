// The OCI runtime-spec configuration for Linux as plain data (runtime-spec 1.3). Parsing, validating and writing
// stand in parse.cpp, validate.cpp and write.cpp; nothing here makes a system call. Fields are in the spec's order
// and carry its names in snake_case; an absent optional is "not given", never a default.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hull::oci {

constexpr const char* kSpecVersion = "1.3.0";

struct User {
  uint32_t uid = 0, gid = 0;
  std::optional<uint32_t> umask;
  std::vector<uint32_t> additional_gids;
};

struct Capabilities {  // names as in capabilities(7): "CAP_CHOWN"
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  uint64_t hard = 0, soft = 0;
};

struct Scheduler {
  std::string policy;  // "SCHED_BATCH"
  std::optional<int32_t> nice, priority;
  std::vector<std::string> flags;  // "SCHED_FLAG_RESET_ON_FORK"
  std::optional<uint64_t> runtime, deadline, period;
};

struct IoPriority {
  std::string io_class;  // "IOPRIO_CLASS_BE"
  int32_t priority = 0;
};

struct ExecCpuAffinity {
  std::string initial, final_;  // cpu lists
};

struct Process {
  bool terminal = false;
  uint16_t console_height = 0, console_width = 0;
  User user;
  std::vector<std::string> args;
  std::vector<std::string> env;  // "NAME=value"
  std::string cwd = "/";
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  std::optional<ExecCpuAffinity> exec_cpu_affinity;
};

struct IdMapping {
  uint32_t container_id = 0, host_id = 0, size = 0;
};

struct Root {
  std::string path;
  bool readonly = false;
};

struct Mount {
  std::string destination;
  std::string type;
  std::string source;
  std::vector<std::string> options;
  std::vector<IdMapping> uid_mappings, gid_mappings;

  bool is_bind() const {  // by its type, which may be anything then, or by an option
    bool bind = type == "bind";
    for (const std::string& option : options) bind |= option == "bind" || option == "rbind";
    return bind;
  }
};

struct Namespace {
  std::string type;  // runtime-spec name: "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"
  std::string path;  // empty: a new one
};

struct Device {
  std::string type;  // "c", "b", "p", "u"
  std::string path;
  int64_t major = 0, minor = 0;
  std::optional<uint32_t> file_mode, uid, gid;
};

struct DeviceRule {
  bool allow = false;
  std::string type;                    // "a", "c", "b"; empty is "a"
  std::optional<int64_t> major, minor;  // absent: all
  std::string access;                  // of "rwm"; empty is "rwm"
};

struct Memory {
  std::optional<int64_t> limit, reservation, swap, kernel, kernel_tcp;
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer, use_hierarchy, check_before_update;
};

struct Cpu {
  std::optional<uint64_t> shares, period, realtime_period, burst;
  std::optional<int64_t> quota, realtime_runtime, idle;
  std::string cpus, mems;
};

struct WeightDevice {
  int64_t major = 0, minor = 0;
  std::optional<uint16_t> weight, leaf_weight;
};

struct ThrottleDevice {
  int64_t major = 0, minor = 0;
  uint64_t rate = 0;
};

struct BlockIo {
  std::optional<uint16_t> weight, leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps, throttle_write_bps, throttle_read_iops, throttle_write_iops;
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  uint64_t limit = 0;
};

struct Resources {
  std::vector<DeviceRule> devices;
  Memory memory;
  Cpu cpu;
  std::optional<int64_t> pids_limit;
  BlockIo block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<uint32_t> network_class_id;
  std::vector<std::pair<std::string, uint32_t>> network_priorities;
  std::map<std::string, std::pair<std::optional<uint32_t>, std::optional<uint32_t>>> rdma;  // hca handles, objects
  std::map<std::string, std::string> unified;
};

struct SeccompArg {
  uint32_t index = 0;
  uint64_t value = 0, value_two = 0;
  std::string op;  // "SCMP_CMP_EQ"
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;  // "SCMP_ACT_ALLOW"
  std::optional<uint32_t> errno_ret;
  std::vector<SeccompArg> args;
};

struct Seccomp {
  std::string default_action;
  std::optional<uint32_t> default_errno_ret;
  std::vector<std::string> architectures;  // "SCMP_ARCH_X86_64"
  std::vector<std::string> flags;
  std::string listener_path, listener_metadata;
  std::vector<SeccompRule> syscalls;
};

struct Hook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int64_t> timeout;  // seconds
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct TimeOffset {
  int64_t secs = 0;
  uint32_t nanosecs = 0;
};

struct MemoryPolicy {
  std::string mode, nodes;         // "MPOL_BIND", a list of nodes
  std::vector<std::string> flags;  // "MPOL_F_STATIC_NODES"
};

struct IntelRdt {
  std::string clos_id, l3_cache_schema, mem_bw_schema;
  std::vector<std::string> schemata;  // lines "L3:0=f"
  bool enable_monitoring = false;
};

struct Linux {
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::map<std::string, std::string> sysctl;
  std::optional<Resources> resources;
  std::string cgroups_path;
  std::vector<Namespace> namespaces;
  std::vector<Device> devices;
  std::optional<Seccomp> seccomp;
  std::string rootfs_propagation;
  std::vector<std::string> masked_paths, readonly_paths;
  std::string mount_label;
  std::optional<std::string> personality_domain;
  std::vector<std::string> personality_flags;
  std::map<std::string, TimeOffset> time_offsets;  // "monotonic", "boottime"
  std::optional<IntelRdt> intel_rdt;
  std::optional<MemoryPolicy> memory_policy;
  std::map<std::string, std::string> net_devices;  // the host's name to the container's, or "" for the same
};

struct Spec {
  std::string oci_version = kSpecVersion;
  std::string hostname, domainname;
  Process process;
  Root root;
  std::vector<Mount> mounts;
  Hooks hooks;
  std::map<std::string, std::string> annotations;
  Linux linux_;
};

}  // namespace hull::oci
