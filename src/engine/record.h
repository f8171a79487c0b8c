// A container as data: what was asked for (Record, written once), how it stands (State, computed from the kernel, the
// shim's exit record and the few bits that must survive), and where its files are. "Running" is never stored.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"

namespace hull::engine {

struct Record {
  std::string id;               // 64 hex
  std::string name;             // without a slash
  std::string created;          // RFC 3339 with nanoseconds, UTC
  std::string image_id;         // "sha256:…"; empty with --rootfs
  ContainerConfig config;
  ProcessChoice process;        // config over the image's defaults: what runs
  std::string hostname;         // what the container gets
};

enum class Status : uint8_t { Created, Running, Paused, Restarting, Removing, Exited, Dead };
std::string_view status_name(Status status);  // docker's lower-case words

struct State {
  Status status = Status::Created;
  pid_t pid = 0;                // as our pid namespace sees it; 0 unless running or paused
  pid_t shim_pid = 0;           // 0 when it is gone
  int exit_code = 0;
  bool oom_killed = false;
  std::string error;            // why the last start failed, or what is not known ("hull-shim was killed …")
  std::string started_at, finished_at;  // RFC 3339; docker's zero time "0001-01-01T00:00:00Z" when never
  pid_t forwarder = 0;          // hull-port, which serves its published ports; 0 when it is gone
  std::vector<net::PublishedPort> ports;  // where they are, while they are served
  bool running() const { return status == Status::Running || status == Status::Paused; }
};

struct Container {
  Record record;
  State state;
  std::string directory;        // the record's own
  std::string log_path;         // the json-file log; empty with --log-driver none
  std::string hosts_path, hostname_path, resolv_conf_path;
  std::array<uint64_t, kernel::kNsKinds> namespaces{};  // inodes: its process's, else those that are kept; 0: none
  std::array<std::string, kernel::kNsKinds> kept_paths;  // pins of those that outlive the process
  std::vector<std::pair<kernel::NsKind, std::string>> sharers;  // who else is in one that is not the host's
  std::string lower_dirs, upper_dir, work_dir;  // overlay's, colon-separated; empty with --rootfs
};

constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

json::value to_json(const Record& record);
Result<Record> record_from_json(const json::value& v);

}  // namespace hull::engine
