// What `hull ns show` and `hull ns diff` take: a container's name or id, a name that namespaces are kept under, a PID, or
// the inode of a namespace.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ns/scan.h"

namespace hull::cli {

struct NsTarget {
  pid_t pid = 0;                        // 0: a namespace without processes
  std::string label;                    // "container db", "process 42 (sshd)"
  std::optional<kernel::NsKind> kind;   // of an inode: only this one
  std::optional<ns::Namespace> space;   // of an inode
  std::map<kernel::NsKind, std::string> pins;  // of a name, or of a container that does not run: what is kept

  bool has(kernel::NsKind of) const;
  Result<Fd> open(kernel::NsKind of) const;
};

// Containers win over names, names over numbers; "ns:NAME" is a name only.
Result<NsTarget> find_ns_target(std::string_view text);
// A file given as a namespace: that path, or where no such file is and a name is kept, its pin.
std::string namespace_file(std::string_view text, kernel::NsKind kind);
// Whose a process is: "container NAME" for ours, another engine's container or a systemd unit by its cgroup, else
// "process N (NAME)". Our containers are looked up once.
class OwnerLabels {
 public:
  OwnerLabels();
  // Takes what a scan with labels has read, so that of() need not read it again.
  void know(const ns::Snapshot& snapshot);
  std::string of(pid_t pid) const;
  // Works for a name or a container from outside its pid namespace: hull-init of a named one, hull-port.
  bool is_outside(pid_t pid) const { return holders_.contains(pid); }
  // Of a namespace: "host" for those that the kernel began with, else its first process's, else what holds it.
  std::string of(const ns::Namespace& space) const;

 private:
  std::string label(pid_t pid, uint64_t mnt_inode, std::string_view cgroup_label, std::string_view name) const;
  std::string of_mount(const std::string& path) const;
  std::string store_;
  std::map<pid_t, std::string> known_;
  std::map<pid_t, std::string> holders_;   // "ns lab" of named pid namespaces, "container web" of published ports
  std::map<uint64_t, std::string> names_;  // mount namespace's inode to the container's name
};

}  // namespace hull::cli
