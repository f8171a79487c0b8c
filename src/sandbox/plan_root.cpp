// The stages that build the root file system: root, mounts, devices, masks, pivot.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "sandbox/compiler.h"
#include "sandbox/mount_options.h"

namespace hull::sandbox {

using kernel::NsKind;

static bool wants_host_propagation(const oci::Spec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    return std::any_of(mount.options.begin(), mount.options.end(), [](const std::string& option) {
      return option == "shared" || option == "rshared" || option == "slave" || option == "rslave";
    });
  });
}

Result<> compile_root(Compiler& c) {
  // Nothing we mount may reach the host: its tree becomes private, or a slave where a bind asks for its mounts.
  uint64_t propagation = wants_host_propagation(c.spec) ? MS_SLAVE : MS_PRIVATE;
  uint64_t root_propagation = MS_PRIVATE;
  if (!c.spec.linux_.rootfs_propagation.empty()) {
    auto flags = propagation_flags(c.spec.linux_.rootfs_propagation);
    if (!flags) return fail(ErrorKind::Invalid, format("linux.rootfsPropagation: unknown value \"{}\"", c.spec.linux_.rootfs_propagation));
    if ((*flags & (MS_SHARED | MS_SLAVE)) != 0) propagation = root_propagation = MS_SLAVE;
  }
  c.add(StepKind::Propagation).numbers[0] = propagation | MS_REC;
  if (!c.options.overlay) {
    Step& root = c.add(StepKind::RootBind, {c.spec.root.path, c.options.mount_point});
    root.numbers[0] = 1;
    root.numbers[1] = root_propagation;
    return {};
  }
  const OverlayRoot& overlay = *c.options.overlay;
  Step& root = c.add(StepKind::RootOverlay, {c.options.mount_point, overlay.upper, overlay.work});
  root.texts.insert(root.texts.end(), overlay.lowers.begin(), overlay.lowers.end());
  root.numbers[0] = overlay.skip_sync;
  root.numbers[1] = c.facts.in_user_namespace;
  root.numbers[2] = c.root_comes_from_hull();
  return {};
}

// ---- mounts

// lxcfs replaces these files of /proc; nothing else may be mounted inside it (SECURITY B7, as runc allows them).
static bool allowed_inside_proc(std::string_view destination) {
  static constexpr std::string_view kAllowed[] = {"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat",
                                                  "/proc/swaps", "/proc/uptime", "/proc/loadavg", "/proc/slabinfo",
                                                  "/proc/net/dev", "/proc/sys/kernel/ns_last_pid"};
  return std::find(std::begin(kAllowed), std::end(kAllowed), destination) != std::end(kAllowed);
}

// "/a/./b//../c" to "/a/c", never above the root.
static std::string clean_path(std::string_view path) {
  std::vector<std::string> kept;
  for (std::string& piece : split(path, '/')) {
    if (piece == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!piece.empty() && piece != ".") {
      kept.push_back(std::move(piece));
    }
  }
  return "/" + join(kept, "/");
}

static Result<> check_destination(const std::string& destination, bool is_proc) {
  std::string clean = clean_path(destination);
  if (clean == "/proc" && !is_proc)
    return fail(ErrorKind::Unsafe, "mount destination /proc takes only proc itself; choose another");
  if (clean.starts_with("/proc/") && !allowed_inside_proc(clean))
    return fail(ErrorKind::Unsafe, format("mount destination {} is inside /proc, where it could disarm protections; choose another", destination));
  return {};
}

// KERNEL: to set one of the atime modes all its bits must be cleared, with it (EINVAL otherwise); mount_setattr(2).
static uint64_t attributes_to_clear(const MountOptions& options) {
  constexpr uint64_t kAtimeModes = 0x70;
  uint64_t clear = options.clear | options.recursive_clear;
  return clear & ~((options.set | options.recursive_set) & ~kAtimeModes);
}

static void set_bind_numbers(Step& step, const MountOptions& options) {
  bool recursive_attributes = (options.recursive_set | options.recursive_clear) != 0;
  step.numbers[0] = options.set | options.recursive_set;
  step.numbers[1] = attributes_to_clear(options);
  step.numbers[2] = options.recursive_bind;
  step.numbers[3] = options.propagation;
  step.numbers[4] = recursive_attributes || options.propagation_recursive;
}

static void add_bind(Compiler& c, const std::string& destination, const std::string& source, const MountOptions& options) {
  Step& step = c.add(StepKind::MountBind, {destination, source});
  set_bind_numbers(step, options);
  step.numbers[5] = allowed_inside_proc(clean_path(destination));
}

// Without a cgroup namespace of its own the container would see every group of the host: its own are bound instead.
static void bind_own_cgroups(Compiler& c, const oci::Mount& mount, const MountOptions& options) {
  Step& step = c.add(StepKind::BindCgroup1, {mount.destination});
  set_bind_numbers(step, options);
  for (const auto& [name, controllers] : c.facts.cgroup_v1) {
    step.texts.push_back(name);
    step.texts.push_back("/sys/fs/cgroup/" + name + c.options.cgroup_path);
  }
}

