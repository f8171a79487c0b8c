// Which namespaces a start uses, and who keeps them. A container's net, ipc, uts, cgroup, user and time namespaces
// belong to its record: they are pinned (ns/pins.h, set "@ID") and joined again by the next start. Who shares with
// `container:db` pins what it joined too, and stands in the index RUN/ns/=db/ID.KIND: so a db that was removed and made
// again adopts what its sharers hold. A target that does not run has its namespace made for it: a promise, which it
// adopts when it starts. pid and mount namespaces are rebuilt by every start and never kept.
//
// Between a sharer that promises and a target that starts at the same time:
//
//   sharer: lock =db, write its entry, look for db       db: write its intent, look for =db
//
// One of the two sees the other. A sharer that sees db starting waits for it (and says so in its entry: "waits"), else
// it says "promises"; a db that sees an entry waits until it is decided, and then for the promised pin. Sharers among
// themselves take turns by the lock on =db.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/events.h"
#include "engine/records.h"
#include "ns/pins.h"

namespace hull::engine {

struct StartNamespaces {
  std::array<std::string, kernel::kNsKinds> paths;  // to join; empty with Private or Container: a new one
  uint64_t own = 0;                                 // CLONE_NEW* of joins that are this container's own again
  uint64_t keep = 0;                                // CLONE_NEW* of what is to be pinned under its id
  std::map<kernel::NsKind, std::string> roots;      // of shared kinds: the name whose index it stands in
  std::vector<IdMap> uid_map, gid_map;              // of a user namespace that is promised: its owner's
  std::optional<TimeOffsets> time_offsets;          // of a time namespace that is promised
  std::optional<Place> net_target;                  // whose hosts and resolv.conf are shared
  std::vector<Fd> targets;                          // pidfds of the processes joined: alive after the join, or it is void
  std::vector<Fd> locks;                            // of names that are promised; held until pinned
  std::vector<std::string> notes;                   // for the user
  uint64_t adopted = 0;                             // CLONE_NEW* taken back from sharers
  std::vector<Event> kept_events;                   // of what keep() has pinned for the first time

  bool shares() const { return !roots.empty(); }
};

// With the record's lock held and its intent written. `act` false (--dry-run): looks only. Conflict and Invalid as
// docker's where nothing can be shared; the reason and the remedy where db cannot take back what its sharers hold.
Result<StartNamespaces> find_namespaces(const Layout& layout, const Record& record, bool act);

// The namespaces of a process that were asked to be kept, opened while it is sure to live.
Result<std::vector<ns::NamedFd>> open_kept(const StartNamespaces& namespaces, pid_t pid);
// Pins them under the record's id.
Result<> keep(const Layout& layout, const Record& record, StartNamespaces& namespaces, pid_t pid,
              const std::vector<ns::NamedFd>& opened);
// Of a running container whose start was killed before it could.
void keep_missing(const Layout& layout, const Record& record, pid_t pid);
// What a record shares and keeps, but the index of the target's name does not say: a target made again would not find it.
struct Unindexed { std::string root; kernel::NsKind kind; };
std::vector<Unindexed> find_unindexed(const Layout& layout, const Record& record);
Result<> index_again(const Layout& layout, const Record& record);
// At the container's removal: its pins and its entries in the indexes.
Result<> forget(const Layout& layout, const Record& record);
// `record` bears its new name already.
Result<> rename_target(const Layout& layout, const std::string& from, const Record& record);
bool keeps(const Layout& layout, std::string_view id, kernel::NsKind kind);
// Entries of sharers that are gone, in every index; half-made sets.
void sweep_kept(const Layout& layout);

ns::PinStore pin_store(const Layout& layout);
std::string kept_name(std::string_view id);  // "@ID"

// Fills in what the namespaces of a container are: those of its process, else what is pinned.
void look_at_namespaces(const Layout& layout, const std::string& id, pid_t pid, Container& container);

}  // namespace hull::engine
