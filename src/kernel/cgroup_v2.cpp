// Control groups on cgroup v2; its kill and freeze also serve a hybrid host (cgroup_v1.cpp).
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/undo.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_tree.h"

namespace hull::kernel {

static bool event_in(std::string_view text, std::string_view key) {
  for (std::string_view line : split_lines(text)) {
    std::vector<std::string_view> words = split_words(line);
    if (words.size() == 2 && words[0] == key) return words[1] == "1";
  }
  return false;
}

bool v2_event(const CgroupTree& tree, const std::string& group, std::string_view key) {
  Result<std::string> text = read_group_file(tree, group, "cgroup.events");
  return text && event_in(*text, key);
}

Result<bool> v2_wait_event(const CgroupTree& tree, const std::string& group, std::string_view key, bool value, int timeout_ms) {
  const int64_t deadline = monotonic_ms() + timeout_ms;
  auto gone = [&](int error) { return (error == ENOENT || error == ENODEV) && key == "populated" && !value; };  // systemd may be as quick
  Result<Fd> opened = open_at(tree.root, group + "/cgroup.events", O_RDONLY);
  if (!opened && gone(opened.error().errno_value())) return true;
  Fd events = TRY(std::move(opened));
  for (;;) {
    char buffer[512];
    ssize_t size = ::pread(events.get(), buffer, sizeof buffer, 0);
    if (size < 0 && gone(errno)) return true;
    if (size < 0) return fail_errno("read", group + "/cgroup.events");
    if (event_in({buffer, static_cast<size_t>(size)}, key) == value) return true;
    int64_t remaining = deadline - monotonic_ms();
    if (remaining <= 0) return false;
    pollfd wait{events.get(), POLLPRI, 0};
    ::poll(&wait, 1, static_cast<int>(remaining));
  }
}

Result<> v2_kill(const CgroupTree& tree, const std::string& group) {
  return write_group_file(tree, group, "cgroup.kill", "1");
}

Result<> v2_freeze(const CgroupTree& tree, const std::string& group, bool freeze, int timeout_ms) {
  TRY(write_group_file(tree, group, "cgroup.freeze", freeze ? "1" : "0"));
  if (!freeze) return {};
  if (TRY(v2_wait_event(tree, group, "frozen", true, timeout_ms))) return {};
  (void)write_group_file(tree, group, "cgroup.freeze", "0");
  return fail(ErrorKind::System, format("cgroup /{} does not freeze: a process in it waits for the kernel; try again", group));
}

static std::vector<std::string> words_in(const CgroupTree& tree, const std::string& group, const std::string& file) {
  std::vector<std::string> words;
  if (Result<std::string> text = read_group_file(tree, group, file))
    for (std::string_view line : split_lines(*text))
      for (std::string_view word : split_words(line)) words.emplace_back(word);
  return words;
}

Result<> v2_enable_controllers(const CgroupTree& tree, const std::string& group) {
  size_t last = group.rfind('/');
  std::string direct_parent = last == std::string::npos ? std::string() : group.substr(0, last);
  const std::vector<std::string> wanted = words_in(tree, {}, "cgroup.controllers");
  auto missing_in = [&](const std::string& parent) {
    std::vector<std::string> enabled = words_in(tree, parent, "cgroup.subtree_control"), missing;
    for (const std::string& name : wanted)
      if (std::find(enabled.begin(), enabled.end(), name) == enabled.end()) missing.push_back(name);
    return missing;
  };
  if (missing_in(direct_parent).empty()) return {};
  // From the root down; a controller that cannot be given (threads, real-time processes) is missed only by who needs it.
  for (size_t end = 0; end != std::string::npos; end = group.find('/', end + 1)) {
    std::string parent = group.substr(0, end);
    // KERNEL: a group with processes that gives cpu or pids to its children becomes a threaded domain, and those refuse
    // processes (EOPNOTSUPP); it can give no other controller (EBUSY); cgroup-v2.rst.
    if (!parent.empty() && !words_in(tree, parent, "cgroup.procs").empty()) continue;
    for (const std::string& name : missing_in(parent))
      (void)write_group_file(tree, parent, "cgroup.subtree_control", "+" + name);
  }
  return {};
}

Result<> v2_apply_devices(const CgroupTree& tree, const std::string& group, const std::vector<oci::DeviceRule>& rules) {
  if (rules.empty()) return {};
  DevicePolicy policy = TRY(fold_device_rules(rules));
  Fd directory = TRY(open_at(tree.root, group, O_RDONLY | O_DIRECTORY));
  return attach_device_program(directory, device_program(policy));
}

namespace {

class CgroupV2 final : public Cgroup {
 public:
  CgroupV2(std::string path, std::shared_ptr<const CgroupTree> tree, Fd directory)
      : Cgroup(std::move(path)), tree_(std::move(tree)), group_(relative_group(path_)), directory_(std::move(directory)) {}

  CgroupMode mode() const override { return CgroupMode::V2; }

  Result<> apply(const oci::Resources& resources) override {
    std::vector<CgroupWrite> writes = TRY(cgroup_v2_writes(resources));
    TRY(apply_writes(writes, [this](const CgroupWrite& write) { return apply_write(*tree_, group_, write); }));
    return v2_apply_devices(*tree_, group_, resources.devices);
  }

  Result<> change(const oci::Resources& resources) override {
    auto tree_of = [this](std::string_view) { return tree_.get(); };
    return apply_or_restore(TRY(cgroup_v2_writes(resources)), group_, tree_of, [&] { return apply(resources); });
  }

