// Stays with a process that exec started: relays its pipes or its terminal and gives its exit code. There is no shim:
// the process is our child, and its streams end with us.
#pragma once

#include "engine/client.h"

namespace hull::engine {

struct ExecStreams {
  Fd in, out, err;      // our ends of its pipes
  Fd console;           // with a terminal: the socket on which its master comes
};

// `pidfd` is the process. Detached and Interrupted leave it running.
Result<SessionEnd> run_exec_session(ExecStreams streams, pid_t pid, const Fd& pidfd, const ExecOptions& options);

}  // namespace hull::engine
