// Control groups on cgroup v1, and on a hybrid host: the group is made in every v1 hierarchy, and in the v2 tree too,
// which gives CLONE_INTO_CGROUP, cgroup.kill and the controllers that v1 lacks there.
#include <fcntl.h>

#include <algorithm>

#include "base/text.h"
#include "base/undo.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_tree.h"

namespace hull::kernel {

namespace {

struct Hierarchies {
  std::vector<CgroupTree> v1;
  std::optional<CgroupTree> v2;

  const CgroupTree* with(std::string_view controller) const {
    for (const CgroupTree& tree : v1)
      if (tree.has(controller)) return &tree;
    return nullptr;
  }
  std::vector<const CgroupTree*> all() const {
    std::vector<const CgroupTree*> trees;
    for (const CgroupTree& tree : v1) trees.push_back(&tree);
    if (v2) trees.push_back(&*v2);
    return trees;
  }
};

class CgroupV1 final : public Cgroup {
 public:
  CgroupV1(std::string path, std::shared_ptr<const Hierarchies> trees, Fd v2_directory)
      : Cgroup(std::move(path)), trees_(std::move(trees)), group_(relative_group(path_)), v2_directory_(std::move(v2_directory)) {}

  CgroupMode mode() const override { return trees_->v2 ? CgroupMode::Hybrid : CgroupMode::V1; }
  Result<> apply(const oci::Resources& resources) override;
  Result<> change(const oci::Resources& resources) override;
  CgroupEntry entry() const override;
  Result<std::vector<Fd>> open_files() const override;
  Result<std::vector<pid_t>> processes() const override;
  Result<bool> empty() const override { return TRY(processes()).empty(); }
  Result<> kill(int timeout_ms) override;
  Result<> freeze(int timeout_ms) override;
  Result<> thaw() override;
  Result<bool> frozen() const override;
  CgroupStats stats() const override;
  Counter oom_kills() const override;
  Counter memory_usage() const override { return counter("memory", "memory.usage_in_bytes"); }
  Counter memory_limit() const override { return counter("memory", "memory.limit_in_bytes"); }
  oci::Cpu bandwidth() const override;

 private:
  bool in_v2() const { return static_cast<bool>(v2_directory_); }
  bool v2_populated() const { return in_v2() && v2_event(*trees_->v2, group_, "populated"); }
  Result<> apply_in_v2(const oci::Resources& resources, std::string_view controller);
  Result<> apply_devices(const std::vector<oci::DeviceRule>& rules);
  Result<> set_freezer(const char* state);
  Counter counter(const char* controller, const char* file) const;

