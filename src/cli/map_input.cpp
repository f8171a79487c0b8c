#include "cli/map_input.h"

#include <fcntl.h>
#include <sys/utsname.h>

#include <map>
#include <memory>

#include "base/fd.h"
#include "base/text.h"
#include "engine/engine.h"
#include "kernel/capabilities.h"
#include "ns/label.h"
#include "ns/proc.h"
#include "ns/scan.h"

namespace hull::cli {
namespace {

// As `hull run` spells the option of each kind.
std::string option_of(kernel::NsKind kind, const std::string& text) {
  switch (kind) {
    case kernel::NsKind::Net: return "--net=" + text;
    case kernel::NsKind::Pid: return "--pid=" + text;
    case kernel::NsKind::Ipc: return "--ipc=" + text;
    case kernel::NsKind::Uts: return "--uts=" + text;
    case kernel::NsKind::User: return "--userns=" + text;
    case kernel::NsKind::Cgroup: return "--cgroupns=" + text;
    default: return format("--ns={}={}", kernel::ns_info(kind).name, text);
  }
}

ns::MapContainer describe(const engine::Container& container) {
  ns::MapContainer out;
  out.name = container.record.name;
  out.id = container.record.id;
  out.status = engine::status_name(container.state.status);
  out.pid = container.state.pid;
  out.forwarder = container.state.forwarder;
  out.inodes = container.namespaces;
  out.privileged = container.record.config.privileged;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const engine::NamespaceSpec& spec = container.record.config.ns(info.kind);
    if (!spec.text.empty()) out.reasons[ns::index_of(info.kind)] = option_of(info.kind, escape_controls(spec.text));
    out.asked_private[ns::index_of(info.kind)] = spec.mode == engine::NsMode::Private;
  }
  return out;
}

// Names under RUN/ns, by the mounts that a scan found: RUN/ns/NAME/KIND. A container's own, "@ID", are its row's already.
std::vector<ns::MapPin> pins_of(const ns::Snapshot& snapshot, const std::string& run) {
  std::vector<ns::MapPin> pins;
  std::string before = run + "/ns/";
  for (const ns::Namespace& space : snapshot.namespaces)
    for (const std::string& path : space.mounts) {
      if (!path.starts_with(before)) continue;
      std::string name = path.substr(before.size(), path.rfind('/') - before.size());
      if (!name.empty() && name[0] != '.' && name[0] != '@' && name[0] != '=') pins.push_back({escape_controls(name), path, space.inode});
    }
  return pins;
}

// A scan knows these of the first process in each namespace.
bool take_facts(const ns::Snapshot& snapshot, pid_t pid, ns::ProcessFacts& facts) {
  const ns::Process* process = snapshot.process(pid);
  constexpr pid_t kKernelParent = 2;  // kthreadd, and whatever has its number in another pid namespace
  if (process == nullptr || process->name.empty() || process->ppid == 0 || process->ppid == kKernelParent) return false;
  facts.name = escape_controls(process->name);
  facts.parent = process->ppid;
  facts.label = process->label;
  return true;
}

ns::ProcessFacts read_facts(const ns::Snapshot& snapshot, int proc, pid_t pid) {
  ns::ProcessFacts facts;
  if (take_facts(snapshot, pid, facts)) return facts;
  char buffer[4096];
  if (auto text = ns::read_small(proc, format("{}/stat", pid).c_str(), buffer, sizeof buffer))
    if (auto stat = ns::parse_proc_stat(*text)) {
      facts.name = escape_controls(stat->comm);
      facts.parent = stat->ppid;
      facts.kernel_thread = stat->kernel_thread;
    }
  if (auto text = ns::read_small(proc, format("{}/cgroup", pid).c_str(), buffer, sizeof buffer)) facts.label = ns::cgroup_label(*text);
  return facts;
}

void read_privileges(int proc, pid_t pid, ns::ProcessFacts& facts) {
  char buffer[4096];
  auto text = ns::read_small(proc, format("{}/status", pid).c_str(), buffer, sizeof buffer);
  if (!text) return;
  for (std::string_view line : split_lines(*text)) {
    if (line.starts_with("CapEff:")) {
      std::string_view hex = trim(line.substr(7));
      std::from_chars(hex.data(), hex.data() + hex.size(), facts.capabilities, 16);
    }
    if (line.starts_with("Seccomp:")) facts.seccomp = trim(line.substr(8)) != "0";
  }
}

ns::Look make_look(const ns::Snapshot& snapshot, int proc) {
  auto known = std::make_shared<std::map<pid_t, ns::ProcessFacts>>();
  ns::Look look;
  look.process = [known, &snapshot, proc](pid_t pid) {
    auto [at, fresh] = known->try_emplace(pid);
    if (fresh) at->second = read_facts(snapshot, proc, pid);
    return at->second;
  };
  look.privileges = [proc](pid_t pid, ns::ProcessFacts& facts) { read_privileges(proc, pid, facts); };
  return look;
}

ns::Inodes host_namespaces() {
  ns::Inodes host{};
  for (const kernel::NsInfo& info : kernel::kNamespaces) host[ns::index_of(info.kind)] = kernel::host_ns_inode(info.kind);
  return host;
}

}  // namespace

Result<ns::Topology> look_at_topology(bool all) {
  ns::ScanRequest request;
  request.every_process = false;
  request.labels = request.mounts = request.relations = true;
  request.threads = request.descriptors = request.sockets = all;
  Fd proc = TRY(open_file("/proc", O_RDONLY | O_DIRECTORY));
  ns::MapInput input;
  ns::Snapshot snapshot;
  if (Result<engine::Engine> engine = engine::Engine::open()) {
    engine::ListOptions everything;
    everything.all = true;
    Result<std::vector<engine::Container>> containers = engine->list(everything);
    if (containers)
      for (const engine::Container& container : *containers) input.containers.push_back(describe(container));
    snapshot = TRY(ns::scan(request));
    input.pins = pins_of(snapshot, engine->run_directory());
  } else {
    snapshot = TRY(ns::scan(request));
  }
  input.snapshot = &snapshot;
  input.kernel_threads = all;
  input.host = host_namespaces();
  utsname names{};
  if (::uname(&names) == 0) input.host_name = escape_controls(names.nodename);
  input.all_capabilities = kernel::host_capabilities();
  return ns::build_topology(input, make_look(snapshot, proc.get()));
}

}  // namespace hull::cli
