// What unshare(1) does, as steps: new namespaces, id maps, persistence, fork, propagation, root, ids, exec. The
// request is plain data made by cli/unshare.cpp; carrying it out ends in exec or in an exit code.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/namespaces.h"
#include "ns/id_map.h"

namespace hull::ns {

enum class Setgroups : uint8_t { Leave, Deny, Allow };

struct UnshareRequest {
  uint64_t flags = 0;                                  // CLONE_NEW*
  std::map<kernel::NsKind, std::string> persist;       // kind to an existing file
  bool fork = false, keep_caps = false, forward_signals = false;
  std::optional<int> kill_child;                       // the signal that the child gets when we die
  std::optional<std::string> mount_proc, mount_binfmt; // mount points
  std::optional<uint32_t> map_user, map_group;         // inner ids that the caller's own ids become
  std::vector<IdRange> user_ranges, group_ranges;      // further ranges
  std::optional<std::pair<uint32_t, uint32_t>> owner;  // uid and gid that own the new user namespace
  Setgroups setgroups = Setgroups::Leave;
  unsigned long propagation = 0;                       // MS_*; 0: leave
  std::optional<std::string> root, working_directory, load_interpreter;
  std::optional<uint32_t> uid, gid;                    // -S, -G
  std::optional<int64_t> monotonic_s, boottime_s;
  std::vector<std::string> command;                    // empty: the shell
};

// Errors of the request itself (Invalid), before anything is done.
Result<> check(const UnshareRequest& request);

// Returns the exit code of the child when it forked, or an error; without a fork it returns only on failure.
// An error that came from exec carries ENOENT (exit code 127) or another errno (126) and `exec_failed` is set.
Result<int> unshare(const UnshareRequest& request, bool& exec_failed);

}  // namespace hull::ns
