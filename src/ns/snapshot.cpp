#include "ns/snapshot.h"

#include <algorithm>

#include "base/text.h"

namespace hull::ns {

const char* hold_name(Hold hold) {
  static constexpr const char* kNames[] = {"process", "thread", "descriptor", "socket", "mount", "relation"};
  return kNames[static_cast<size_t>(hold)];
}

const Process* Snapshot::process(pid_t pid) const {
  auto at = std::lower_bound(processes.begin(), processes.end(), pid, [](const Process& p, pid_t v) { return p.pid < v; });
  return at != processes.end() && at->pid == pid ? &*at : nullptr;
}

static auto position(std::vector<Namespace>& spaces, uint64_t inode) {
  return std::lower_bound(spaces.begin(), spaces.end(), inode, [](const Namespace& n, uint64_t v) { return n.inode < v; });
}

Namespace* Snapshot::find(uint64_t inode) {
  auto at = position(namespaces, inode);
  return at != namespaces.end() && at->inode == inode ? &*at : nullptr;
}

const Namespace* Snapshot::find(uint64_t inode) const { return const_cast<Snapshot*>(this)->find(inode); }

Namespace& Snapshot::add(NsKind kind, uint64_t inode) {
  auto at = position(namespaces, inode);
  if (at != namespaces.end() && at->inode == inode) return *at;
  at = namespaces.insert(at, Namespace{});
  at->kind = kind;
  at->inode = inode;
  return *at;
}

void gather_namespaces(Snapshot& snapshot, KindMask mask) {
  struct Member { uint64_t inode; pid_t pid; NsKind kind; };
  std::vector<Member> members;
  members.reserve(snapshot.processes.size() * kNsKinds);
  for (const Process& process : snapshot.processes)
    for (const kernel::NsInfo& info : kNamespaces)
      if ((mask & mask_of(info.kind)) && process.inode[index_of(info.kind)] != 0)
        members.push_back({process.inode[index_of(info.kind)], process.pid, info.kind});
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return a.inode != b.inode ? a.inode < b.inode : a.pid < b.pid; });
  for (const Member& member : members) {
    std::vector<Namespace>& spaces = snapshot.namespaces;
    if (spaces.empty() || spaces.back().inode != member.inode) {
      spaces.emplace_back();
      spaces.back().kind = member.kind;
      spaces.back().inode = member.inode;
      spaces.back().pid = member.pid;
    }
    ++spaces.back().processes;
  }
}

std::string path_of(const Namespace& space) {
  const char* name = kernel::ns_info(space.kind).name;
  if (space.pid != 0) return format("/proc/{}/ns/{}", space.pid, name);
  if (space.hold == Hold::Thread) return format("/proc/{}/task/{}/ns/{}", space.holder, space.holder_number, name);
  if (space.hold == Hold::Descriptor) return format("/proc/{}/fd/{}", space.holder, space.holder_number);
  if (!space.mounts.empty()) return space.mounts.front();
  return "";
}

std::optional<NsName> parse_ns_name(std::string_view text) {
  size_t colon = text.find(":[");
  if (colon == std::string_view::npos || text.back() != ']') return std::nullopt;
  std::optional<NsKind> kind = kernel::ns_kind_from_name(text.substr(0, colon));
  std::optional<uint64_t> inode = parse_uint(text.substr(colon + 2, text.size() - colon - 3), 1);
  if (!kind || !inode) return std::nullopt;
  return NsName{*kind, *inode};
}

}  // namespace hull::ns
