#include "engine/facts.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <memory>

#include "base/text.h"
#include "engine/layer_files.h"
#include "engine/names.h"
#include "engine/preflight.h"
#include "engine/state.h"
#include "kernel/host_facts.h"

namespace hull::engine {
namespace {

// ---- namespaces that are joined

// Who shares a network shares its names, but for those that it was given itself.
void share_names(const Layout& layout, const Record& record, const Place& target, OciFacts& facts) {
  const ContainerConfig& config = record.config;
  std::string directory = Records(layout).directory(target);
  if (!path_exists(directory + "/resolv.conf")) return;  // it is just being started, and waits for us
  bool own_dns = !config.dns.empty() || !config.dns_search.empty() || !config.dns_options.empty();
  if (config.extra_hosts.empty() && config.hostname.empty()) facts.hosts_path = directory + "/hosts";
  if (config.hostname.empty()) facts.hostname_path = directory + "/hostname";
  if (!own_dns) facts.resolv_conf_path = directory + "/resolv.conf";
}

// ---- devices

void add_devices_below(const std::string& directory, std::vector<oci::Device>& devices) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
    std::string name = entry->d_name;
    // As docker: what a container has of its own, and what is no device.
    if (name[0] == '.' || name == "pts" || name == "shm" || name == "fd" || name == "mqueue" || name == "console") continue;
    std::string path = directory + "/" + name;
    if (entry->d_type == DT_DIR) add_devices_below(path, devices);
    else if (entry->d_type == DT_CHR || entry->d_type == DT_BLK)
      if (auto device = host_device(path)) devices.push_back(std::move(*device));
  }
}

Result<> find_devices(const ContainerConfig& config, OciFacts& facts) {
  if (config.privileged) facts.devices = all_host_devices();
  facts.device_access.assign(facts.devices.size(), "rwm");
  for (const DeviceSpec& spec : config.devices) {
    oci::Device device = TRY(host_device(spec.host_path));
    device.path = spec.path.empty() ? spec.host_path : spec.path;
    std::erase_if(facts.devices, [&](const oci::Device& other) { return other.path == device.path; });
    facts.devices.push_back(std::move(device));
    facts.device_access.resize(facts.devices.size() - 1, "rwm");
    facts.device_access.push_back(spec.access);
  }
  return {};
}

void find_thermal_throttles(OciFacts& facts) {
  for (int cpu = 0; cpu < 4096; ++cpu) {
    std::string path = format("/sys/devices/system/cpu/cpu{}/thermal_throttle", cpu);
    if (!path_exists(path)) return;
    facts.thermal_throttle.push_back(std::move(path));
  }
}

}  // namespace

// The magic link is followed once, here; what it leads to is then resolved beneath and never again by name.
std::string running_root(pid_t pid) { return format("/proc/{}/root/.", pid); }

Result<oci::Device> host_device(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || !(S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)))
    return fail(ErrorKind::Invalid, format("error gathering device information while adding custom device \"{}\": no such device",
                                           escape_controls(path)));
  oci::Device device;
  device.type = S_ISCHR(status.st_mode) ? "c" : "b";
  device.path = path;
  device.major = major(status.st_rdev);
  device.minor = minor(status.st_rdev);
  device.file_mode = status.st_mode & 0777;
  device.uid = status.st_uid;
  device.gid = status.st_gid;
  return device;
}

std::vector<oci::Device> all_host_devices() {
  std::vector<oci::Device> devices;
  add_devices_below("/dev", devices);
  std::erase_if(devices, [](const oci::Device& device) {  // made in every container anyway
    for (const char* own : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"})
      if (device.path == own) return true;
    return false;
  });
  return devices;
}

Result<ResolvedUser> look_up_user(std::string_view user, const std::vector<std::string>& layers,
                                  const std::vector<std::string>& group_add) {
  UserSpec spec = TRY(parse_user(user));
  auto passwd = TRY(read_layer_file(layers, "/etc/passwd"));
  auto group = TRY(read_layer_file(layers, "/etc/group"));
  return resolve_user(spec, passwd.value_or(""), group.value_or(""), group_add);
}

Result<StartFacts> gather_facts(const Layout& layout, const Record& record, const std::vector<std::string>& layers, bool act) {
  StartFacts facts;
  std::string directory = layout.record_directory(record.id, record.config.rm);
  facts.oci.hosts_path = directory + "/hosts";
  facts.oci.hostname_path = directory + "/hostname";
  facts.oci.resolv_conf_path = directory + "/resolv.conf";
  facts.oci.rootfs = record.config.rootfs;
  facts.namespaces = TRY(find_namespaces(layout, record, act));
  StartVerdict verdict = TRY(check_start(record, facts.namespaces));
  facts.owned_namespaces = verdict.owned;
  facts.oci.ours = verdict.ours;
  facts.oci.in_user_namespace = kernel::in_user_namespace();
  facts.oci.join_paths = facts.namespaces.paths;
  facts.oci.uid_map = facts.namespaces.uid_map;
  facts.oci.gid_map = facts.namespaces.gid_map;
  facts.oci.time_offsets = facts.namespaces.time_offsets;
  if (facts.namespaces.net_target) share_names(layout, record, *facts.namespaces.net_target, facts.oci);
  facts.oci.user = TRY(look_up_user(record.process.user, layers, record.config.group_add));
  TRY(find_devices(record.config, facts.oci));
  find_thermal_throttles(facts.oci);
  facts.oci.capabilities = kernel::host_capabilities();
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.oci.nofile_hard_limit = limit.rlim_max;
  return facts;
}

}  // namespace hull::engine
