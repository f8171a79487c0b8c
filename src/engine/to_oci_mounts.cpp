// The mounts of a container, in the order in which they are made: the defaults, the managed files, then what the user
// asked for, parents before children. A mount of the user's replaces a default one at the same place.
#include <algorithm>

#include "base/text.h"
#include "engine/to_oci.h"

namespace hull::engine {
namespace {

using kernel::NsKind;
using Options = std::vector<std::string>;

size_t depth(const oci::Mount& mount) {
  return static_cast<size_t>(std::count(mount.destination.begin(), mount.destination.end(), '/'));
}

std::vector<oci::Mount> default_mounts(const ContainerConfig& config) {
  std::vector<oci::Mount> mounts;
  auto add = [&](const char* destination, const char* type, const char* source, Options options) {
    mounts.push_back({destination, type, source, std::move(options), {}, {}});
  };
  add("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
  add("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"});
  add("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"});
  Options system{"nosuid", "noexec", "nodev"};
  if (!config.privileged) system.push_back("ro");
  add("/sys", "sysfs", "sysfs", system);
  add("/sys/fs/cgroup", "cgroup", "cgroup", system);
  add("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});  // of whatever ipc namespace it is in
  if (config.ns(NsKind::Ipc).mode == NsMode::Host)
    add("/dev/shm", "bind", "/dev/shm", {"rbind", "nosuid", "noexec", "nodev"});
  else
    add("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", format("size={}", config.shm_size)});
  return mounts;
}

void add_managed_files(const OciFacts& facts, std::vector<oci::Mount>& mounts) {
  const std::pair<const std::string&, const char*> files[] = {{facts.resolv_conf_path, "/etc/resolv.conf"},
                                                              {facts.hostname_path, "/etc/hostname"},
                                                              {facts.hosts_path, "/etc/hosts"}};
  for (const auto& [source, destination] : files)
    if (!source.empty()) mounts.push_back({destination, "bind", source, {"rbind", "rprivate", "nosuid", "nodev"}, {}, {}});
}

oci::Mount user_mount(const MountSpec& spec) {
  oci::Mount mount;
  mount.destination = spec.target;
  mount.options = spec.options;
  if (spec.kind == MountKind::Tmpfs) {
    mount.type = mount.source = "tmpfs";
    for (const char* option : {"nosuid", "nodev"}) mount.options.insert(mount.options.begin(), option);
    if (spec.read_only) mount.options.push_back("ro");
    // As docker: not executable unless asked for.
    if (std::find(mount.options.begin(), mount.options.end(), "exec") == mount.options.end()) mount.options.push_back("noexec");
    return mount;
  }
  mount.type = "bind";
  mount.source = spec.source;
  mount.options.insert(mount.options.begin(), spec.recursive ? "rbind" : "bind");
  if (spec.read_only) mount.options.push_back(spec.recursive && spec.recursive_read_only ? "rro" : "ro");
  mount.options.push_back(spec.propagation.empty() ? "rprivate" : spec.propagation);
  return mount;
}

}  // namespace

std::vector<oci::Mount> oci_mounts(const Record& record, const OciFacts& facts) {
  std::vector<oci::Mount> mounts = default_mounts(record.config), own;
  add_managed_files(facts, mounts);
  for (const MountSpec& spec : record.config.mounts) own.push_back(user_mount(spec));
  std::stable_sort(own.begin(), own.end(), [](const auto& a, const auto& b) { return depth(a) < depth(b); });
  std::erase_if(mounts, [&](const oci::Mount& mount) {
    return std::any_of(own.begin(), own.end(), [&](const oci::Mount& mine) { return mine.destination == mount.destination; });
  });
  mounts.insert(mounts.end(), own.begin(), own.end());
  return mounts;
}

}  // namespace hull::engine