static void add_cgroup_mount(Compiler& c, const oci::Mount& mount, const MountOptions& options) {
  bool own_view = c.find_namespace(NsKind::Cgroup) != nullptr || c.options.cgroup_path.empty();
  if (!own_view && !c.facts.cgroup_unified && mount.type == "cgroup") return bind_own_cgroups(c, mount, options);
  if (!own_view && c.facts.cgroup_unified) return add_bind(c, mount.destination, "/sys/fs/cgroup" + c.options.cgroup_path, options);
  if (c.facts.cgroup_unified || mount.type == "cgroup2") {
    c.add(StepKind::MountFs, {mount.destination, "cgroup2", "cgroup"}).numbers[0] = options.set;
    return;
  }
  Step& step = c.add(StepKind::MountCgroup1, {mount.destination});
  step.numbers[0] = options.set;
  for (const auto& [name, controllers] : c.facts.cgroup_v1) {
    step.texts.push_back(name);
    step.texts.push_back(controllers);
  }
}

// KERNEL: sysfs, mqueue, proc and cgroup show the net, ipc, pid and cgroup namespace of the mounter and refuse (EPERM) a
// mounter whose user namespace does not own it; user_namespaces(7). There the host's mount is bound instead.
struct HostTwin {
  bool needed = false;
  const char* path = nullptr;  // null: left out, for the host's would show another namespace
};

static HostTwin host_twin(const Compiler& c, const oci::Mount& mount) {
  auto shares = [&](NsKind kind) { return c.find_namespace(kind) == nullptr; };  // the host's
  if (mount.type == "sysfs" && !c.mounts(NsKind::Net)) return {true, "/sys"};
  if (mount.type == "mqueue" && !c.mounts(NsKind::Ipc)) return {true, shares(NsKind::Ipc) && c.facts.has_mqueue ? "/dev/mqueue" : nullptr};
  if (mount.type == "proc" && !c.mounts(NsKind::Pid)) return {true, "/proc"};
  bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
  if (cgroup && !c.mounts(NsKind::Cgroup)) return {true, shares(NsKind::Cgroup) ? "/sys/fs/cgroup" : nullptr};
  return {};
}

static Result<> add_mapped_bind(Compiler& c, const oci::Mount& mount, const MountOptions& options) {
  const bool own = !mount.uid_mappings.empty();
  const auto& uids = own ? mount.uid_mappings : c.spec.linux_.uid_mappings;
  const auto& gids = own ? mount.gid_mappings : c.spec.linux_.gid_mappings;
  if (uids.empty() || gids.empty())
    return fail(ErrorKind::Invalid, format("mounts: idmap of {} needs uidMappings and gidMappings, its own or the user namespace's", mount.destination));
  bool recursive_attributes = (options.recursive_set | options.recursive_clear) != 0;
  MappedBind bind{mount.source, uids, gids, options.recursive_bind, options.map_ids_recursive,
                  recursive_attributes || options.propagation_recursive, options.set | options.recursive_set, 0, options.propagation};
  bind.clear = attributes_to_clear(options);
  Step& step = c.add(StepKind::MountBind, {mount.destination, mount.source});
  step.numbers[2] = (static_cast<uint64_t>(c.passed.mapped) + c.plan.mapped_binds.size()) << 8;
  step.numbers[5] = allowed_inside_proc(clean_path(mount.destination));
  c.plan.mapped_binds.push_back(std::move(bind));
  return {};
}

static Result<> add_bind_mount(Compiler& c, const oci::Mount& mount, const MountOptions& options) {
  if (mount.source.empty()) return fail(ErrorKind::Invalid, format("mounts: the bind to {} has no source", mount.destination));
  if (options.map_ids || !mount.uid_mappings.empty()) return add_mapped_bind(c, mount, options);
  add_bind(c, mount.destination, mount.source, options);
  return {};
}

static void add_new_mount(Compiler& c, const oci::Mount& mount, MountOptions& options) {
  bool has_mode = std::any_of(options.data.begin(), options.data.end(), [](const std::string& data) { return data.starts_with("mode="); });
  Step& step = c.add(StepKind::MountFs, {mount.destination, mount.type, mount.source});
  for (std::string& data : options.data) step.texts.push_back(std::move(data));
  bool labelled_by_kernel = mount.type == "proc" || mount.type == "sysfs" || mount.type == "mqueue";
  if (!c.spec.linux_.mount_label.empty() && !labelled_by_kernel) step.texts.push_back("context=" + c.spec.linux_.mount_label);
  step.numbers[0] = (options.set & ~options.recursive_clear) | options.recursive_set;  // nothing is below it yet
  step.numbers[1] = options.copy_up;
  step.numbers[2] = mount.type == "tmpfs" && !has_mode;  // as runc does
  step.numbers[3] = options.propagation;
  step.numbers[5] = clean_path(mount.destination) == "/proc";
}

