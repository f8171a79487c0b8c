// Where the engine's files are. Durable: ROOT/containers/ID/ (config.json, state.json, the managed files, the log) and
// ROOT/names/NAME, a symbolic link whose target is the id: made or refused in one call, never half-written. Runtime:
// RUN/containers/ID/ (run.json, attach.sock, exit). A --rm container has everything under RUN, its name too, and
// nothing of it outlives a boot.
//
// `intent` is made in the runtime directory before any kernel object is (SECURITY S2). It is empty: the name of every such
// object is made of the container's id, so an intent whose owner is dead says all that clean-up needs.
#pragma once

#include <string>
#include <string_view>

#include "engine/record.h"

namespace hull::engine {

struct Layout {
  std::string root, run;

  std::string containers() const { return root + "/containers"; }
  std::string names(bool ephemeral) const { return (ephemeral ? run : root) + "/names"; }
  std::string record_directory(std::string_view id, bool ephemeral) const {
    return (ephemeral ? run : root) + "/containers/" + std::string(id);
  }
  std::string runtime_directory(std::string_view id) const { return run + "/containers/" + std::string(id); }
  std::string intent(std::string_view id) const { return runtime_directory(id) + "/intent"; }
  std::string run_containers() const { return run + "/containers"; }
  std::string mount_point() const { return run + "/rootfs"; }  // empty; every container's root is attached to it
  std::string named_namespaces() const { return run + "/ns"; }
};

std::string cgroup_path(const Record& record);  // "/hull/<id>" or below --cgroup-parent
std::string log_name(std::string_view id);      // "<id>-json.log"

// Makes what is missing. Denied when a directory is someone else's or writable by others (SECURITY S8).
Result<> prepare_layout(const Layout& layout);

}  // namespace hull::engine
