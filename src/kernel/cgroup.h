// Control groups: one interface over cgroup v1 and v2, chosen once from what is mounted. A group is one path
// ("/hull/<id>") made in every hierarchy. A hybrid host counts as v1, with the group made in the v2 tree as well
// (for CLONE_INTO_CGROUP, cgroup.kill and cgroup.freeze).
//
// Never moves another process by writing its pid to cgroup.procs: that waits 11-15 ms for an RCU grace period.
// A process enters by CLONE_INTO_CGROUP or by writing "0" to its own `tasks` file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/cgroup_stats.h"
#include "oci/spec.h"

namespace hull::kernel {

// One mounted hierarchy.
struct CgroupHierarchy {
  std::string mount_point;               // "/sys/fs/cgroup/memory"
  std::vector<std::string> controllers;  // v1: "cpu", "cpuacct" or "name=systemd"; v2: empty here, see cgroup.controllers
};

enum class CgroupMode { None, V1, Hybrid, V2 };

struct CgroupLayout {
  std::vector<CgroupHierarchy> v1;
  std::optional<CgroupHierarchy> v2;
  CgroupMode mode() const;
};
std::string_view cgroup_mode_name(CgroupMode mode);  // "v1", "hybrid", "v2", "none"

// From the text of a mountinfo file; the first mount of each hierarchy counts. Pure.
CgroupLayout parse_cgroup_layout(std::string_view mountinfo);
// From the text of /proc/self/cgroup: the hierarchies where distributions mount them, whether they are or not. Pure.
std::optional<CgroupLayout> guess_cgroup_layout(std::string_view proc_self_cgroup);
// What is mounted, looked for once: the guess where it holds, else what mountinfo says.
Result<CgroupLayout> discover_cgroups();

// One value for one file of a controller. For v2 the controller stands before the dot of the file's name anyway.
struct CgroupWrite {
  std::string controller;  // "memory", "cpu", …
  std::string file;        // "memory.limit_in_bytes"
  std::string value;
  std::string other_file, other_value;  // used where `file` does not exist; empty: that is an error
  bool operator==(const CgroupWrite&) const = default;
};

// What the resources mean as writes, in the order in which a fresh group takes them; devices apart (cgroup_devices.h).
// Pure. Invalid values (a swap limit below the memory limit, …) fail here, with the rule.
Result<std::vector<CgroupWrite>> cgroup_v1_writes(const oci::Resources& resources);
Result<std::vector<CgroupWrite>> cgroup_v2_writes(const oci::Resources& resources);
// cpu.shares (2-262144) as cpu.weight (1-10000), by the runtime-spec's newer formula (100 for 1024).
uint64_t cpu_weight_from_shares(uint64_t shares);

// How a new process enters: clone3 with CLONE_INTO_CGROUP on `into` when it is valid, and the process itself writes
// "0" to each of `files`. If the kernel refuses CLONE_INTO_CGROUP, it also writes "0" to `into_fallback_file`.
struct CgroupEntry {
  int into = -1;                   // borrowed from the Cgroup
  std::string into_fallback_file;  // "<v2 group>/cgroup.procs"; empty without v2
  std::vector<std::string> files;  // v1: "<group>/tasks" of each hierarchy
};

// An existing group, held by a directory descriptor in each hierarchy.
class Cgroup {
 public:
  virtual ~Cgroup() = default;

  const std::string& path() const { return path_; }
  virtual CgroupMode mode() const = 0;

  // Writes what is given and nothing else, devices included (v1 lists or an eBPF program); fails naming file, value
  // and remedy.
  virtual Result<> apply(const oci::Resources& resources) = 0;
  // The same for a group that lives: where it fails, what files of one value held before is there again. Not devices, nor
  // what a hybrid host has in v2.
  virtual Result<> change(const oci::Resources& resources) = 0;
  virtual CgroupEntry entry() const = 0;
  // CgroupEntry::files, opened.
  virtual Result<std::vector<Fd>> open_files() const = 0;

  // Every process in the group and the groups under it, by the pid numbers of our pid namespace (0: not in it).
  virtual Result<std::vector<pid_t>> processes() const = 0;
  virtual Result<bool> empty() const = 0;
  // Sends SIGKILL to all of them and keeps at it until the group is empty, thawing it; System after timeout_ms.
  virtual Result<> kill(int timeout_ms = 10000) = 0;
  virtual Result<> freeze(int timeout_ms = 10000) = 0;
  virtual Result<> thaw() = 0;
  virtual Result<bool> frozen() const = 0;
  virtual CgroupStats stats() const = 0;
  // Parts of these, each of one file. Absent: this host cannot tell.
  virtual Counter oom_kills() const = 0;
  virtual Counter memory_usage() const = 0;
  virtual Counter memory_limit() const = 0;
  // cpu.quota and cpu.period as they are.
  virtual oci::Cpu bandwidth() const = 0;

 protected:
  explicit Cgroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// All groups of this host. Descriptors of the hierarchies' roots are opened once.
class Cgroups {
 public:
  // Fails with Unsupported when no cgroup hierarchy is mounted.
  static Result<std::unique_ptr<Cgroups>> open();
  static Result<std::unique_ptr<Cgroups>> open(const CgroupLayout& layout);
  virtual ~Cgroups() = default;

  virtual CgroupMode mode() const = 0;
  // Controllers that limits can be set with ("memory", "cpu", "devices", …), sorted.
  virtual std::vector<std::string> controllers() const = 0;
  // Makes the group and missing parents in every hierarchy. `path` is absolute, of plain components (Invalid
  // otherwise). On failure nothing that was made remains. An existing group is an error (Exists).
  virtual Result<std::unique_ptr<Cgroup>> create(const std::string& path) = 0;
  // The same in two parts: what a process is cloned into, as a directory for CLONE_INTO_CGROUP (none without v2); then,
  // while the process begins, the rest: each hierarchy of v1.
  virtual Result<Fd> begin(const std::string& path) = 0;
  virtual Result<std::unique_ptr<Cgroup>> finish(const std::string& path) = 0;
  // A group that another (systemd) made in some hierarchies and with some controllers: in all of them. NotFound if in none.
  virtual Result<std::unique_ptr<Cgroup>> complete(const std::string& path) = 0;
  virtual Result<std::unique_ptr<Cgroup>> find(const std::string& path) = 0;  // NotFound if in no hierarchy
  // Removes the group and those under it in every hierarchy, deepest first; busy ones are retried for timeout_ms,
  // errors are collected. A missing group is success. Needs no open Cgroup: for clean-up after a crash, too.
  virtual Result<> remove(const std::string& path, int timeout_ms = 5000) = 0;
};

// Of this host, opened once with discover_cgroups(); null where there are none.
Cgroups* host_cgroups();
// Whether v2 has most likely no part in them: told without opening any.
bool has_v1_alone();

// "/a/b" of plain components (not empty, ".", ".." or with control characters), or Invalid.
Result<> check_cgroup_path(std::string_view path);

}  // namespace hull::kernel
