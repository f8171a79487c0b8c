// What a look at the host's namespaces found: processes, namespaces, and what keeps each one alive. Plain data with the
// pure functions over it; scan.h fills it. lsns and `hull ns` read it. Never opens anything.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernel/namespaces.h"

namespace hull::ns {

using kernel::kNamespaces;
using kernel::kNsKinds;
using kernel::NsKind;

constexpr size_t index_of(NsKind kind) { return static_cast<size_t>(kind); }

// A set of kinds, one bit each.
using KindMask = uint8_t;
constexpr KindMask kAllKinds = 0xff;
constexpr KindMask mask_of(NsKind kind) { return static_cast<KindMask>(1u << index_of(kind)); }

struct Process {
  pid_t pid = 0;
  pid_t ppid = 0;
  uid_t uid = 0;
  std::string command;
  std::string name, label;  // comm and cgroup_label(), where asked for; an empty name: not asked for
  std::array<uint64_t, kNsKinds> inode{};  // 0: not readable or not asked for
};

// What keeps a namespace alive, the strongest one found.
enum class Hold : uint8_t { Process, Thread, Descriptor, Socket, Mount, Relation };
const char* hold_name(Hold hold);  // "process", "thread", "descriptor", "socket", "mount", "relation"

struct Namespace {
  NsKind kind = NsKind::Net;
  uint64_t inode = 0;
  uint32_t processes = 0;  // live processes in it (their first thread)
  pid_t pid = 0;           // the lowest of them; 0: none
  Hold hold = Hold::Process;
  pid_t holder = 0;              // process that holds it by thread, descriptor or socket
  int holder_number = -1;        // the thread's id or the descriptor
  std::vector<std::string> mounts;  // nsfs bind mounts of it that we can see
  uint64_t id = 0;      // the kernel's 64-bit id, 0: unknown
  uint64_t parent = 0;  // inode; user and pid only; 0: none that we may see
  uint64_t owner = 0;   // inode of the owning user namespace; 0: none that we may see
  uid_t owner_uid = static_cast<uid_t>(-1);  // of a user namespace: who made it
};

struct Snapshot {
  std::vector<Process> processes;     // by pid
  std::vector<Namespace> namespaces;  // by inode

  const Process* process(pid_t pid) const;
  const Namespace* find(uint64_t inode) const;
  Namespace* find(uint64_t inode);
  // Adds or finds, keeping the order.
  Namespace& add(NsKind kind, uint64_t inode);
};

// Fills `namespaces` from `processes` (counts, lowest pid) for the kinds in `mask`.
void gather_namespaces(Snapshot& snapshot, KindMask mask);
// A path that opens the namespace now, or "" when it is held by relations only.
std::string path_of(const Namespace& space);
// Parses "net:[4026531833]" as readlink and mountinfo give it.
struct NsName { NsKind kind; uint64_t inode; };
std::optional<NsName> parse_ns_name(std::string_view text);

}  // namespace hull::ns
