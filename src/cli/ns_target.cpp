#include "cli/ns_target.h"

#include "base/fd.h"
#include "base/text.h"
#include "engine/engine.h"
#include "ns/label.h"
#include "ns/pins.h"

namespace hull::cli {

static std::string process_name(pid_t pid) {
  auto name = read_file(format("/proc/{}/comm", pid));
  return name ? escape_controls(trim(*name)) : "?";
}

OwnerLabels::OwnerLabels() {
  auto engine = engine::Engine::open();
  if (engine) {
    ns::PinStore store(engine->run_directory(), "", {});
    store_ = store.directory();
    for (const std::string& name : store.names())
      if (auto set = store.load(name); set && set->holder > 0) holders_[set->holder] = "ns " + name;
  }
  auto running = engine ? engine->running() : Result<std::vector<engine::Engine::Label>>();
  if (!running) return;
  for (const engine::Engine::Label& label : *running)
    if (label.forwarder != 0) holders_[label.forwarder] = "container " + label.name;
  for (const engine::Engine::Label& label : *running)
    if (auto inode = kernel::ns_inode(label.pid, kernel::NsKind::Mnt)) names_[*inode] = label.name;
}

std::string OwnerLabels::label(pid_t pid, uint64_t mnt_inode, std::string_view cgroup_label, std::string_view name) const {
  if (auto container = names_.find(mnt_inode); container != names_.end()) return "container " + container->second;
  if (auto holder = holders_.find(pid); holder != holders_.end()) return holder->second;
  return cgroup_label.empty() ? format("process {} ({})", pid, name) : std::string(cgroup_label);
}

void OwnerLabels::know(const ns::Snapshot& snapshot) {
  for (const ns::Process& process : snapshot.processes)
    if (!process.name.empty())
      known_[process.pid] = label(process.pid, process.inode[ns::index_of(kernel::NsKind::Mnt)], process.label, escape_controls(process.name));
}

std::string OwnerLabels::of(pid_t pid) const {
  if (auto known = known_.find(pid); known != known_.end()) return known->second;
  auto cgroups = read_file(format("/proc/{}/cgroup", pid));
  return label(pid, kernel::ns_inode(pid, kernel::NsKind::Mnt).value_or(0), cgroups ? ns::cgroup_label(*cgroups) : "", process_name(pid));
}

std::string OwnerLabels::of(const ns::Namespace& space) const {
  if (kernel::is_host_ns(space.kind, space.inode)) return "host";
  if (space.pid != 0) return of(space.pid);
  if (space.holder != 0) return format("{} of {}", ns::hold_name(space.hold), of(space.holder));
  return space.mounts.empty() ? "-" : of_mount(space.mounts.front());
}

// Of a pin of ours: the container or the name that keeps it.
std::string OwnerLabels::of_mount(const std::string& path) const {
  std::string_view rest = path;
  if (!store_.empty() && path.starts_with(store_ + "/")) {
    rest.remove_prefix(store_.size() + 1);
    std::string name(rest.substr(0, rest.find('/')));
    if (!name.starts_with("@")) return "ns " + name;
    auto engine = engine::Engine::open();
    auto container = engine ? engine->inspect(name.substr(1)) : fail(std::move(engine).error());
    if (container) return format("container {} (not running)", container->record.name);
  }
  return "mount " + escape_controls(path);
}

namespace {

// A container's own, running or not; nothing when there is no such container.
Result<std::optional<NsTarget>> find_container(const engine::Engine& engine, std::string_view text) {
  // A number is a PID or an inode, although somebody's id may begin with it; a container's name may be one.
  constexpr size_t kShortId = 12;
  if (parse_uint(text) && text.size() < kShortId) {
    auto named = engine.inspect(text);
    if (!named || named->record.name != text) return std::optional<NsTarget>();
  }
  NsTarget target;
  target.label = "container " + std::string(text);
  auto pid = engine.pid_of(text);
  if (!pid && pid.error().kind() == ErrorKind::NotFound) return std::optional<NsTarget>();
  if (!pid && pid.error().kind() != ErrorKind::Conflict) return fail(std::move(pid).error());
  if (pid) {
    target.pid = *pid;
    return std::optional(std::move(target));
  }
  auto container = engine.inspect(text);
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (container && !container->kept_paths[static_cast<size_t>(info.kind)].empty())
      target.pins[info.kind] = container->kept_paths[static_cast<size_t>(info.kind)];
  if (target.pins.empty()) return fail(std::move(pid).error());
  target.label += " (not running)";
  return std::optional(std::move(target));
}

std::optional<NsTarget> find_kept(const engine::Engine& engine, std::string_view name) {
  ns::PinStore store(engine.run_directory(), "", {});
  if (!ns::check_pin_name(name) || !store.exists(name)) return std::nullopt;
  NsTarget target;
  target.label = "ns " + std::string(name);
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (store.live(name, info.kind)) target.pins[info.kind] = store.path(name, info.kind);
  if (target.pins.empty()) return std::nullopt;
  return target;
}

Result<NsTarget> find_inode(uint64_t number) {
  ns::ScanRequest request;
  request.threads = request.descriptors = request.sockets = request.mounts = request.relations = true;
  request.facts = false;
  ns::Snapshot snapshot = TRY(ns::scan(request));
  const ns::Namespace* space = snapshot.find(number);
  if (space == nullptr) return fail(ErrorKind::NotFound, format("{} is neither a process nor the inode of a namespace; see hull ns ls", number));
  return NsTarget{space->pid, OwnerLabels().of(*space), space->kind, *space, {}};
}

}  // namespace

std::string namespace_file(std::string_view text, kernel::NsKind kind) {
  std::string file(text);
  if (file.find('/') != std::string::npos || path_exists(file) || !ns::check_pin_name(file)) return file;
  auto engine = engine::Engine::open();
  ns::PinStore store(engine ? engine->run_directory() : "", "", {});
  return store.live(file, kind) ? store.path(file, kind) : file;
}

Result<NsTarget> find_ns_target(std::string_view text) {
  bool kept_only = text.starts_with("ns:");
  std::string_view name = kept_only ? text.substr(3) : text;
  if (auto engine = engine::Engine::open()) {
    if (!kept_only)
      if (auto container = TRY(find_container(*engine, name))) return std::move(*container);
    if (auto kept = find_kept(*engine, name)) return std::move(*kept);
  }
  auto number = kept_only ? std::nullopt : parse_uint(text, 1);
  if (!number)
    return fail(ErrorKind::NotFound, format("'{}' is no container with namespaces, name, PID or namespace inode; see hull ps and hull ns ls", escape_controls(text)));
  if (*number <= INT32_MAX && path_exists(format("/proc/{}", *number)))
    return NsTarget{static_cast<pid_t>(*number), OwnerLabels().of(static_cast<pid_t>(*number)), {}, {}, {}};
  return find_inode(*number);
}

bool NsTarget::has(kernel::NsKind of) const {
  if (!pins.empty()) return pins.contains(of);
  return !kind || *kind == of;
}

Result<Fd> NsTarget::open(kernel::NsKind of) const {
  if (auto pin = pins.find(of); pin != pins.end()) return kernel::open_ns_file(pin->second, of);
  if (pid == 0) return ns::open_found(*space);
  Result<Fd> fd = kernel::open_ns(pid, of);
  if (fd) return fd;
  if (fd.error().kind() == ErrorKind::Denied) fd = fail(std::move(fd).error().with_remedy("CAP_SYS_PTRACE over it is needed"));
  return fail(std::move(fd).error().with_context(format("the {} namespace of {}", kernel::ns_info(of).name, label)));
}

}  // namespace hull::cli
