// What a container is asked to be. RunArgs are the raw flags of `run` and `create`; make_config() fills the defaults,
// refuses what contradicts itself (all cross-option rules stand in config.cpp) and gives a ContainerConfig, which is
// what the record keeps and what to_oci reads. Pure: no system call; files that flags name are read by the caller.
// An image's own settings reach the config only through ImageDefaults (SECURITY I1): it cannot ask for anything else.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "kernel/namespaces.h"
#include "net/port_spec.h"

namespace hull::engine {

// --- the request -----------------------------------------------------------------------------------------------

// Flag values as typed. Lists keep their order; `optional` means "not given". `env`, `label` … are one entry per flag.
struct RunArgs {
  std::string image;              // empty with rootfs
  std::vector<std::string> command;
  std::string name, rootfs, cidfile, pull = "missing", platform;
  bool detach = false, interactive = false, tty = false, rm = false, init = false, read_only = false;
  bool privileged = false, oom_kill_disable = false, sig_proxy = true, quiet = false, publish_all = false;
  bool no_healthcheck = false, strict_ns = false;
  std::vector<std::string> attach;
  std::string detach_keys;
  std::optional<std::string> entrypoint;
  std::vector<std::string> env, env_file, label, label_file, annotation;
  std::string user, workdir, hostname, domainname;
  std::vector<std::string> group_add;
  std::vector<std::string> volume, mount, tmpfs, device, volumes_from;
  std::optional<std::string> network, pid, ipc, uts, userns, cgroupns;
  std::vector<std::string> ns;           // --ns KIND=SPEC[,KIND=SPEC…]
  std::vector<std::string> uidmap, gidmap;  // CONTAINER:HOST:SIZE
  std::vector<std::string> cap_add, cap_drop, security_opt, sysctl, ulimit;
  std::string memory, memory_swap, memory_reservation, cpus, cpuset_cpus, cpuset_mems, shm_size, cgroup_parent;
  std::optional<int64_t> cpu_shares, cpu_period, cpu_quota, pids_limit, oom_score_adj, stop_timeout, memory_swappiness;
  std::optional<uint64_t> blkio_weight;
  std::string stop_signal, restart, log_driver, runtime;
  std::vector<std::string> log_opt, add_host, dns, dns_search, dns_option, publish, expose, link;
  bool dry_run = false, teach = false, trace = false;
};

// What make_config() may know of the world besides the flags.
struct RunInputs {
  std::map<std::string, std::string> files;  // text of each env file, label file and seccomp profile, by path as given
  std::vector<std::string> environment;      // the caller's, for `-e NAME`
  std::string working_directory = "/";       // for `-v ./x:/y`
  std::map<std::string, std::vector<kernel::NsKind>, std::less<>> named;  // the kinds of each named set that --ns names
  unsigned cpu_count = 0;                    // 0: --cpus is not checked against it
  std::optional<std::pair<uint32_t, uint32_t>> ordinary_user;  // uid and gid of a caller who may only map himself
};

// --- the configuration -----------------------------------------------------------------------------------------

enum class NsMode : uint8_t {
  Private,    // a new one
  Host,       // hull's caller's
  Container,  // target: the other container's name or id as typed; the engine resolves it
  Path,       // target: an nsfs path
  Named,      // target: a name under HULL_RUN/ns
};

struct NamespaceSpec {
  NsMode mode = NsMode::Private;
  std::string target;
  std::string text;  // as the user wrote it, for HostConfig ("container:db", "none", ""; empty is the default)
  bool operator==(const NamespaceSpec&) const = default;
};

struct TimeOffsets { int64_t monotonic_s = 0, boottime_s = 0; };

enum class MountKind : uint8_t { Bind, Tmpfs };
struct MountSpec {
  MountKind kind = MountKind::Bind;
  std::string source;               // absolute; empty for tmpfs
  std::string target;               // absolute, cleaned
  bool read_only = false;
  bool recursive = true;            // bind submounts too
  bool recursive_read_only = true;  // read_only reaches the submounts where the kernel can
  bool create_source = false;       // -v makes a missing source directory, --mount fails
  std::string propagation;          // "rprivate" (default), "rslave", …
  std::vector<std::string> options; // tmpfs: "size=64m", "noexec", …
  std::string origin;               // "volume", "mount" or "tmpfs": which flag
};

struct DeviceSpec { std::string host_path, path, access = "rwm"; };
struct Ulimit { std::string name; uint64_t soft = 0, hard = 0; };  // name as docker's: "nofile"; UINT64_MAX: unlimited
struct IdMap { uint32_t container_id = 0, host_id = 0, size = 0; };
// Of a private user namespace without a map: a range far above what /etc/subuid hands out to users.
inline constexpr IdMap kDefaultIdMap{0, 1u << 30, 65536};

struct Limits {
  std::optional<int64_t> memory, memory_reservation, memory_swap;  // bytes; memory_swap -1: unlimited
  std::optional<int64_t> memory_swappiness;
  std::optional<int64_t> nano_cpus, cpu_shares, cpu_period, cpu_quota;
  std::optional<int64_t> pids;          // absent: no limit
  std::optional<uint16_t> blkio_weight;
  std::string cpuset_cpus, cpuset_mems;
  bool oom_kill_disable = false;
};

struct SeccompChoice {
  enum class Kind : uint8_t { Default, Unconfined, Profile } kind = Kind::Default;
  std::string profile;  // JSON text
};

struct ContainerConfig {
  std::string image;   // reference as typed; empty with rootfs
  std::string rootfs;  // an existing directory instead of an image
  std::string name;    // empty: the engine generates one
  std::optional<std::vector<std::string>> entrypoint;  // absent: the image's; empty: none
  std::vector<std::string> command;                    // absent: the image's
  std::vector<std::string> env;                        // "NAME=value", in order, last one wins
  std::map<std::string, std::string> labels, annotations;
  std::string user, workdir, hostname, domainname;
  std::vector<std::string> group_add;
  bool tty = false, open_stdin = false, detach = false, rm = false, init = false, read_only = false, privileged = false;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  std::vector<MountSpec> mounts;
  std::vector<DeviceSpec> devices;
  bool strict_ns = false;                              // a container:X must run, and nothing is taken back from sharers
  std::array<NamespaceSpec, kernel::kNsKinds> namespaces;
  std::optional<TimeOffsets> time_offsets;
  std::vector<IdMap> uid_map, gid_map;
  std::vector<std::string> cap_add, cap_drop;  // "CAP_CHOWN" or "ALL"
  SeccompChoice seccomp;
  std::vector<std::string> security_opt;  // as typed
  bool no_new_privileges = false;
  bool masked_paths = true;               // systempaths=unconfined clears it
  std::map<std::string, std::string> sysctl;
  std::vector<Ulimit> ulimits;
  Limits limits;
  std::optional<int64_t> oom_score_adj;
  std::string stop_signal;               // "" : the image's, else SIGTERM
  std::optional<int64_t> stop_timeout_s; // absent: 10
  uint64_t shm_size = 64 << 20;
  std::string log_driver = "json-file";  // or "none"
  std::map<std::string, std::string> log_opts;
  std::string cgroup_parent;
  std::vector<std::string> extra_hosts;                // "NAME:ADDRESS"
  std::vector<std::string> dns, dns_search, dns_options;  // empty: the host's, or those of the shared network
  std::vector<net::PortBinding> ports;                 // -p
  std::vector<net::ContainerPort> exposed;             // --expose
  bool publish_all = false;                            // whatever is exposed is published too

