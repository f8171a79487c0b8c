#include "cli/ns_target.h"

#include "base/fd.h"
#include "base/text.h"
#include "engine/engine.h"
#include "ns/content.h"
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

Result<NsTarget> find_ns_target(std::string_view text) {
  if (auto engine = engine::Engine::open()) {
    auto pid = engine->pid_of(text);
    if (pid) return NsTarget{*pid, "container " + std::string(text), {}};
    if (pid.error().kind() == ErrorKind::Conflict) return fail(std::move(pid).error());
  }
  auto number = parse_uint(text, 1);
  if (!number) return fail(ErrorKind::NotFound, format("'{}' is no running container, PID or namespace inode; see hull ps and hull ns ls", text));
  if (*number <= INT32_MAX && path_exists(format("/proc/{}", *number)))
    return NsTarget{static_cast<pid_t>(*number), OwnerLabels().of(static_cast<pid_t>(*number)), {}};
  pid_t pid = TRY(ns::process_in_namespace(*number));
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (kernel::ns_inode(pid, info.kind) == *number) return NsTarget{pid, OwnerLabels().of(pid), info.kind};
  return fail(ErrorKind::NotFound, format("no process is in a namespace with inode {}", *number));
}

}  // namespace hull::cli