  std::shared_ptr<const Hierarchies> trees_;
  std::string group_;
  Fd v2_directory_;  // none where v2 is not mounted or the group is not in it
};

// The hierarchy that names the group's processes: any would do, the freezer's is where killing works.
const CgroupTree& member_tree(const Hierarchies& trees) {
  for (const char* controller : {"freezer", "pids", "devices", "memory"})
    if (const CgroupTree* tree = trees.with(controller)) return *tree;
  return trees.v1.front();
}

Result<> CgroupV1::apply(const oci::Resources& resources) {
  std::vector<CgroupWrite> writes = TRY(cgroup_v1_writes(resources));
  std::string_view in_v2;  // the controller whose v2 values were written last
  auto apply = [&](const CgroupWrite& write) -> Result<> {
    if (const CgroupTree* tree = trees_->with(write.controller)) return apply_write(*tree, group_, write);
    if (in_v2 != write.controller) TRY(apply_in_v2(resources, write.controller));
    in_v2 = write.controller;
    return {};
  };
  TRY(apply_writes(writes, apply));
  return apply_devices(resources.devices);
}

Result<> CgroupV1::change(const oci::Resources& resources) {
  auto tree_of = [this](std::string_view controller) { return trees_->with(controller); };
  return apply_or_restore(TRY(cgroup_v1_writes(resources)), group_, tree_of, [&] { return apply(resources); });
}

// What v2 has no word for may be another's, which v1 has here.
static oci::Resources of_controller(const oci::Resources& all, std::string_view controller) {
  oci::Resources part;
  if (controller == "memory") part.memory = all.memory;
  else if (controller == "cpu") part.cpu = all.cpu;
  else if (controller == "cpuset") part.cpu.cpus = all.cpu.cpus, part.cpu.mems = all.cpu.mems;
  else if (controller == "pids") part.pids_limit = all.pids_limit;
  else if (controller == "blkio") part.block_io = all.block_io;
  else if (controller == "hugetlb") part.hugepage_limits = all.hugepage_limits;
  else if (controller == "rdma") part.rdma = all.rdma;
  else part.network_class_id = all.network_class_id, part.network_priorities = all.network_priorities;
  return part;
}

Result<> CgroupV1::apply_in_v2(const oci::Resources& resources, std::string_view controller) {
  if (!in_v2())
    return fail(ErrorKind::Unsupported, format("this host has no {} cgroup; leave out that limit, or mount the controller: "
                                               "mount -t cgroup -o {} none /sys/fs/cgroup/{}", controller, controller, controller));
  TRY(v2_enable_controllers(*trees_->v2, group_));
  std::vector<CgroupWrite> writes = TRY(cgroup_v2_writes(of_controller(resources, controller)));
  std::string_view name = controller == "blkio" ? "io" : controller;  // v2's
  std::erase_if(writes, [&](const CgroupWrite& write) { return write.controller != name; });
  return apply_writes(writes, [this](const CgroupWrite& write) { return apply_write(*trees_->v2, group_, write); });
}

Result<> CgroupV1::apply_devices(const std::vector<oci::DeviceRule>& rules) {
  if (rules.empty()) return {};
  const CgroupTree* tree = trees_->with("devices");
  if (tree == nullptr && in_v2()) return v2_apply_devices(*trees_->v2, group_, rules);
  if (tree == nullptr) return fail(ErrorKind::Unsupported, "this host has no devices cgroup: device rules cannot be enforced");
  Fd allow, deny;
  DevicePolicy policy = TRY(fold_device_rules(rules));
  for (const DeviceLine& line : device_v1_lines(policy)) {
    Fd& file = line.allow ? allow : deny;
    const char* name = line.allow ? "devices.allow" : "devices.deny";
    if (!file) file = TRY(open_at(tree->root, group_ + "/" + name, O_WRONLY));
    if (::write(file.get(), line.value.data(), line.value.size()) < 0)
      return fail(Error::from_errno("write", format("\"{}\" to {} of cgroup {}", line.value, name, path_))
                      .with_remedy("the parent group must allow the device"));
  }
  return {};
}

CgroupEntry CgroupV1::entry() const {
  CgroupEntry entry{v2_directory_.get(), {}, {}};
  if (in_v2()) entry.into_fallback_file = trees_->v2->mount_point + path_ + "/cgroup.procs";
  for (const CgroupTree& tree : trees_->v1) entry.files.push_back(tree.mount_point + path_ + "/tasks");
  return entry;
}

Result<std::vector<Fd>> CgroupV1::open_files() const {
  std::vector<Fd> files;
  for (const CgroupTree& tree : trees_->v1) files.push_back(TRY(open_at(tree.root, group_ + "/tasks", O_WRONLY)));
  return files;
}

Result<std::vector<pid_t>> CgroupV1::processes() const {
  std::vector<pid_t> pids = TRY(group_processes(member_tree(*trees_), group_));
  if (!v2_populated()) return pids;
  // Between its clone and its own writes to `tasks` a process is in the v2 group alone.
  for (pid_t pid : TRY(group_processes(*trees_->v2, group_)))
    if (std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
  return pids;
}

Result<> CgroupV1::set_freezer(const char* state) {
  const CgroupTree* tree = trees_->with("freezer");
  if (tree == nullptr) return fail(ErrorKind::Unsupported, "this host has no freezer cgroup: a container cannot be paused");
  return write_group_file(*tree, group_, "freezer.state", state);
}

Result<> CgroupV1::kill(int timeout_ms) {
  const int64_t deadline = monotonic_ms() + timeout_ms;
  auto list = [&] { return processes(); };
  for (bool first = true;; first = false) {
    if (in_v2()) (void)v2_kill(*trees_->v2, group_);  // atomic; before Linux 5.14 it is not there
    // Frozen while signalled, so that nothing forks away. KERNEL: a task killed in a frozen v1 freezer dies only when
    // thawed; cgroup-v1/freezer-subsystem.rst.
    if (!first || !in_v2()) (void)set_freezer("FROZEN");
    Result<size_t> signalled = kill_processes(list, 0);
    (void)set_freezer("THAWED");
    if (in_v2()) (void)v2_freeze(*trees_->v2, group_, false, 0);
    if (!signalled) return fail(std::move(signalled).error());
    TRY(kill_processes(list, 100));  // and waits
    if (TRY(empty())) return {};
    if (monotonic_ms() >= deadline) break;
    sleep_ms(1);
  }
  return fail(ErrorKind::System, format("cgroup {}: processes do not end after SIGKILL; they wait for the kernel", path_));
}

Result<> CgroupV1::freeze(int timeout_ms) {
  if (v2_populated()) return v2_freeze(*trees_->v2, group_, true, timeout_ms);
  const int64_t deadline = monotonic_ms() + timeout_ms;
  TRY(set_freezer("FROZEN"));
  while (!TRY(frozen())) {
    if (monotonic_ms() >= deadline) {
      (void)set_freezer("THAWED");
      return fail(ErrorKind::System, format("cgroup {} does not freeze: a process in it waits for the kernel; try again", path_));
    }
    sleep_ms(1);
    TRY(set_freezer("FROZEN"));  // a process forked meanwhile may have been missed
  }
  return {};
}

Result<> CgroupV1::thaw() {
  if (in_v2()) TRY(v2_freeze(*trees_->v2, group_, false, 0));
  if (trees_->with("freezer") == nullptr) return {};
  return set_freezer("THAWED");
}

Result<bool> CgroupV1::frozen() const {
  if (in_v2() && v2_event(*trees_->v2, group_, "frozen")) return true;
  const CgroupTree* tree = trees_->with("freezer");
  if (tree == nullptr) return false;
  return trim(TRY(read_group_file(*tree, group_, "freezer.state"))) == "FROZEN";
}

CgroupStats CgroupV1::stats() const {
  CgroupStats stats = read_v1_stats([this](std::string_view controller) { return trees_->with(controller); }, group_);
  if (in_v2() && trees_->with("hugetlb") == nullptr) add_v2_hugepages(stats, *trees_->v2, group_);
  return stats;
}

Counter CgroupV1::counter(const char* controller, const char* file) const {
  const CgroupTree* tree = trees_->with(controller);
  return tree != nullptr ? read_counter(*tree, group_, file) : std::nullopt;
}

Counter CgroupV1::oom_kills() const {
  const CgroupTree* tree = trees_->with("memory");
  return tree != nullptr ? pair_value(read_pairs(*tree, group_, "memory.oom_control"), "oom_kill") : std::nullopt;
}

oci::Cpu CgroupV1::bandwidth() const {
  oci::Cpu cpu;
  const CgroupTree* tree = trees_->with("cpu");
  if (tree == nullptr) return cpu;
  cpu.quota = parse_int(trim(read_group_file(*tree, group_, "cpu.cfs_quota_us").value_or("")));
  cpu.period = read_counter(*tree, group_, "cpu.cfs_period_us");
  return cpu;
}

// KERNEL: a new cpuset has no CPUs and no memory nodes, and refuses every process (ENOSPC), until it is given some;
// cgroup-v1/cpusets.rst. With cgroup.clone_children in the parent it takes the parent's at birth.
Result<> fill_cpuset(const CgroupTree& tree, const std::string& group) {
  std::string own = TRY(read_group_file(tree, group, "cpuset.cpus"));
  if (group.empty() || !trim(own).empty()) return {};
  size_t slash = group.rfind('/');
  std::string parent = slash == std::string::npos ? std::string() : group.substr(0, slash);
  TRY(fill_cpuset(tree, parent));  // another command may have made it this moment and not filled it yet
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    std::string inherited = TRY(read_group_file(tree, parent, file));
    TRY(write_group_file(tree, group, file, trim(inherited)));
  }
  return {};
}

Result<> make_v1_group(const CgroupTree& tree, const std::string& group) {
  if (!tree.has("cpuset")) return make_group(tree, group, [](const std::string&) -> Result<> { return {}; });
  auto made = [&](const std::string& directory) -> Result<> {
    TRY(fill_cpuset(tree, directory));
    if (directory == group) return {};
    return write_group_file(tree, directory, "cgroup.clone_children", "1");
  };
  return make_group(tree, group, made);
}

class CgroupsV1 final : public Cgroups {
 public:
  explicit CgroupsV1(Hierarchies trees) : trees_(std::make_shared<const Hierarchies>(std::move(trees))) {}

