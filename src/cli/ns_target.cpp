#include "cli/ns_target.h"

#include "base/fd.h"
#include "base/text.h"
#include "engine/engine.h"
#include "ns/label.h"

namespace hull::cli {

static std::string process_name(pid_t pid) {
  auto name = read_file(format("/proc/{}/comm", pid));
  return name ? escape_controls(trim(*name)) : "?";
}

OwnerLabels::OwnerLabels() {
  auto engine = engine::Engine::open();
  auto running = engine ? engine->running() : Result<std::vector<engine::Engine::Label>>();
  if (!running) return;
  for (const engine::Engine::Label& label : *running)
    if (auto inode = kernel::ns_inode(label.pid, kernel::NsKind::Mnt)) names_[*inode] = label.name;
}

std::string OwnerLabels::of(pid_t pid) const {
  auto inode = kernel::ns_inode(pid, kernel::NsKind::Mnt);
  auto name = inode ? names_.find(*inode) : names_.end();
  if (name != names_.end()) return "container " + name->second;
  auto cgroups = read_file(format("/proc/{}/cgroup", pid));
  std::string label = cgroups ? ns::cgroup_label(*cgroups) : "";
  return label.empty() ? format("process {} ({})", pid, process_name(pid)) : label;
}

std::string OwnerLabels::of(const ns::Namespace& space) const {
  // KERNEL: the first namespaces have fixed inodes, PROC_IPC_INIT_INO 0xEFFFFFFF downwards (include/linux/proc_ns.h);
  // those of mount and net since 6.17.
  constexpr uint64_t kFirst = 0xEFFFFFF8, kLast = 0xEFFFFFFF;
  if ((space.inode >= kFirst && space.inode <= kLast) || space.inode == kernel::ns_inode(1, space.kind)) return "host";
  if (space.pid != 0) return of(space.pid);
  if (space.holder != 0) return format("{} of {}", ns::hold_name(space.hold), of(space.holder));
  return space.mounts.empty() ? "-" : "mount " + escape_controls(space.mounts.front());
}

Result<NsTarget> find_ns_target(std::string_view text) {
  if (auto engine = engine::Engine::open()) {
    auto pid = engine->pid_of(text);
    if (pid) return NsTarget{*pid, "container " + std::string(text), {}, {}};
    if (pid.error().kind() == ErrorKind::Conflict) return fail(std::move(pid).error());
  }
  auto number = parse_uint(text, 1);
  if (!number) return fail(ErrorKind::NotFound, format("'{}' is no running container, PID or namespace inode; see hull ps and hull ns ls", text));
  if (*number <= INT32_MAX && path_exists(format("/proc/{}", *number)))
    return NsTarget{static_cast<pid_t>(*number), OwnerLabels().of(static_cast<pid_t>(*number)), {}, {}};
  ns::ScanRequest request;
  request.threads = request.descriptors = request.sockets = request.mounts = request.relations = true;
  request.facts = false;
  ns::Snapshot snapshot = TRY(ns::scan(request));
  const ns::Namespace* space = snapshot.find(*number);
  if (space == nullptr) return fail(ErrorKind::NotFound, format("{} is neither a process nor the inode of a namespace; see hull ns ls", *number));
  return NsTarget{space->pid, OwnerLabels().of(*space), space->kind, *space};
}

Result<Fd> NsTarget::open(kernel::NsKind of) const {
  if (pid == 0) return ns::open_found(*space);
  Result<Fd> fd = kernel::open_ns(pid, of);
  if (fd) return fd;
  if (fd.error().kind() == ErrorKind::Denied) fd = fail(std::move(fd).error().with_remedy("CAP_SYS_PTRACE over it is needed"));
  return fail(std::move(fd).error().with_context(format("the {} namespace of {}", kernel::ns_info(of).name, label)));
}

}  // namespace hull::cli