  Result<std::vector<Fd>> open_files() const override { return std::vector<Fd>(); }
  CgroupEntry entry() const override { return {directory_.get(), tree_->mount_point + path_ + "/cgroup.procs", {}}; }

  Result<std::vector<pid_t>> processes() const override { return group_processes(*tree_, group_); }
  Result<bool> empty() const override { return !v2_event(*tree_, group_, "populated"); }

  Result<> kill(int timeout_ms) override {
    const int64_t deadline = monotonic_ms() + timeout_ms;
    Result<> killed = v2_kill(*tree_, group_);
    if (killed) {
      if (TRY(v2_wait_event(*tree_, group_, "populated", false, timeout_ms))) return {};
    } else if (killed.error().errno_value() == ENOENT && group_exists(*tree_, group_)) {
      TRY(kill_one_by_one(deadline));  // before Linux 5.14
      if (TRY(empty())) return {};
    } else {
      return killed.error().errno_value() == ENOENT ? Result<>() : killed;  // the group is gone
    }
    return fail(ErrorKind::System, format("cgroup {}: processes do not end after SIGKILL; they wait for the kernel", path_));
  }

  Result<> freeze(int timeout_ms) override { return v2_freeze(*tree_, group_, true, timeout_ms); }
  Result<> thaw() override { return v2_freeze(*tree_, group_, false, 0); }
  Result<bool> frozen() const override { return v2_event(*tree_, group_, "frozen"); }
  CgroupStats stats() const override { return read_v2_stats(*tree_, group_); }
  Counter oom_kills() const override;
  Counter memory_usage() const override { return read_counter(*tree_, group_, "memory.current"); }
  Counter memory_limit() const override { return read_counter(*tree_, group_, "memory.max"); }
  oci::Cpu bandwidth() const override;

 private:
  Result<> kill_one_by_one(int64_t deadline) {
    do {
      (void)write_group_file(*tree_, group_, "cgroup.freeze", "1");  // so that nothing forks away meanwhile
      TRY(kill_processes([&] { return processes(); }, 0));
      (void)write_group_file(*tree_, group_, "cgroup.freeze", "0");
      if (TRY(v2_wait_event(*tree_, group_, "populated", false, 100))) return {};
    } while (monotonic_ms() < deadline);
    return {};
  }

  std::shared_ptr<const CgroupTree> tree_;
  std::string group_;
  Fd directory_;
};

Counter CgroupV2::oom_kills() const { return pair_value(read_pairs(*tree_, group_, "memory.events"), "oom_kill"); }

oci::Cpu CgroupV2::bandwidth() const {
  oci::Cpu cpu;
  std::string text = read_group_file(*tree_, group_, "cpu.max").value_or("");
  std::vector<std::string_view> words = split_words(trim(text));
  if (words.size() != 2) return cpu;
  cpu.quota = parse_int(words[0]).value_or(-1);  // "max"
  cpu.period = parse_uint(words[1]);
  return cpu;
}

class CgroupsV2 final : public Cgroups {
 public:
  explicit CgroupsV2(CgroupTree tree) : tree_(std::make_shared<const CgroupTree>(std::move(tree))) {}

  CgroupMode mode() const override { return CgroupMode::V2; }

  std::vector<std::string> controllers() const override {
    std::vector<std::string> names = words_in(*tree_, {}, "cgroup.controllers");
    names.insert(names.end(), {"devices", "freezer"});  // eBPF and cgroup.freeze
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::unique_ptr<Cgroup>> create(const std::string& path) override {
    TRY(check_cgroup_path(path));
    std::string group = relative_group(path);
    TRY(make_group(*tree_, group, [](const std::string&) -> Result<> { return {}; }));
    Undo undo;
    undo.add([&] { (void)remove(path, 0); });
    TRY(v2_enable_controllers(*tree_, group));
    std::unique_ptr<Cgroup> made = TRY(find(path));
    undo.commit();
    return made;
  }

  Result<std::unique_ptr<Cgroup>> complete(const std::string& path) override {
    std::unique_ptr<Cgroup> found = TRY(find(path));
    TRY(v2_enable_controllers(*tree_, relative_group(path)));
    return found;
  }

  Result<std::unique_ptr<Cgroup>> find(const std::string& path) override {
    TRY(check_cgroup_path(path));
    Fd directory = TRY(open_at(tree_->root, relative_group(path), O_RDONLY | O_DIRECTORY));
    return std::unique_ptr<Cgroup>(std::make_unique<CgroupV2>(path, tree_, std::move(directory)));
  }

  Result<Fd> begin(const std::string& path) override {
    TRY(create(path));
    auto directory = open_at(tree_->root, relative_group(path), O_RDONLY | O_DIRECTORY);
    if (!directory) (void)remove(path, 0);
    return directory;
  }
  Result<std::unique_ptr<Cgroup>> finish(const std::string& path) override { return find(path); }

  Result<> remove(const std::string& path, int timeout_ms) override {
    TRY(check_cgroup_path(path));
    return remove_groups({tree_.get()}, relative_group(path), timeout_ms);
  }

 private:
  std::shared_ptr<const CgroupTree> tree_;
};

}  // namespace

Result<std::unique_ptr<Cgroups>> open_cgroups_v2(const CgroupHierarchy& hierarchy) {
  return std::unique_ptr<Cgroups>(std::make_unique<CgroupsV2>(TRY(CgroupTree::open(hierarchy))));
}

}  // namespace hull::kernel
