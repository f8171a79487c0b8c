// How a container stands, computed from what is on disk and in the kernel; and settling: dealing with the end of a run
// that nobody has dealt with yet. Each is safe to repeat and to be killed in.
#pragma once

#include <memory>

#include "engine/records.h"
#include "engine/runtime_record.h"
#include "kernel/cgroup.h"

namespace hull::engine {

// The cgroup hierarchies of this host, opened once per command; null where there are none.
kernel::Cgroups* host_cgroups();

// Conflict while a process of an earlier run is in the group after two seconds: the last ones may be on their way out.
Result<> check_empty(const kernel::Cgroup& group);

struct Standing {
  State state;
  Fd pidfd;             // of the first process, when it runs
  bool settled = true;  // false: a run has ended, or a start was cut short, and settle() is due
};

// Reads only. Where the first process has ended and the shim still lives, waits (up to two seconds) for its exit record.
Standing stand(const Layout& layout, const Place& place);

// Ends what is left of a run: kills stragglers through the cgroup, removes it, keeps the exit code, and drops the
// runtime directory (for --rm: the whole container). Call with the record's lock held; success if nothing is due.
Result<> settle(const Layout& layout, const Place& place, const Record& record);

// The events of a run's end: oom, and die with its exit code. Nothing where it was a start that was cut short.
void tell_end(const Layout& layout, std::string_view id, const Record& record, const State& state);

// Removes the container's writable layer, its cgroup, its name and its files.
Result<> discard(const Layout& layout, const Place& place, const Record& record);

}  // namespace hull::engine
