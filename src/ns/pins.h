// Namespaces kept under a name, without a process: nsfs bind mounts RUN/ns/NAME/KIND on a mount of our own that is
// private, so that no copy of a pin appears elsewhere by propagation. One directory is one set. NAME is a user's name,
// or "@ID" for the set that a container's record keeps. "=NAME/" is the index of who shares with the container of that
// name, and ".…" a set being made or removed. The room's truth is the mounts; record.json tells where they came from.
//
// A set appears and goes by one rename, so a kill at any point leaves it whole, absent, or as a "." directory, which
// sweep() takes away once nobody works in the store. Whoever changes it holds a shared lock meanwhile.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "kernel/namespaces.h"

namespace hull::ns {

struct Pin {
  kernel::NsKind kind = kernel::NsKind::Net;
  uint64_t inode = 0;
  uint64_t id = 0;          // 64-bit, 0: the kernel does not tell
  uint64_t owner = 0;       // inode of the owning user namespace, 0: not ours to see
  std::string handle;       // kernel::ns_handle, "" where there is none
};

struct PinSet {
  std::string name;
  std::string created;      // RFC 3339
  std::string boot_id;
  std::string source;       // where they came from: "new", "container db", "process 812"; for people
  std::map<std::string, std::string> labels;
  std::vector<Pin> pins;    // in the order of the table
  pid_t holder = 0;         // the hull-init that keeps a pid namespace alive
  std::string holder_identity;

  const Pin* find(kernel::NsKind kind) const;
};

json::value to_json(const PinSet& set);
Result<PinSet> pin_set_from_json(const json::value& v);

// A user's name: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 64. Invalid says so.
Result<> check_pin_name(std::string_view name);

struct NamedFd {
  kernel::NsKind kind;
  Fd fd;
};

class PinStore {
 public:
  // `run` is HULL_RUN, `boot_id` this boot's. `end` ends the holder of a set that goes, before its last trace does.
  using EndHolder = std::function<void(const PinSet&)>;
  PinStore(std::string run, std::string boot_id, EndHolder end)
      : directory_(std::move(run) + "/ns"), boot_id_(std::move(boot_id)), end_(std::move(end)) {}

  const std::string& directory() const { return directory_; }
  std::string path(std::string_view name, kernel::NsKind kind) const;
  bool exists(std::string_view name) const;

  // Makes a set of the namespaces behind the descriptors, whole or not at all. `set` gives name, source, labels and holder;
  // the pins are filled in. `before_naming` runs when all is written down but not yet to be seen. Exists when the name
  // is taken.
  Result<PinSet> create(PinSet set, const std::vector<NamedFd>& namespaces, const std::function<Result<>()>& before_naming = {}) const;
  // Adds to an existing set, or replaces a kind in it.
  Result<PinSet> add(std::string_view name, const std::vector<NamedFd>& namespaces) const;
  // NotFound. Where the record cannot be read, what is mounted, without labels, source and holder.
  Result<PinSet> load(std::string_view name) const;
  std::optional<Error> damage(std::string_view name) const;  // why the record cannot be read
  // Writes a record anew from the mounts; `add_holder` says who holds its pid namespace.
  Result<> mend(std::string_view name, const std::function<void(PinSet&)>& add_holder) const;
  Result<> rename(std::string_view from, std::string_view to) const;
  Result<> remove(std::string_view name) const;  // missing is success
  Result<> remove_kind(std::string_view name, kernel::NsKind kind) const;
  std::vector<std::string> names() const;                        // users' names, sorted
  std::vector<std::string> kept() const;                         // ids of containers with a set

  // The inode behind a pin now; nothing when the mount is gone.
  std::optional<uint64_t> live(std::string_view name, kernel::NsKind kind) const;

  // Ends what dead owners left half made or half removed: their mounts, directories and holders. Ends an empty store.
  void sweep() const;

 private:
  Result<Fd> work_in() const;  // the store's private mount, made if missing, and a shared lock on it
  Result<> destroy(const std::string& directory) const;
  std::string directory_, boot_id_;
  EndHolder end_;
};

}  // namespace hull::ns
