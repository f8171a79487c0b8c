// Whether a start can work, before it makes anything: what ns/preflight.h says of the namespaces that it joins, and what
// an ordinary user may not. Called by gather_facts, and by run before there is even a record.
#pragma once

#include "engine/sharing.h"

namespace hull::engine {

struct StartVerdict {
  uint64_t owned = 0;  // CLONE_NEW* of joined namespaces that the container's user namespace owns
  uint64_t ours = 0;   // CLONE_NEW* of those that we are in ourselves: it stays in them, as with "host"
};

// Denied with the reason and the least change that would allow it.
Result<StartVerdict> check_start(const Record& record, const StartNamespaces& namespaces);
// Of a container that has no record yet. What cannot be told before it has one is left to its start.
Result<> check_draft(const Layout& layout, const ContainerConfig& config);

}  // namespace hull::engine
