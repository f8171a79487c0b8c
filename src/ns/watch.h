// What changes in the host's namespaces from one look to the next. Pure: it is told of processes and gives changes.
// Called by cli/ns_watch.cpp.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ns/snapshot.h"

namespace hull::ns {

struct Change {
  enum class What : uint8_t { Created, Joined, Emptied, Died } what = What::Created;
  NsKind kind = NsKind::Net;
  uint64_t inode = 0;
  pid_t pid = 0;  // who made, joined or was the last to leave it
};
const char* change_name(Change::What what);  // "created", "joined", "emptied", "died"

class Watcher {
 public:
  using Inodes = std::array<uint64_t, kNsKinds>;
  // `gone` says whether a namespace that nobody was in any more has ended: its number may have been given again since.
  explicit Watcher(std::function<bool(uint64_t)> gone) : gone_(std::move(gone)) {}

  // All that is there; says nothing of it.
  void begin(const std::vector<Process>& processes);
  // A process as it is now, new or not. `parent` is whom a new one was forked by, as far as that is known: what it shares
  // with its parent it inherited, and what it does not share it made or joined.
  void see(pid_t pid, const Inodes& inodes, pid_t parent, std::vector<Change>& changes);
  void end(pid_t pid, std::vector<Change>& changes);
  // A whole look: those not in it have ended.
  void see_all(const std::vector<Process>& processes, std::vector<Change>& changes);
  // One that the kernel lists, whoever is in it; false when it is known.
  bool list(NsKind kind, uint64_t inode) { return spaces_.try_emplace(inode, Space{kind, 0}).second; }
  // One that was emptied is gone for good, or somebody is in it again.
  void forget(uint64_t inode) { spaces_.erase(inode); }
  std::vector<std::pair<NsKind, uint64_t>> empty() const;

 private:
  struct Space { NsKind kind; uint32_t processes; };
  void enter(pid_t pid, NsKind kind, uint64_t inode, bool inherited, std::vector<Change>& changes);
  void leave(pid_t pid, uint64_t inode, std::vector<Change>& changes);
  std::function<bool(uint64_t)> gone_;
  std::unordered_map<pid_t, Inodes> processes_;
  std::unordered_map<uint64_t, Space> spaces_;
};

}  // namespace hull::ns
