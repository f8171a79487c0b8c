#include "kernel/cgroup.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

#include "base/text.h"
#include "kernel/cgroup_tree.h"

namespace hull::kernel {

CgroupMode CgroupLayout::mode() const {
  bool controllers = std::any_of(v1.begin(), v1.end(), [](const CgroupHierarchy& h) {
    return !h.controllers.empty() && !h.controllers[0].starts_with("name=");
  });
  if (controllers) return v2 ? CgroupMode::Hybrid : CgroupMode::V1;
  return v2 ? CgroupMode::V2 : CgroupMode::None;
}

std::string_view cgroup_mode_name(CgroupMode mode) {
  switch (mode) {
    case CgroupMode::V1: return "v1";
    case CgroupMode::Hybrid: return "hybrid";
    case CgroupMode::V2: return "v2";
    case CgroupMode::None: break;
  }
  return "none";
}

// Super options of a v1 mount that are no controllers.
static bool is_mount_option(std::string_view option) {
  for (std::string_view plain : {"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "none", "relatime"})
    if (option == plain) return true;
  return option.starts_with("release_agent=");
}

static std::vector<std::string> v1_controllers(std::string_view super_options) {
  std::vector<std::string> controllers;
  for (std::string& option : split(super_options, ','))
    if (!option.empty() && !is_mount_option(option)) controllers.push_back(std::move(option));
  return controllers;
}

// man 5 proc_pid_mountinfo: ID PARENT DEV ROOT POINT OPTIONS [TAGS…] - TYPE SOURCE SUPER.
static void add_mount(CgroupLayout& layout, std::string_view line) {
  size_t separator = line.find(" - ");
  if (separator == std::string_view::npos) return;
  std::vector<std::string_view> before = split_words(line.substr(0, separator));
  std::vector<std::string_view> after = split_words(line.substr(separator + 3));
  if (before.size() < 6 || after.size() < 3) return;
  CgroupHierarchy hierarchy{unescape_octal(before[4]), {}};
  if (after[0] == "cgroup2" && !layout.v2) layout.v2 = std::move(hierarchy);
  if (after[0] != "cgroup") return;
  hierarchy.controllers = v1_controllers(after[2]);
  bool known = std::any_of(layout.v1.begin(), layout.v1.end(),
                           [&](const CgroupHierarchy& other) { return other.controllers == hierarchy.controllers; });
  if (!known && !hierarchy.controllers.empty()) layout.v1.push_back(std::move(hierarchy));
}

CgroupLayout parse_cgroup_layout(std::string_view mountinfo) {
  CgroupLayout layout;
  for (std::string_view line : split_lines(mountinfo))
    if (line.find(" - cgroup") != std::string_view::npos) add_mount(layout, line);
  return layout;
}

std::optional<CgroupLayout> guess_cgroup_layout(std::string_view proc_self_cgroup) {
  CgroupLayout layout;
  bool v2 = false;
  for (std::string_view line : split_lines(proc_self_cgroup)) {
    std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 3) return std::nullopt;
    const std::string& controllers = fields[1];
    std::string name = controllers.starts_with("name=") ? controllers.substr(5) : controllers;
    if (controllers.empty()) v2 = true;
    else layout.v1.push_back({"/sys/fs/cgroup/" + name, split(controllers, ',')});
  }
  if (v2) layout.v2 = CgroupHierarchy{layout.v1.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified", {}};
  return layout;
}

static bool is_of_type(const std::string& path, decltype(statfs::f_type) magic) {
  struct statfs fs;
  return ::statfs(path.c_str(), &fs) == 0 && fs.f_type == magic;
}

namespace {

struct HostCgroups {
  CgroupLayout layout;
  std::unique_ptr<Cgroups> opened;  // null: none is mounted
};

// Then v2, which the kernel names once it was mounted anywhere, is passed over where it is in no usual place.
bool v1_has_every_controller(const CgroupLayout& layout) {
  static constexpr std::string_view kControllers[] = {"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"};
  auto has = [&](std::string_view controller) {
    return std::any_of(layout.v1.begin(), layout.v1.end(), [&](const CgroupHierarchy& one) {
      return std::find(one.controllers.begin(), one.controllers.end(), controller) != one.controllers.end();
    });
  };
  return std::all_of(std::begin(kControllers), std::end(kControllers), has);
}

// As far as it can be told without a look at each hierarchy; none where v2 is in no usual place.
const std::optional<CgroupLayout>& usual_layout() {
  static const std::optional<CgroupLayout> usual = [] {
    Result<std::string> own = read_file("/proc/self/cgroup");
    std::optional<CgroupLayout> guess = own ? guess_cgroup_layout(*own) : std::nullopt;
    if (!guess || !guess->v2 || is_of_type(guess->v2->mount_point, CGROUP2_SUPER_MAGIC)) return guess;
    guess->v2.reset();
    return v1_has_every_controller(*guess) ? guess : std::nullopt;
  }();
  return usual;
}

// mountinfo has a line for each mount of each running container; the usual places are found without it.
Result<HostCgroups> open_host_cgroups() {
  if (const auto& usual = usual_layout())
    if (auto opened = Cgroups::open(*usual)) return HostCgroups{*usual, std::move(*opened)};
  CgroupLayout layout = parse_cgroup_layout(TRY(read_file("/proc/self/mountinfo")));
  auto opened = Cgroups::open(layout);
  return HostCgroups{std::move(layout), opened ? std::move(*opened) : nullptr};
}

const Result<HostCgroups>& known_cgroups() {
  static const Result<HostCgroups> known = open_host_cgroups();
  return known;
}

}  // namespace

Result<CgroupLayout> discover_cgroups() {
  const Result<HostCgroups>& known = known_cgroups();
  return known ? known->layout : Result<CgroupLayout>(fail(known.error()));
}

bool has_v1_alone() {
  const auto& usual = usual_layout();
  return usual && usual->mode() == CgroupMode::V1 && is_of_type(usual->v1[0].mount_point, CGROUP_SUPER_MAGIC);
}

Cgroups* host_cgroups() {
  const Result<HostCgroups>& known = known_cgroups();
  return known ? known->opened.get() : nullptr;
}

Result<> check_cgroup_path(std::string_view path) {
  bool good = path.size() > 1 && path.size() < 2048 && path[0] == '/';
  if (good)
    for (const std::string& component : split(path.substr(1), '/'))
      good = good && !component.empty() && component.size() < 256 && component != "." && component != ".." &&
             std::none_of(component.begin(), component.end(),
                          [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!good)
    return fail(ErrorKind::Invalid,
                format("cgroup path \"{}\": must be absolute and of plain names, as in /hull/name", escape_controls(path)));
  return {};
}

Result<std::unique_ptr<Cgroups>> Cgroups::open() { return open(TRY(discover_cgroups())); }

Result<std::unique_ptr<Cgroups>> Cgroups::open(const CgroupLayout& layout) {
  switch (layout.mode()) {
    case CgroupMode::V1:
    case CgroupMode::Hybrid: return open_cgroups_v1(layout);
    case CgroupMode::V2: return open_cgroups_v2(*layout.v2);
    case CgroupMode::None: break;
  }
  return fail(ErrorKind::Unsupported, "no cgroup hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup");
}

}  // namespace hull::kernel
