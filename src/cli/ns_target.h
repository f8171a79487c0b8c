// What `hull ns show` and `hull ns diff` take: a container's name or id, a PID, or the inode of a namespace.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kernel/namespaces.h"

namespace hull::cli {

struct NsTarget {
  pid_t pid = 0;
  std::string label;                     // "container db", "process 42 (sshd)"
  std::optional<kernel::NsKind> kind;    // of an inode: only this one
};

Result<NsTarget> find_ns_target(std::string_view text);
// "container NAME" or "process N (NAME)" for the owner of a process.
std::string owner_label(pid_t pid);

}  // namespace hull::cli
