// A container's group by way of systemd (`--systemd-cgroup`), and what its end and its changes are with and without.
#include "base/text.h"
#include "runtime/process.h"

namespace hull::runtime {
namespace {

// The process that holds a scope is in it beside the container's first until that is made: one task more, and a
// limit of one is two to systemd; the group's own file is exact.
constexpr int64_t kLeastTasks = 2;

bool is_too_few(const oci::Resources& resources) { return resources.pids_limit.value_or(0) > 0 && *resources.pids_limit < kLeastTasks; }

Result<kernel::SystemdRequest> request_of(const Container& container, const kernel::SystemdUnit& unit, const std::string& description) {
  kernel::SystemdRequest request{unit, description, container.holder.pid(), {}, TRY(kernel::systemd_annotations(container.spec.annotations))};
  oci::Resources resources = container.spec.linux_.resources.value_or(oci::Resources{});
  if (is_too_few(resources)) resources.pids_limit = kLeastTasks;
  kernel::CgroupMode mode = cgroups()->mode();
  std::string devices = mode == kernel::CgroupMode::V2 ? "" : read_file("/proc/devices").value_or("");
  request.limits = TRY_CONTEXT(kernel::systemd_limits(resources, mode, devices), "linux.resources");
  return request;
}

}  // namespace

Result<> claim_unit(Container& container, const kernel::SystemdUnit& unit, const std::string& description, Undo& undo) {
  if (cgroups() == nullptr) return fail(ErrorKind::Unsupported, "--systemd-cgroup: no cgroup hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup");
  if (!unit.is_slice()) TRY(container.holder.hold());
  kernel::SystemdRequest request = TRY(request_of(container, unit, description));
  std::string path = TRY(kernel::start_systemd_unit(request));
  undo.add([&container, path, name = unit.name] {
    container.holder.release();
    (void)release_group(path, name);
  });
  container.group = TRY(cgroups()->complete(path));
  if (kernel::systemd_is_the_users()) container.users_unit = unit.name;
  return {};
}

// systemd forgets a scope whose group is gone, so that one which does not answer leaves nothing either.
Result<> release_group(const std::string& path, const std::string& unit) {
  if (!unit.empty()) (void)kernel::stop_systemd_unit(unit);
  if (cgroups() == nullptr || path.empty()) return {};
  return cgroups()->remove(path);
}

Result<> change_limits(kernel::Cgroup& group, const std::string& unit, const oci::Resources& resources) {
  if (!unit.empty()) {
    std::vector<kernel::DbusProperty> limits = TRY(kernel::systemd_limits(resources, group.mode()));
    TRY(kernel::change_systemd_unit(unit, limits));
  }
  return group.change(resources);
}

}  // namespace hull::runtime