static Result<> add_mount(Compiler& c, const oci::Mount& mount) {
  if (mount.destination.empty()) return fail(ErrorKind::Invalid, "mounts: one has no destination");
  MountOptions options = TRY_CONTEXT(parse_mount_options(mount.options), "mount " + mount.destination);
  bool is_bind = mount.is_bind();
  TRY(check_destination(mount.destination, mount.type == "proc" || is_bind));
  if (options.remount) {
    Step& step = c.add(StepKind::Remount, {mount.destination});
    step.numbers[0] = options.set;
    step.numbers[1] = attributes_to_clear(options);
    return {};
  }
  if (options.copy_up && mount.type != "tmpfs")
    return fail(ErrorKind::Invalid, format("mounts: {}: tmpcopyup is for a tmpfs", mount.destination));
  if (is_bind && !options.data.empty())
    return fail(ErrorKind::Invalid, format("mounts: {}: a bind mount has no option \"{}\"", mount.destination, escape_controls(options.data[0])));
  if (HostTwin twin = host_twin(c, mount); twin.needed) {
    if (twin.path == nullptr) return {};
    options.recursive_bind = true;
    options.recursive_set |= options.set;
    add_bind(c, mount.destination, twin.path, options);
  } else if (is_bind) {
    return add_bind_mount(c, mount, options);
  } else if (mount.type == "cgroup" || mount.type == "cgroup2") {
    add_cgroup_mount(c, mount, options);
  } else {
    add_new_mount(c, mount, options);
  }
  return {};
}

Result<> compile_mounts(Compiler& c) {
  for (const oci::Mount& mount : c.spec.mounts) TRY(add_mount(c, mount));
  if (!c.spec.process.cwd.starts_with('/'))
    return fail(ErrorKind::Invalid, format("process.cwd: \"{}\" is not absolute", c.spec.process.cwd));
  if (c.spec.process.cwd != "/") c.add(StepKind::MakeDir, {c.spec.process.cwd}).numbers[0] = 0755;
  return {};
}

// ---- devices

struct Node {
  const char* path;
  unsigned major, minor;
};
constexpr Node kDefaultNodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                                  {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
constexpr const char* kKcore = "/proc/kcore";
constexpr std::pair<const char*, const char*> kDevLinks[] = {
    {"/dev/fd", "/proc/self/fd"},    {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/core", kKcore},          {"/dev/ptmx", "pts/ptmx"}};

static Result<uint64_t> node_type(const oci::Device& device) {
  if (device.type == "c" || device.type == "u") return S_IFCHR;
  if (device.type == "b") return S_IFBLK;
  if (device.type == "p") return S_IFIFO;
  return fail(ErrorKind::Invalid, format("linux.devices: {} has the unknown type \"{}\"", device.path, device.type));
}

static Result<> add_device(Compiler& c, const oci::Device& device) {
  uint64_t type = TRY(node_type(device));
  if (c.in_user_namespace()) {
    c.add(StepKind::BindNode, {device.path, device.path});
    return {};
  }
  Step& step = c.add(StepKind::MakeNode, {device.path});
  step.numbers[0] = type | (device.file_mode.value_or(0666) & 07777);
  step.numbers[1] = makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  step.numbers[2] = device.uid.value_or(0);
  step.numbers[3] = device.gid.value_or(0);
  return {};
}

// A /dev that the caller binds is the caller's: nothing is made in it.
static bool makes_dev(const oci::Spec& spec) {
  for (const oci::Mount& mount : spec.mounts)
    if (clean_path(mount.destination) == "/dev") return !mount.is_bind();
  return true;
}

Result<> compile_devices(Compiler& c) {
  if (makes_dev(c.spec)) {
    for (const Node& node : kDefaultNodes)
      TRY(add_device(c, oci::Device{"c", node.path, node.major, node.minor, 0666, {}, {}}));
    for (const oci::Device& device : c.spec.linux_.devices) TRY(add_device(c, device));
    for (const auto& [path, target] : kDevLinks)
      if (target != kKcore || c.facts.has_kcore) c.add(StepKind::MakeLink, {path, target});
  }
  if (c.spec.process.terminal) {
    c.plan.console = true;
    Step& console = c.add(StepKind::Console);
    console.numbers[0] = c.spec.process.console_height;
    console.numbers[1] = c.spec.process.console_width;
    console.numbers[2] = c.spec.process.user.uid;
  }
  return {};
}

// ---- masks, read-only paths, and the root itself

Result<> compile_protection(Compiler& c) {
  if (!c.spec.linux_.masked_paths.empty()) c.add(StepKind::MaskPaths, c.spec.linux_.masked_paths);
  if (!c.spec.linux_.readonly_paths.empty()) c.add(StepKind::ReadonlyPaths, c.spec.linux_.readonly_paths);
  if (c.spec.root.readonly) {
    constexpr uint64_t kMountAttrRdonly = 1;
    c.add(StepKind::Remount, {"/"}).numbers[0] = kMountAttrRdonly;
  }
  c.add(StepKind::Pivot).numbers[0] = c.options.no_pivot;
  uint64_t last = propagation_flags(c.spec.linux_.rootfs_propagation).value_or(0);
  if ((last & (MS_SHARED | MS_UNBINDABLE)) != 0) c.add(StepKind::Propagation).numbers[0] = last;
  return {};
}

}  // namespace hull::sandbox
