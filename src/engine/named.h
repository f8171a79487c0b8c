// Named namespaces: made, pinned, renamed and removed. The only place that joins the launch of a process, which makes
// namespaces, with the store that keeps them (ns/pins.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "ns/pins.h"

namespace hull::engine {

struct NamedRequest {
  std::string name;
  uint64_t kinds = 0;                         // CLONE_NEW*
  std::map<std::string, std::string> labels;
  std::optional<TimeOffsets> time_offsets;
  std::vector<IdMap> id_map;                  // users and groups; empty: the default of containers
};

class NamedNamespaces {
 public:
  explicit NamedNamespaces(const Engine& engine);

  // New namespaces, owned by the set's user namespace if it has one. A pid namespace gets a hull-init that holds it.
  // Killed at any point it leaves the whole set, or what the next sweep() ends.
  Result<ns::PinSet> create(const NamedRequest& request) const;
  // Keeps namespaces of something that runs, under a new name or in a set that lacks these kinds. `source` is for people.
  Result<ns::PinSet> pin(std::string_view name, std::string source, std::vector<ns::NamedFd> namespaces) const;
  Result<> unpin(std::string_view name, kernel::NsKind kind) const;
  Result<> rename(std::string_view from, std::string_view to) const;
  // Conflict, unless forced, while a container is configured with it, or processes would die with its pid namespace.
  Result<> remove(std::string_view name, bool force) const;
  // Those that nobody uses. Returns their names.
  Result<std::vector<std::string>> prune() const;

  std::vector<std::string> names() const { return store_.names(); }
  Result<ns::PinSet> load(std::string_view name) const { return store_.load(name); }
  // Whether `ip netns` means something else by the name of a set that keeps a net namespace.
  bool hidden_from_ip(std::string_view name) const;
  // Processes in any namespace of the set, its holder apart.
  Result<std::vector<pid_t>> members(const ns::PinSet& set) const;
  void sweep() const;

 private:
  void tell(std::string_view action, const ns::PinSet& set, std::string_view name, const std::vector<ns::Pin>& pins) const;
  void tell_gone(const ns::PinSet& set, const std::vector<ns::Pin>& pins) const;
  Result<> check_unused(const ns::PinSet& set) const;
  Result<ns::PinSet> load_mended(std::string_view name) const;
  const Engine& engine_;
  ns::PinStore store_;
};

// Writes the record of a set anew where it cannot be read.
Result<> mend_set(const ns::PinStore& store, const std::string& name);

}  // namespace hull::engine
