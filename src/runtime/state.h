// What the OCI runtime keeps of a container: ROOT/ID/state.json (written whole and renamed), config.json as it was when
// the container was made, and the fifo on which its process waits for the start: making.fifo while it is created, then
// start.fifo; of a run the first alone, as a mark. Status is never stored; it is computed from the process, whether it
// reads the fifo, and the freezer. Private to runtime/ but for the state that is shown.
#pragma once

#include <map>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"
#include "kernel/cgroup.h"
#include "kernel/identity.h"
#include "kernel/resctrl.h"
#include "oci/spec.h"

namespace hull::runtime {

struct State {
  std::string oci_version, id, bundle, rootfs, created, cgroup;
  kernel::ProcessIdentity process;  // pid 0: creating, or the making was cut short
  kernel::ProcessIdentity creator;  // whose end decides between the two
  std::string boot;
  std::map<std::string, std::string> annotations;
  std::string unit;  // systemd's, which made the group; "": hull made it
  kernel::RdtClass rdt;
};

struct Standing {
  State state;
  std::string status;  // "creating", "created", "running", "paused", "stopped"
  Fd pidfd;            // unless stopped, or not there yet
  bool has_creator = false;  // creating, and by a process that lives
  pid_t pid() const { return status == "stopped" ? 0 : state.process.pid; }
};

// Where one container's files are. The id is checked: [A-Za-z0-9_+.-], not "." or "..", at most 255 (a file's name).
struct Home {
  std::string directory;
  std::string file(const char* name) const { return directory + "/" + name; }
};
Result<Home> home_of(const std::string& root, const std::string& id);

Result<> write_state(const Home& home, const State& state);
// NotFound "container does not exist" when there is none.
Result<Standing> stand(const std::string& root, const std::string& id);
// Who made the container that has the id now; pid 0: a creation that was cut short.
Result<kernel::ProcessIdentity> creator_of(const Home& home, const std::string& id);
// Takes the directory away, but nothing that hull did not make: Conflict, with its name.
Result<> remove_home(const Home& home);
// Who takes a container away holds its directory (open for reading) locked, until it is gone. False where another has taken it
// away meanwhile. Conflict after a while.
Result<bool> lock_home(const Fd& directory, const Home& home);
// Whose bundle it is, for lists.
std::string owner_of(const Standing& standing);
// `hull oci state` and hooks' standard input.
json::object state_json(const Standing& standing, bool listed);

}  // namespace hull::runtime
