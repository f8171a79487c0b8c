// What a running container leaves on disk beside its record: run.json (who its processes are), the shim's exit record,
// and state.json (the bits that survive its end). Reading and writing them; what they mean is state.cpp's.
#pragma once

#include <optional>

#include "engine/identity.h"
#include "engine/layout.h"
#include "net/port_spec.h"

namespace hull::engine {

// run.json: written before the first process is released, gone when the end has been dealt with.
struct RunRecord {
  ProcessIdentity process, shim;
  std::string boot_id;
  std::string started_at;
  uint64_t oom_kills_before = 0;  // what its group had counted in earlier runs
  ProcessIdentity forwarder;          // hull-port; pid 0 where nothing is published
  std::vector<net::PublishedPort> ports;
};
Result<> write_run_record(const Layout& layout, std::string_view id, const RunRecord& record);
std::optional<RunRecord> read_run_record(const Layout& layout, std::string_view id);

// exit: written by hull-shim.
struct ExitRecord {
  int exit_code = 0, signal = 0;
  std::string finished_at;
};
std::optional<ExitRecord> read_exit_record(const Layout& layout, std::string_view id);

// state.json in the record's directory. Absent: never started.
struct StoredState {
  int exit_code = 0;
  bool oom_killed = false;
  bool started = false;       // it ran, or runs still
  bool manually_stopped = false;
  std::string error, started_at, finished_at;
};
Result<> write_stored_state(const std::string& record_directory, const StoredState& state);
std::optional<StoredState> read_stored_state(const std::string& record_directory);

}  // namespace hull::engine
