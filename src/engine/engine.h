// The engine's front door: everything that a command does to containers. An Engine is two directories (HULL_ROOT, the
// durable one, and HULL_RUN, the runtime one) and nothing else: no state is kept between calls but what is on disk and
// in the kernel. Functions take a container as its name, id or unique id prefix (names win) and fail with docker's
// texts ("No such container: x"). Nothing here prints; output of containers goes to the descriptors of Streams.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/record.h"

namespace hull::image {
struct ImageUser;
}

namespace hull::engine {

// Where a foreground command's streams go. Terminal handling (raw mode, size) applies to `in` and `out` when they are
// terminals; raw mode is undone on every way out.
struct Streams { int in = 0, out = 1, err = 2; };

struct AttachOptions {
  bool use_stdin = false;
  bool want_stdout = true, want_stderr = true;
  bool sig_proxy = true;
  std::string detach_keys;  // "" is "ctrl-p,ctrl-q"; Invalid with docker's text when malformed
  Streams streams;
};

// What a user should know of a start that goes well: a namespace promised, or taken back. Called before it is waited for.
using OnNote = std::function<void(std::string_view)>;

// What a foreground command ends with.
struct Outcome {
  std::string id;
  int exit_code = 0;           // the container's own, 128+N after a signal; 126 or 127 with `error`
  bool detached = false;       // the detach keys were typed (or -d): it runs on
  std::optional<Error> error;  // the command could not be started: exit_code (125, 126, 127) says how to end
  std::vector<std::string> warnings;
  std::string text;            // of dry_run and teach: what to print
};

struct RunOptions {
  AttachOptions attach;      // ignored with config.detach
  std::string cidfile;       // written before the start; Exists ("container ID file found…") if it is there
  bool dry_run = false, teach = false, trace = false;
  std::function<void(std::string_view)> on_trace;  // one line per step
  OnNote on_note;
};

// `strict_ns`: this once as if the container had been made with --strict-ns.
struct StartOptions { bool attach = false; AttachOptions io; OnNote on_note; bool strict_ns = false; };

struct ExecOptions {
  std::vector<std::string> command, env;
  std::string user, workdir, detach_keys;
  bool tty = false, interactive = false, detach = false, privileged = false;
  Streams streams;
};

struct LogsOptions {
  bool follow = false, timestamps = false, details = false;
  std::optional<uint64_t> tail;      // lines; absent: all
  std::string since, until;          // RFC 3339, a Unix time, or a duration before now ("10m"); empty: no limit
  int out = 1, err = 2;
};

struct ListOptions {
  bool all = false;                  // not only running ones
  std::optional<size_t> last;        // the newest N, of any state
  std::vector<std::pair<std::string, std::string>> filters;  // docker's keys; Invalid for an unknown one
};

enum class WaitCondition { NotRunning, Removed };

class Engine {
 public:
  // HULL_ROOT and HULL_RUN from the environment, or the defaults of this user. Makes missing directories (0700, run
  // 0711); Denied when one belongs to someone else or is writable by others.
  static Result<Engine> open();
  static Result<Engine> open(std::string root, std::string run);

  const std::string& root() const { return root_; }
  const std::string& run_directory() const { return run_; }

  // --- life ---
  Result<Outcome> run(const ContainerConfig& config, const RunOptions& options) const;
  Result<Outcome> create(const ContainerConfig& config, const RunOptions& options = {}) const;  // outcome.id, warnings
  Result<Outcome> start(std::string_view container, const StartOptions& options = {}) const;
  // Signal and timeout: what the caller gives, else the container's, else its image's, else SIGTERM and 10 s; a
  // negative timeout waits forever. Stopping a stopped container is success.
  Result<> stop(std::string_view container, std::optional<int64_t> timeout_s = {}, std::string_view signal = {}) const;
  Result<Outcome> restart(std::string_view container, std::optional<int64_t> timeout_s = {}, const OnNote& on_note = {}) const;
  Result<> kill(std::string_view container, std::string_view signal = {}) const;  // "" is KILL; "9", "TERM", "SIGTERM"
  Result<> pause(std::string_view container) const;
  Result<> unpause(std::string_view container) const;
  Result<> rename(std::string_view container, std::string_view new_name) const;
  Result<> remove(std::string_view container, bool force, bool volumes = false) const;
  Result<int> wait(std::string_view container, WaitCondition condition = WaitCondition::NotRunning) const;

  // --- in and out ---
  Result<Outcome> exec(std::string_view container, const ExecOptions& options) const;
  Result<Outcome> attach(std::string_view container, const AttachOptions& options) const;
  Result<> logs(std::string_view container, const LogsOptions& options) const;

  // --- seeing ---
  Result<Container> inspect(std::string_view container) const;
  Result<std::vector<Container>> list(const ListOptions& options = {}) const;  // newest first
  Result<std::string> resolve(std::string_view container) const;               // its id
  // Bytes that the container wrote, and those with its image: a walk over its files.
  struct Sizes { int64_t written = 0, root = 0; };
  Result<Sizes> sizes(const Container& container) const;
  // The PID of a running container as our pid namespace sees it; NotFound, or Conflict when it does not run.
  Result<pid_t> pid_of(std::string_view container) const;
  // Which container owns a process, by its pid namespace or cgroup: name, or nothing. Built once per Labels object.
  struct Label { std::string id, name; pid_t pid, forwarder; };
  Result<std::vector<Label>> running() const;
  std::vector<image::ImageUser> image_users(std::string_view image_id) const;  // "sha256:…"

  // --- keeping house ---
  // Finishes or undoes what dead commands left of one container, or of all (`__cleanup ID`, and at the start of ps).
  Result<> clean_up(std::string_view id) const;
  Result<> clean_up_all() const;

 private:
  Engine(std::string root, std::string run) : root_(std::move(root)), run_(std::move(run)) {}
  std::string root_, run_;
};

}  // namespace hull::engine
