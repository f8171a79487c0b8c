#include "ns/map.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "ns/map_build.h"

namespace hull::ns {

const char* party_type_name(PartyType type) {
  static constexpr const char* kNames[] = {"host", "container", "engine", "process", "name", "holder"};
  return kNames[static_cast<size_t>(type)];
}

const char* how_name(How how) {
  static constexpr const char* kNames[] = {"none", "host", "own", "shared"};
  return kNames[static_cast<size_t>(how)];
}

const MapSpace* Topology::find(uint64_t inode) const {
  auto at = std::lower_bound(spaces.begin(), spaces.end(), inode, [](const MapSpace& s, uint64_t v) { return s.space.inode < v; });
  return at != spaces.end() && at->space.inode == inode ? &*at : nullptr;
}

std::string Topology::name_of(const MapSpace& space) const {
  const char* kind = kernel::ns_info(space.space.kind).name;
  if (space.host) return format("{} of host", kind);
  if (space.home >= 0) return format("{} of {}", kind, parties[static_cast<size_t>(space.home)].name);
  if (!space.names.empty()) return format("{} {}", kind, space.names.front());
  if (!space.parties.empty()) return format("{} of {}", kind, parties[space.parties.front()].name);
  return format("{} {}", kind, space.space.inode);
}

namespace {

class Builder {
 public:
  Builder(const MapInput& input, const Look& look) : input_(input), look_(look) {}

  Topology build() {
    for (const Namespace& space : input_.snapshot->namespaces) add_space(space);
    add_processes();
    for (const MapContainer& container : input_.containers) claim(container);
    add_pins();
    add_holders();
    for (Draft& draft : drafts_) finish(draft);
    return std::move(out_);
  }

 private:
  struct Draft { Inodes inodes{}; Party party; };

  void add_space(const Namespace& space) {
    MapSpace made;
    made.space = space;
    made.host = input_.host[index_of(space.kind)] == space.inode;
    out_.spaces.push_back(std::move(made));
  }

  Draft& add(PartyType type, const Inodes& inodes) {
    drafts_.push_back({inodes, {}});
    drafts_.back().party.type = type;
    return drafts_.back();
  }

  void add_processes() {
    std::map<Inodes, size_t> index{{input_.host, 0}};
    Party& host = add(PartyType::Host, input_.host).party;
    host.name = "host";
    host.detail = input_.host_name;
    std::set<pid_t> forwarders;
    for (const MapContainer& container : input_.containers) forwarders.insert(container.forwarder);
    for (const Process& process : input_.snapshot->processes) {
      if (forwarders.contains(process.pid)) continue;
      if (process.inode[index_of(NsKind::Mnt)] == 0) continue;  // not readable, or a process that has ended already
      auto at = index.find(process.inode);
      bool fresh = at == index.end();
      if (fresh && !input_.kernel_threads && look_.process(process.pid).kernel_thread) continue;
      if (fresh) at = index.emplace(process.inode, drafts_.size()).first;
      if (fresh) add(PartyType::Process, process.inode);
      Party& party = drafts_[at->second].party;
      if (party.processes++ == 0) party.pid = process.pid;
      draft_of_[process.pid] = at->second;
    }
  }

  // Gives a container its processes' row, or one of its own when that is taken or it does not run.
  void claim(const MapContainer& container) {
    auto at = draft_of_.find(container.pid);
    bool taken = at == draft_of_.end() || drafts_[at->second].party.type != PartyType::Process;
    if (taken && std::all_of(container.inodes.begin(), container.inodes.end(), [&](uint64_t inode) { return inode == 0 || is_host(inode); })) return;
    Draft& draft = taken ? add(PartyType::Container, container.inodes) : drafts_[at->second];
    draft.party.type = PartyType::Container;
    draft.party.name = container.name;
    draft.party.id = container.id;
    draft.party.detail = container.status;
    if (container.pid != 0) draft.party.pid = container.pid;
  }

  bool is_host(uint64_t inode) const { return std::find(input_.host.begin(), input_.host.end(), inode) != input_.host.end(); }

  Draft& row_of_name(PartyType type, const std::string& name) {
    for (Draft& draft : drafts_)
      if (draft.party.type == type && draft.party.name == name) return draft;
    Draft& draft = add(type, {});
    draft.party.name = name;
    return draft;
  }

  void put(Draft& draft, const MapSpace& space) { draft.inodes[index_of(space.space.kind)] = space.space.inode; }

  void add_pins() {
    for (const MapPin& pin : input_.pins)
      if (MapSpace* space = find(pin.inode)) {
        space->names.push_back(pin.name);
        put(row_of_name(PartyType::Pin, pin.name), *space);
      }
  }

  // Namespaces that nobody named and no process is in: by the mount, thread, descriptor or socket that keeps them.
  void add_holders() {
    std::set<uint64_t> met;
    for (const Draft& draft : drafts_) met.insert(draft.inodes.begin(), draft.inodes.end());
    for (const MapSpace& space : out_.spaces) {
      const Namespace& found = space.space;
      if (found.processes != 0 || met.contains(found.inode) || found.hold == Hold::Relation || is_host(found.inode)) continue;
      if (!found.mounts.empty()) put(row_of_name(PartyType::Pin, found.mounts.front()), space);
      else if (found.holder != 0) hold(space);
    }
  }

  void hold(const MapSpace& space) {
    Draft& draft = add(PartyType::Holder, {});
    draft.party.pid = space.space.holder;
    draft.party.name = format("{} of {} ({})", hold_name(space.space.hold), look_.process(space.space.holder).name, space.space.inode);
    put(draft, space);
  }

  MapSpace* find(uint64_t inode) { return const_cast<MapSpace*>(out_.find(inode)); }

  void finish(Draft& draft) {
    for (const kernel::NsInfo& info : kNamespaces) {
      MapSpace* space = find(draft.inodes[index_of(info.kind)]);
      if (space != nullptr) cell_of(draft.party, info.kind).space = static_cast<int>(space - out_.spaces.data());
    }
    name_process(draft.party);
    out_.parties.push_back(std::move(draft.party));
  }

  // A row of bare processes takes the name of another engine's container if its first process is of one, unless an
  // earlier row has it: then it is a process within.
  void name_process(Party& party) {
    if (party.type != PartyType::Process) return;
    ProcessFacts facts = look_.process(party.pid);
    bool engine = !facts.label.empty() && !facts.label.starts_with("unit ");
    party.name = format("{} ({})", facts.name.empty() ? "?" : facts.name, party.pid);
    if (engine && engines_.insert(facts.label).second) {
      party.type = PartyType::Engine;
      party.name = facts.label;
    }
    if (party.name != facts.label) party.detail = facts.label;
  }

  const MapInput& input_;
  const Look& look_;
  std::vector<Draft> drafts_;
  std::map<pid_t, size_t> draft_of_;
  std::set<std::string> engines_;
  Topology out_;
};

}  // namespace

Topology build_topology(const MapInput& input, const Look& look) {
  Topology topology = Builder(input, look).build();
  order_topology(topology);
  explain_topology(topology, input, look);
  return topology;
}

}  // namespace hull::ns