  const NamespaceSpec& ns(kernel::NsKind kind) const { return namespaces[static_cast<size_t>(kind)]; }
  NamespaceSpec& ns(kernel::NsKind kind) { return namespaces[static_cast<size_t>(kind)]; }
};

// The lines of an --env-file, NAME=value or NAME; what follows the equals sign is the value, spaces and all, as docker.
Result<std::vector<std::string>> env_file_entries(std::string_view path, std::string_view text);

// Defaults filled, conflicts refused; errors carry docker's phrases.
Result<ContainerConfig> make_config(const RunArgs& args, const RunInputs& inputs);
// What was asked for and will have no effect, in docker's words.
std::vector<std::string> config_warnings(const ContainerConfig& config);

// --- the image's part ------------------------------------------------------------------------------------------

// What an image may say about a container made of it. Nothing else of an image steers anything.
struct ImageDefaults {
  std::vector<std::string> entrypoint, command, env;
  std::string user, workdir, stop_signal;
  std::map<std::string, std::string> labels;
  std::vector<std::string> volumes, exposed_ports;
};

// The process that a config asks for once the image's defaults are applied (docker's rules: an --entrypoint drops the
// image's command; env of the image comes first; PATH, HOSTNAME, HOME and TERM are filled where missing).
struct ProcessChoice {
  std::vector<std::string> args;  // entrypoint and command; never empty
  std::vector<std::string> env;
  std::string user, workdir, stop_signal;
  std::map<std::string, std::string> labels;
  std::vector<net::ContainerPort> exposed_ports;  // sorted
};
// `hostname` is what HOSTNAME gets. Fails with "no command specified" when neither says what to run.
Result<ProcessChoice> choose_process(const ContainerConfig& config, const ImageDefaults& image, std::string_view hostname);

// --- the record ------------------------------------------------------------------------------------------------

json::value to_json(const ContainerConfig& config);
Result<ContainerConfig> config_from_json(const json::value& v);

}  // namespace hull::engine
