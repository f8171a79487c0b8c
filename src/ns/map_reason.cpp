// Why a party is in a namespace, and what weakens its isolation.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "ns/map_build.h"

namespace hull::ns {
namespace {

constexpr unsigned kSysAdmin = 21, kSysPtrace = 19;
bool has(uint64_t capabilities, unsigned number) { return (capabilities >> number & 1) != 0; }

class Explainer {
 public:
  Explainer(Topology& topology, const MapInput& input, const Look& look) : topology_(topology), input_(input), look_(look) {
    for (size_t i = 0; i < topology.parties.size(); ++i) by_inodes_.emplace(inodes_of(topology.parties[i]), i);
    for (const MapContainer& container : input.containers) containers_[container.name] = &container;
  }

  void explain() {
    for (size_t i = 1; i < topology_.parties.size(); ++i) find_within(i);
    for (MapSpace& space : topology_.spaces) find_home(space);
    for (size_t i = 0; i < topology_.parties.size(); ++i)
      for (const kernel::NsInfo& info : kNamespaces) {
        MapCell& cell = cell_of(topology_.parties[i], info.kind);
        if (cell.how != How::None) cell.reason = reason(i, info.kind, cell);
      }
    for (Party& party : topology_.parties)
      if (party.type == PartyType::Container || party.type == PartyType::Engine) mark(party);
  }

 private:
  Inodes inodes_of(const Party& party) const {
    Inodes inodes{};
    for (size_t i = 0; i < kNsKinds; ++i)
      if (party.cells[i].space >= 0) inodes[i] = topology_.space(party.cells[i])->space.inode;
    return inodes;
  }

  const MapContainer* container(const Party& party) const {
    auto at = party.type == PartyType::Container ? containers_.find(party.name) : containers_.end();
    return at != containers_.end() ? at->second : nullptr;
  }

  // The party of the process that began this one: the nearest ancestor elsewhere.
  void find_within(size_t index) {
    Party& party = topology_.parties[index];
    if (party.type != PartyType::Process) return;
    constexpr int kFarEnough = 64;  // generations
    pid_t pid = look_.process(party.pid).parent;
    for (int steps = 0; pid > 0 && steps < kFarEnough; ++steps, pid = look_.process(pid).parent) {
      const Process* process = input_.snapshot->process(pid);
      auto at = process != nullptr ? by_inodes_.find(process->inode) : by_inodes_.end();
      if (at == by_inodes_.end() || at->second == index) continue;
      if (at->second != 0) party.within = static_cast<int>(at->second);
      break;
    }
  }

  // Of those in it: the container that it was made for, else its kept name, else the eldest that did not find it where it
  // came from.
  void find_home(MapSpace& space) {
    if (space.host || space.parties.empty()) return;
    auto worth = [&](size_t index) {
      const Party& party = topology_.parties[index];
      const MapContainer* ours = container(party);
      if (ours != nullptr && ours->asked_private[index_of(space.space.kind)]) return 0;
      if (party.type == PartyType::Pin) return 1;
      if (party.type == PartyType::Holder) return 4;
      if (ours != nullptr) return 3;
      bool found_there = party.within >= 0 && std::count(space.parties.begin(), space.parties.end(), static_cast<size_t>(party.within)) != 0;
      return found_there ? 2 : 1;
    };
    space.home = static_cast<int>(*std::min_element(space.parties.begin(), space.parties.end(), [&](size_t a, size_t b) {
      return std::pair(worth(a), topology_.parties[a].pid) < std::pair(worth(b), topology_.parties[b].pid);
    }));
  }

  std::string reason(size_t index, NsKind kind, const MapCell& cell) const {
    const Party& party = topology_.parties[index];
    const MapSpace& space = *topology_.space(cell);
    if (index == 0) return "the host's";
    if (party.type == PartyType::Pin) return "kept by a mount";
    if (party.type == PartyType::Holder) return "kept open";
    if (const MapContainer* ours = container(party)) {
      const std::string& asked = ours->reasons[index_of(kind)];
      if (!asked.empty()) return asked;
      return cell.how == How::Host ? "host's by default" : "made for it";
    }
    if (cell.how == How::Host) return "inherited from host";
    if (space.home == static_cast<int>(index)) return "made for it";
    for (int above = party.within; above >= 0; above = topology_.parties[static_cast<size_t>(above)].within)
      if (topology_.parties[static_cast<size_t>(above)].cells[index_of(kind)].space == cell.space)
        return "inherited from " + topology_.parties[static_cast<size_t>(above)].name;
    return "joined " + topology_.parties[static_cast<size_t>(space.home)].name + "'s";
  }

  void weaken(Party& party, NsKind kind, const char* name, const char* text, bool severe) {
    MapCell& cell = cell_of(party, kind);
    if (cell.how != How::Host) return;
    cell.weak = true;
    party.marks.push_back({name, text, severe});
  }

  void mark(Party& party) {
    ProcessFacts facts;
    if (party.pid != 0) look_.privileges(party.pid, facts);
    const MapContainer* ours = container(party);
    bool host_user = cell_of(party, NsKind::User).how == How::Host;
    bool all = host_user && input_.all_capabilities != 0 && (facts.capabilities & input_.all_capabilities) == input_.all_capabilities;
    if ((ours != nullptr && ours->privileged) || all)
      party.marks.push_back({"privileged", "every capability, no seccomp or device limits: root inside is root outside", true});
    else if (host_user && has(facts.capabilities, kSysAdmin))
      party.marks.push_back({"CAP_SYS_ADMIN", "may mount and reconfigure namespaces of the host", true});
    if (host_user && has(facts.capabilities, kSysPtrace))
      weaken(party, NsKind::Pid, "host pid + ptrace", "sees every process of the host and may read and change their memory", true);
    else
      weaken(party, NsKind::Pid, "host pid", "sees and may signal the host's processes", false);
    weaken(party, NsKind::Net, "host net", "listens on the host's addresses, reaches its loopback and abstract sockets", false);
    weaken(party, NsKind::Ipc, "host ipc", "reads and writes the host's shared memory and message queues", false);
    weaken(party, NsKind::Mnt, "host mnt", "sees the host's files", true);
    if (party.pid != 0 && !facts.seccomp && !((ours != nullptr && ours->privileged) || all))
      party.marks.push_back({"no seccomp", "every system call of the kernel is open to it", false});
  }

  Topology& topology_;
  const MapInput& input_;
  const Look& look_;
  std::map<Inodes, size_t> by_inodes_;
  std::map<std::string, const MapContainer*> containers_;
};

}  // namespace

void explain_topology(Topology& topology, const MapInput& input, const Look& look) { Explainer(topology, input, look).explain(); }

}  // namespace hull::ns
