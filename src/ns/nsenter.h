// What nsenter(1) does: opens everything of the target first, then enters, changes root and directory, forks where a
// pid namespace asks for it, changes ids, and execs. The request is plain data made by cli/nsenter.cpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/namespaces.h"

namespace hull::ns {

struct EnterRequest {
  std::optional<pid_t> target;
  std::optional<uint64_t> target_inode;            // of its pidfd: refuse another process under the same number
  uint64_t flags = 0;                              // CLONE_NEW* from the target
  std::map<kernel::NsKind, std::string> files;     // kinds entered through a file instead
  bool all = false;                                // every kind, but no user namespace that is ours already
  bool user_parent = false;                        // the user namespace that owns the first one entered
  std::optional<int> net_socket;                   // a descriptor of the target: the net namespace of that socket
  bool target_root = false, target_wd = false, environment = false, join_cgroup = false, follow_context = false;
  std::optional<std::string> root, wd, wdns;       // directories instead; wdns is looked up inside
  std::optional<uint32_t> uid, gid;
  bool follow_uid = false, follow_gid = false;     // the target's own
  bool preserve_credentials = false, keep_caps = false, no_fork = false;
  std::vector<std::string> command;
};

// As unshare(): the child's exit code, or an error; `exec_failed` when it is exec's.
Result<int> enter(const EnterRequest& request, bool& exec_failed);

// Who refuses to let us into a namespace: the user namespace that owns it and the capability we lack there.
std::string explain_refusal(const Fd& ns, kernel::NsKind kind);

}  // namespace hull::ns