  CgroupMode mode() const override { return trees_->v2 ? CgroupMode::Hybrid : CgroupMode::V1; }

  std::vector<std::string> controllers() const override {
    std::vector<std::string> names;
    for (const CgroupTree& tree : trees_->v1)
      for (const std::string& name : tree.controllers)
        if (!name.starts_with("name=")) names.push_back(name);
    if (trees_->v2)
      if (Result<std::string> text = read_group_file(*trees_->v2, {}, "cgroup.controllers"))
        for (std::string_view name : split_words(trim(*text))) names.emplace_back(name);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::unique_ptr<Cgroup>> create(const std::string& path) override { return make(path, Made::None); }
  Result<std::unique_ptr<Cgroup>> finish(const std::string& path) override { return make(path, Made::V2); }
  Result<Fd> begin(const std::string& path) override {
    TRY(check_cgroup_path(path));
    if (!trees_->v2) return Fd();
    for (const CgroupTree* tree : trees_->all())
      if (group_exists(*tree, relative_group(path))) return fail(ErrorKind::Exists, format("cgroup {} exists", path));
    TRY(make_v2_group(*trees_->v2, relative_group(path)));
    auto directory = open_at(trees_->v2->root, relative_group(path), O_RDONLY | O_DIRECTORY);
    if (!directory) (void)remove(path, 0);
    return directory;
  }
  Result<std::unique_ptr<Cgroup>> complete(const std::string& path) override {
    TRY(check_cgroup_path(path));
    std::vector<const CgroupTree*> all = trees_->all();
    bool there = std::any_of(all.begin(), all.end(), [&](const CgroupTree* tree) { return group_exists(*tree, relative_group(path)); });
    if (!there) return fail(ErrorKind::NotFound, format("no such cgroup: {}", path));
    return make(path, Made::Some);
  }

  Result<std::unique_ptr<Cgroup>> find(const std::string& path) override {
    TRY(check_cgroup_path(path));
    std::string group = relative_group(path);
    if (!group_exists(member_tree(*trees_), group) && !(trees_->v2 && group_exists(*trees_->v2, group)))
      return fail(ErrorKind::NotFound, format("no such cgroup: {}", path));
    return open_group(path);
  }

  Result<> remove(const std::string& path, int timeout_ms) override {
    TRY(check_cgroup_path(path));
    return remove_groups(trees_->all(), relative_group(path), timeout_ms);
  }

 private:
  enum class Made { None, V2, Some };  // where the group may be already
  static Result<> make_v2_group(const CgroupTree& tree, const std::string& group) {
    return make_group(tree, group, [](const std::string&) -> Result<> { return {}; });
  }

  Result<std::unique_ptr<Cgroup>> make(const std::string& path, Made already) {
    TRY(check_cgroup_path(path));
    std::string group = relative_group(path);
    std::vector<const CgroupTree*> made;
    Undo undo;
    undo.add([&] { (void)remove_groups(made, group, 0); });
    auto make_in = [&](const CgroupTree& tree, Result<> (*make_group)(const CgroupTree&, const std::string&), bool may_exist) -> Result<> {
      Result<> done = make_group(tree, group);
      bool existed = !done && done.error().kind() == ErrorKind::Exists;
      if (!existed) made.push_back(&tree);
      return existed && may_exist ? Result<>() : done;
    };
    for (const CgroupTree& tree : trees_->v1) TRY(make_in(tree, make_v1_group, already == Made::Some));
    if (trees_->v2) TRY(make_in(*trees_->v2, make_v2_group, already != Made::None));
    std::unique_ptr<Cgroup> cgroup = TRY(open_group(path));
    undo.commit();
    return cgroup;
  }

  Result<std::unique_ptr<Cgroup>> open_group(const std::string& path) {
    Fd directory;
    if (trees_->v2) {
      Result<Fd> opened = open_at(trees_->v2->root, relative_group(path), O_RDONLY | O_DIRECTORY);
      if (opened) directory = std::move(*opened);
    }
    return std::unique_ptr<Cgroup>(std::make_unique<CgroupV1>(path, trees_, std::move(directory)));
  }

  std::shared_ptr<const Hierarchies> trees_;
};

}  // namespace

Result<std::unique_ptr<Cgroups>> open_cgroups_v1(const CgroupLayout& layout) {
  Hierarchies trees;
  for (const CgroupHierarchy& hierarchy : layout.v1) trees.v1.push_back(TRY(CgroupTree::open(hierarchy)));
  if (layout.v2) trees.v2 = TRY(CgroupTree::open(*layout.v2));
  return std::unique_ptr<Cgroups>(std::make_unique<CgroupsV1>(std::move(trees)));
}

}  // namespace hull::kernel
