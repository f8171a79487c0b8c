// What cgroup v1 and v2 share: groups as directories under one hierarchy's root, their processes, values of their
// files, and the errors for them. Internal to cgroup_v1.cpp and cgroup_v2.cpp. All paths are relative to the root
// descriptor and of checked components; cgroupfs has no symbolic links, so none can lead out.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.h"
#include "base/fd.h"
#include "kernel/cgroup.h"

namespace hull::kernel {

// A hierarchy with its root opened (O_PATH).
struct CgroupTree {
  std::string mount_point;
  std::vector<std::string> controllers;
  Fd root;

  bool has(std::string_view controller) const;
  static Result<CgroupTree> open(const CgroupHierarchy& hierarchy);
};

// "/hull/x" as "hull/x".
std::string relative_group(const std::string& path);

// mkdir of the group and of missing parents; `made` is called for each directory made, outermost first, and may fail.
// Exists when the group itself was there.
Result<> make_group(const CgroupTree& tree, const std::string& group,
                    const std::function<Result<>(const std::string&)>& made);
bool group_exists(const CgroupTree& tree, const std::string& group);

// Removes the group in all trees; see Cgroups::remove.
Result<> remove_groups(const std::vector<const CgroupTree*>& trees, const std::string& group, int timeout_ms);

// The whole of a (small) file in the group.
Result<std::string> read_group_file(const CgroupTree& tree, const std::string& group, const std::string& file);
Result<> write_group_file(const CgroupTree& tree, const std::string& group, const std::string& file, std::string_view value);
// One write with its alternative file; the error names file, value, group and remedy.
Result<> apply_write(const CgroupTree& tree, const std::string& group, const CgroupWrite& write);

// KERNEL: some files bound each other (memory and memory with swap, quota and burst, quota and period and the parent's) and
// refuse (EINVAL) what the other's old value forbids: such a write is tried again after the rest.
Result<> apply_writes(const std::vector<CgroupWrite>& writes, const std::function<Result<>(const CgroupWrite&)>& apply);

// Where `apply` fails, writes again what the files of `writes` held before, but those of several lines, each a device's or a
// node's. Those of controllers without a tree are left alone.
Result<> apply_or_restore(const std::vector<CgroupWrite>& writes, const std::string& group, const TreeOf& tree_of, const std::function<Result<>()>& apply);

// Processes of the group and of those under it; a group that vanishes meanwhile has none.
Result<std::vector<pid_t>> group_processes(const CgroupTree& tree, const std::string& group);
// SIGKILL by pidfd to the processes that list() names, if it still names them once the pidfds are open (so that a
// reused pid is spared); then waits until they ended, at most wait_ms. Returns how many were signalled.
Result<size_t> kill_processes(const std::function<Result<std::vector<pid_t>>()>& list, int wait_ms);

// Statistics: "1234\n" as a number ("max" and v1's huge "no limit" are none), "key value" lines as a map.
std::optional<uint64_t> read_counter(const CgroupTree& tree, const std::string& group, const std::string& file);
std::map<std::string, uint64_t, std::less<>> read_pairs(const CgroupTree& tree, const std::string& group,
                                                        const std::string& file);
std::optional<uint64_t> pair_value(const std::map<std::string, uint64_t, std::less<>>& pairs, std::string_view key);

// The two implementations behind Cgroups::open.
Result<std::unique_ptr<Cgroups>> open_cgroups_v1(const CgroupLayout& layout);  // and hybrid
Result<std::unique_ptr<Cgroups>> open_cgroups_v2(const CgroupHierarchy& hierarchy);

// v2's own kill, freeze and wait, also used by the v1 implementation on a hybrid host.
Result<> v2_kill(const CgroupTree& tree, const std::string& group);
Result<> v2_freeze(const CgroupTree& tree, const std::string& group, bool freeze, int timeout_ms);
bool v2_event(const CgroupTree& tree, const std::string& group, std::string_view key);  // of cgroup.events
// Waits until cgroup.events says `key value`; false after timeout_ms.
Result<bool> v2_wait_event(const CgroupTree& tree, const std::string& group, std::string_view key, bool value, int timeout_ms);
// Makes the root's controllers available in the group's parent and so to the group.
Result<> v2_enable_controllers(const CgroupTree& tree, const std::string& group);
Result<> v2_apply_devices(const CgroupTree& tree, const std::string& group, const std::vector<oci::DeviceRule>& rules);

}  // namespace hull::kernel
