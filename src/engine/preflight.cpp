#include "engine/preflight.h"

#include <algorithm>

#include <fcntl.h>

#include "base/text.h"
#include "engine/state.h"
#include "kernel/host_facts.h"
#include "ns/preflight.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

std::string name_of(const kernel::NsInfo& info, const NamespaceSpec& spec) {
  switch (spec.mode) {
    case NsMode::Container: return format("the {} namespace of container {}", info.name, spec.target);
    case NsMode::Path: return format("the {} namespace {}", info.name, escape_controls(spec.target));
    case NsMode::Named: return format("the {} namespace {}", info.name, spec.target);
    default: return format("the container's own {} namespace", info.name);
  }
}

ns::Join find_join(const kernel::NsInfo& info, const std::string& path, std::string name) {
  auto fd = kernel::open_ns_file(path, info.kind);
  if (fd) return ns::gather_join(*fd, info.kind, std::move(name));
  ns::Join join;
  join.kind = info.kind;
  join.name = std::move(name);
  join.error = fd.error().text();
  if (fd.error().kind() == ErrorKind::Denied) join.error += "\nrun as root, or as the user whose process it is";
  return join;
}

std::string missing_name(const kernel::NsInfo& info, const std::string& name) {
  return format("no {} namespace is kept under that name\nmake it with hull ns create {} {}, or see hull ns ls", info.name, info.name, name);
}

bool asks_for_limits(const Limits& limits) {
  return limits.memory || limits.memory_reservation || limits.memory_swap || limits.memory_swappiness || limits.nano_cpus || limits.cpu_shares ||
         limits.cpu_period || limits.cpu_quota || limits.pids || limits.blkio_weight || !limits.cpuset_cpus.empty() || !limits.cpuset_mems.empty() ||
         limits.oom_kill_disable;
}

Result<> check_limits(const Record& record) {
  if (!kernel::is_unprivileged() || !asks_for_limits(record.config.limits) || host_cgroups() != nullptr) return {};
  return fail(Error(ErrorKind::Denied, "limits need a cgroup, and none here is ours to write to").with_remedy("leave the limits out, or run as root"));
}

}  // namespace

Result<StartVerdict> check_start(const Record& record, const StartNamespaces& namespaces) {
  bool joins = std::any_of(namespaces.paths.begin(), namespaces.paths.end(), [](const std::string& path) { return !path.empty(); });
  if (!joins && !kernel::is_unprivileged()) return StartVerdict{};
  TRY(check_limits(record));
  ns::JoinRequest request;
  request.joiner = ns::gather_joiner();
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const std::string& path = namespaces.paths[static_cast<size_t>(info.kind)];
    if (path.empty()) continue;
    const NamespaceSpec& spec = record.config.ns(info.kind);
    request.joins.push_back(find_join(info, path, name_of(info, spec)));
    if (spec.mode == NsMode::Named && !path_exists(path)) request.joins.back().error = missing_name(info, spec.target);
    if (spec.mode == NsMode::Container) request.joins.back().with_user = "--userns=container:" + spec.target;
  }
  bool joins_user = !namespaces.paths[static_cast<size_t>(NsKind::User)].empty();
  request.making = ns::Making{record.config.ns(NsKind::User).mode != NsMode::Host && !joins_user};
  ns::JoinVerdict found = ns::check_joins(request);
  if (!found.allowed()) {
    bool closed = found.rule == "open";  // says nothing but what open(2) said
    std::string what = closed ? format("cannot join {}: ", name_of(kernel::ns_info(*found.refused), record.config.ns(*found.refused))) : std::string();
    Result<Fd> again = !closed ? Result<Fd>(Fd()) : open_file(namespaces.paths[static_cast<size_t>(*found.refused)], O_RDONLY);
    return fail(Error(ErrorKind::Denied, what + ns::one_line(found.why), again ? 0 : again.error().errno_value()));
  }
  return StartVerdict{found.owned, found.ours};
}

Result<> check_draft(const Layout& layout, const ContainerConfig& config) {
  bool joins = std::any_of(kernel::kNamespaces.begin(), kernel::kNamespaces.end(), [&](const kernel::NsInfo& info) {
    NsMode mode = config.ns(info.kind).mode;
    return mode != NsMode::Private && mode != NsMode::Host;
  });
  if (!joins && !kernel::is_unprivileged()) return {};
  Record record;
  record.config = config;
  record.name = config.name;
  record.id = random_id();
  auto namespaces = find_namespaces(layout, record, false);
  if (!namespaces) return {};
  TRY(check_start(record, *namespaces));
  return {};
}

}  // namespace hull::engine
