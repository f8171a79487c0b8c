// The facts about processes, namespaces, cgroups, containers and names. Those of networks and mounts: facts_net.cpp.
#include "cli/facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/text.h"
#include "engine/named.h"
#include "kernel/cgroup.h"
#include "ns/inside.h"
#include "ns/proc.h"

namespace hull::cli {

using kernel::NsKind;

Result<FactFinder> FactFinder::open() {
  FactFinder finder(TRY(engine::Engine::open()));
  ns::ScanRequest request;
  request.threads = request.descriptors = request.sockets = request.mounts = request.relations = true;
  finder.snapshot_ = TRY(ns::scan(request));
  return finder;
}

std::vector<Fact> FactFinder::collect(FactMask kinds) {
  struct Source {
    FactMask kinds;
    void (FactFinder::*find)();
  };
  static constexpr Source kSources[] = {
      {mask_of(FactKind::Container), &FactFinder::find_containers},
      {mask_of(FactKind::Name), &FactFinder::find_names},
      {mask_of(FactKind::Hostname), &FactFinder::find_hostnames},
      {mask_of(FactKind::Pid) | mask_of(FactKind::InnerPid) | mask_of(FactKind::Thread), &FactFinder::find_processes},
      {mask_of(FactKind::Inode) | mask_of(FactKind::NsId), &FactFinder::find_namespaces},
      {mask_of(FactKind::CgroupPath) | mask_of(FactKind::CgroupId), &FactFinder::find_cgroups},
      {mask_of(FactKind::Interface) | mask_of(FactKind::Mac) | mask_of(FactKind::Ip), &FactFinder::find_addresses},
      {mask_of(FactKind::Socket) | mask_of(FactKind::Port) | mask_of(FactKind::UnixSocket), &FactFinder::find_sockets},
      {mask_of(FactKind::Port) | mask_of(FactKind::UnixSocket), &FactFinder::find_ports},
      {mask_of(FactKind::MountId), &FactFinder::find_mounts},
      {mask_of(FactKind::Overlay), &FactFinder::find_overlays},
  };
  wanted_ = kinds;
  facts_.clear();
  for (const Source& source : kSources)
    if ((source.kinds & kinds) != 0) (this->*source.find)();
  return std::move(facts_);
}

void FactFinder::add(FactKind kind, std::string value, std::string owner, pid_t pid, std::string detail) {
  if (wants(kind)) facts_.push_back({kind, std::move(value), std::move(owner), pid, std::move(detail)});
}

const std::string& FactFinder::owner_of(pid_t pid) {
  auto [at, fresh] = owners_.try_emplace(pid);
  if (fresh) at->second = labels_.of(pid);
  return at->second;
}

std::vector<std::pair<std::string, pid_t>> FactFinder::owners_of(const ns::Namespace& space) {
  if (kernel::is_host_ns(space.kind, space.inode)) return {{"host", 1}};
  std::map<std::string, pid_t> owners;
  for (const ns::Process& process : snapshot_.processes)
    if (process.inode[ns::index_of(space.kind)] == space.inode) owners.try_emplace(owner_of(process.pid), process.pid);
  if (owners.empty()) owners.emplace(labels_.of(space), space.holder);
  return {owners.begin(), owners.end()};
}

void FactFinder::find_containers() {
  engine::ListOptions all;
  all.all = true;
  auto containers = engine_.list(all);
  for (const engine::Container& container : containers ? *containers : std::vector<engine::Container>()) {
    std::string owner = "container " + container.record.name;
    add(FactKind::Container, container.record.name, owner, container.state.pid, "name");
    add(FactKind::Container, container.record.id, owner, container.state.pid, "id");
  }
}

void FactFinder::find_names() {
  engine::NamedNamespaces named(engine_);
  for (const std::string& name : named.names()) {
    auto set = named.load(name);
    for (const ns::Pin& pin : set ? set->pins : std::vector<ns::Pin>()) {
      const ns::Namespace* space = snapshot_.find(pin.inode);
      std::string what = format("keeps {}:[{}]", kernel::ns_info(pin.kind).name, pin.inode);
      add(FactKind::Name, name, "ns " + name, set->holder, what);
      if (space == nullptr || space->processes == 0) continue;
      for (const auto& [owner, pid] : owners_of(*space)) add(FactKind::Name, name, owner, pid, what);
    }
  }
}

void FactFinder::find_hostnames() {
  for (const ns::Namespace& space : snapshot_.namespaces) {
    if (space.kind != NsKind::Uts) continue;
    auto fd = ns::open_found(space);
    auto content = fd ? ns::look_inside(*fd, NsKind::Uts, [](const Fd&) -> json::value {
      char name[256] = "";
      return ::gethostname(name, sizeof name - 1) == 0 ? json::value(json::string(name)) : json::value(nullptr);
    }) : fail(ErrorKind::NotFound, "");
    if (!content || !content->is_string()) continue;
    for (const auto& [owner, pid] : owners_of(space)) add(FactKind::Hostname, std::string(content->as_string()), owner, pid, format("uts:[{}]", space.inode));
  }
}

// The last number of NSpid in /proc/PID/status is the process's number in its own pid namespace.
static std::string inner_pid(pid_t pid) {
  std::string text = read_file(format("/proc/{}/status", pid)).value_or("");
  for (std::string_view line : split_lines(text))
    if (line.starts_with("NSpid:")) return std::string(split_words(line).back());
  return "";
}

void FactFinder::find_processes() {
  Fd proc = open_file("/proc", O_RDONLY | O_DIRECTORY).value_or(Fd());
  for (const ns::Process& process : snapshot_.processes) {
    const std::string& owner = owner_of(process.pid);
    add(FactKind::Pid, std::to_string(process.pid), owner, process.pid, process.command.empty() ? ns::command_line(proc.get(), process.pid) : process.command);
    if (wants(FactKind::InnerPid) && owner.starts_with("container ") && !labels_.is_outside(process.pid))
      if (std::string inner = inner_pid(process.pid); !inner.empty())
        add(FactKind::InnerPid, format("{}:{}", owner.substr(10), inner), owner, process.pid, "its number inside");
    if (!wants(FactKind::Thread)) continue;
    auto tasks = open_file(format("/proc/{}/task", process.pid), O_RDONLY | O_DIRECTORY);
    if (tasks) ns::each_number(tasks->get(), [&](pid_t tid) { if (tid != process.pid) add(FactKind::Thread, std::to_string(tid), owner, process.pid, format("a thread of {}", process.pid)); });
  }
}

void FactFinder::find_namespaces() {
  for (const ns::Namespace& space : snapshot_.namespaces)
    for (const auto& [owner, pid] : owners_of(space)) {
      std::string detail = format("{} namespace", kernel::ns_info(space.kind).name);
      add(FactKind::Inode, std::to_string(space.inode), owner, pid, detail);
      if (space.id != 0) add(FactKind::NsId, std::to_string(space.id), owner, pid, detail);
    }
}

// Each process's group in each hierarchy; the directory's inode is what the kernel calls its id on cgroup v2.
void FactFinder::find_cgroups() {
  auto layout = kernel::discover_cgroups();
  if (!layout) return;
  std::set<std::string> seen;
  for (const ns::Process& process : snapshot_.processes) {
    std::string groups = read_file(format("/proc/{}/cgroup", process.pid)).value_or("");
    for (std::string_view line : split_lines(groups)) {
      size_t first = line.find(':'), second = line.find(':', first + 1);
      if (second == std::string_view::npos) continue;
      std::string controllers(line.substr(first + 1, second - first - 1)), path(line.substr(second + 1));
      if (!seen.insert(format("{} {} {}", owner_of(process.pid), controllers, path)).second) continue;
      std::string hierarchy = controllers.empty() ? "v2" : controllers;
      add(FactKind::CgroupPath, path, owner_of(process.pid), process.pid, hierarchy);
      if (!controllers.empty() || !layout->v2) continue;
      struct stat status;
      if (::stat((layout->v2->mount_point + path).c_str(), &status) == 0)
        add(FactKind::CgroupId, std::to_string(status.st_ino), owner_of(process.pid), process.pid, path);
    }
  }
}

}  // namespace hull::cli
