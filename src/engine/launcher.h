// Starts a container that has a record: gathers facts, has the runtime room launch it under hull-shim, and writes
// down who runs before it is released. What happens after that is attach's business.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/facts.h"
#include "runtime/process.h"

namespace hull::engine {

// Everything decided, nothing done yet.
struct Prepared {
  StartFacts facts;
  runtime::Container container;
  bool command_failed = false;  // after a failed start: the container's own command was at fault
};

struct Root {  // the container's root: an overlay, or a directory with --rootfs
  std::optional<sandbox::OverlayRoot> overlay;
  std::string directory;
  std::vector<std::string> layers() const;  // topmost first
};

Result<Root> find_root(const Layout& layout, const Record& record);
struct StartFor {
  uint16_t rows = 0, columns = 0;  // of the terminal
  bool act = true;                 // false: --dry-run, nothing is touched
};
Result<Prepared> prepare_start(const Layout& layout, const Record& record, const Root& root, const StartFor& what);

// The filter of a container's processes, for start and exec alike; empty with --privileged or when unconfined.
struct SeccompProgram {
  std::vector<sock_filter> filter;
  uint32_t flags = 0;
};
Result<SeccompProgram> container_seccomp(const Record& record);

// A started container in the hands of its caller.
struct Started {
  pid_t pid = 0;
  Fd pidfd;
  pid_t shim_pid = 0;   // our child
  Fd shim;              // the primary client's socket; closing it hands the container over to the shim
  std::vector<sandbox::StepTime> trace;
};

struct StartIo {
  uint8_t wants = 0;    // shim::kWant* of the primary client; 0: detached
  bool trace = false;
};

// With the record's lock held and nothing of an earlier run left. On failure everything but the record is undone; an
// error of the container's own command has the errno that decides between exit codes 126 and 127.
Result<Started> start_container(const Layout& layout, const Record& record, Prepared& prepared, const StartIo& io);

// hull-shim and hull-port: $HULL_LIBEXEC, beside the running program, or ../libexec/hull.
Result<std::string> find_helper(const std::string& name);

// 127 when something was not there, 126 when it may not or cannot be executed, else 125 (docker's rule).
int exit_code_of_command_failure(const Error& error);

}  // namespace hull::engine
