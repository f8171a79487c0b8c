#include "ns/watch.h"

#include <unordered_set>

namespace hull::ns {

const char* change_name(Change::What what) {
  static constexpr const char* kNames[] = {"created", "joined", "emptied", "died"};
  return kNames[static_cast<size_t>(what)];
}

void Watcher::enter(pid_t pid, NsKind kind, uint64_t inode, bool inherited, std::vector<Change>& changes) {
  auto [space, fresh] = spaces_.try_emplace(inode, Space{kind, 0});
  if (!fresh && space->second.processes == 0 && gone_(inode)) {
    changes.push_back({Change::What::Died, space->second.kind, inode, 0});
    space->second.kind = kind;
    fresh = true;
  }
  ++space->second.processes;
  if (fresh) changes.push_back({Change::What::Created, kind, inode, pid});
  else if (!inherited) changes.push_back({Change::What::Joined, kind, inode, pid});
}

void Watcher::leave(pid_t pid, uint64_t inode, std::vector<Change>& changes) {
  auto space = spaces_.find(inode);
  if (space == spaces_.end() || space->second.processes == 0) return;
  if (--space->second.processes == 0) changes.push_back({Change::What::Emptied, space->second.kind, inode, pid});
}

void Watcher::begin(const std::vector<Process>& processes) {
  std::vector<Change> ignored;
  for (const Process& process : processes) see(process.pid, process.inode, process.ppid, ignored);
}

void Watcher::see(pid_t pid, const Inodes& inodes, pid_t parent, std::vector<Change>& changes) {
  if (inodes[index_of(NsKind::Mnt)] == 0) return;  // ended, or not ours to see
  auto known = processes_.find(pid);
  auto of_parent = processes_.find(parent);
  Inodes before = known != processes_.end() ? known->second : Inodes{};
  for (const kernel::NsInfo& info : kNamespaces) {
    uint64_t now = inodes[index_of(info.kind)], old = before[index_of(info.kind)];
    if (now == old || now == 0) continue;
    bool inherited = known == processes_.end() && (of_parent == processes_.end() || of_parent->second[index_of(info.kind)] == now);
    enter(pid, info.kind, now, inherited, changes);
    if (old != 0) leave(pid, old, changes);
  }
  processes_[pid] = inodes;
}

void Watcher::end(pid_t pid, std::vector<Change>& changes) {
  auto known = processes_.find(pid);
  if (known == processes_.end()) return;
  Inodes inodes = known->second;
  processes_.erase(known);
  for (uint64_t inode : inodes)
    if (inode != 0) leave(pid, inode, changes);
}

void Watcher::see_all(const std::vector<Process>& processes, std::vector<Change>& changes) {
  std::unordered_set<pid_t> there;
  for (const Process& process : processes) {
    there.insert(process.pid);
    see(process.pid, process.inode, process.ppid, changes);
  }
  std::vector<pid_t> ended;
  for (const auto& [pid, inodes] : processes_)
    if (!there.contains(pid)) ended.push_back(pid);
  for (pid_t pid : ended) end(pid, changes);
}

std::vector<std::pair<NsKind, uint64_t>> Watcher::empty() const {
  std::vector<std::pair<NsKind, uint64_t>> found;
  for (const auto& [inode, space] : spaces_)
    if (space.processes == 0) found.emplace_back(space.kind, inode);
  return found;
}

}  // namespace hull::ns
