// Shuts the calling process in with one directory: own mount, network, IPC and UTS namespaces, pivoted into the
// directory, Landlock, five capabilities, no new privileges, resource limits, and a seccomp filter that knows only file
// work. What reads hostile bytes runs behind this (SECURITY U1).
#pragma once

#include <vector>

#include "base/fd.h"

namespace hull::image {

struct Confinement {
  const Fd& directory;               // becomes the root, writable
  const std::vector<Fd>& readable;   // further trees, read-only
  std::vector<int> keep;             // descriptors that stay open, beside 2
};

// In a child that only has this to do. After an error the child must end.
Result<> confine(const Confinement& plan);

}  // namespace hull::image
