// The index of sharers by the name they share with: RUN/ns/=NAME/ID.KIND, a file of at most one word. It only says
// where to look: what a sharer holds is its pins, and an entry without them says nothing. Called by sharing.cpp alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "kernel/namespaces.h"

namespace hull::engine {

class ShareIndex {
 public:
  explicit ShareIndex(std::string store) : store_(std::move(store)) {}

  // What a sharer in the middle of its start says of itself: it makes the namespace, or it waits for its target.
  static constexpr std::string_view kPromises = "promises", kWaits = "waits";
  struct Entry {
    std::string id, word;
  };

  bool exists(std::string_view name) const;
  // Makes the index of a name and waits for its lock; it dies with the descriptor.
  Result<Fd> lock(const std::string& name) const;
  Result<> say(const std::string& name, const std::string& id, kernel::NsKind kind, std::string_view word) const;
  std::vector<Entry> entries(const std::string& name, kernel::NsKind kind) const;
  bool has(const std::string& name, const std::string& id, kernel::NsKind kind) const;
  void drop(const std::string& id) const;  // its entries under every name
  Result<> rename(const std::string& from, const std::string& to) const;
  void drop_stale(const std::function<bool(const std::string& id)>& exists) const;

 private:
  std::string directory(std::string_view name) const;
  std::string path(const std::string& name, const std::string& id, kernel::NsKind kind) const;
  std::string store_;
};

}  // namespace hull::engine
