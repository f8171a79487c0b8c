// run, create, start and attach: bringing a container up and staying with it.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/duration.h"
#include "base/text.h"
#include "engine/client.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/managed_files.h"
#include "engine/names.h"
#include "engine/preflight.h"
#include "engine/state.h"
#include "sandbox/print.h"
#include "shim/protocol.h"

namespace hull::engine {
namespace {

uint8_t wants_of(const AttachOptions& options) {
  return static_cast<uint8_t>((options.want_stdout ? shim::kWantStdout : 0) | (options.want_stderr ? shim::kWantStderr : 0) |
                              (options.use_stdin ? shim::kWantStdin : 0));
}

// What is joined of others', with the reason as the user gave it.
void add_joined(const Record& record, const StartNamespaces& namespaces, std::vector<Event>& events) {
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const NamespaceSpec& spec = record.config.ns(info.kind);
    const std::string& path = namespaces.paths[static_cast<size_t>(info.kind)];
    bool adopted = (namespaces.adopted & info.clone_flag) != 0;
    bool joined = adopted || spec.mode == NsMode::Container || spec.mode == NsMode::Path || spec.mode == NsMode::Named;
    struct stat status;
    if (!joined || path.empty() || ::stat(path.c_str(), &status) != 0) continue;
    events.push_back(namespace_event("joined", info.kind, status.st_ino, {{"container", record.name}, {"of", adopted ? "its sharers" : spec.text}}));
  }
}

// One write for all that a start has done.
void tell_start(const Layout& layout, const Record& record, const Prepared& prepared, bool created, bool attached) {
  std::vector<Event> events;
  if (created) events.push_back(container_event(record, "create"));
  if (attached) events.push_back(container_event(record, "attach"));
  add_joined(record, prepared.facts.namespaces, events);
  events.insert(events.end(), prepared.facts.namespaces.kept_events.begin(), prepared.facts.namespaces.kept_events.end());
  events.push_back(container_event(record, "start"));
  append_events(layout, events);
}

void tell_failed_start(const Layout& layout, const Record& record, int exit_code, bool created) {
  std::vector<Event> events;
  if (created) events.push_back(container_event(record, "create"));
  events.push_back(container_event(record, "die", {{"exitCode", std::to_string(exit_code)}}));
  if (record.config.rm) events.push_back(container_event(record, "destroy"));
  append_events(layout, events);
}

// Keeps the failure of a start in the record, or removes the container with --rm.
Result<> note_failed_start(const Layout& layout, const Record& record, const Error& error, int exit_code) {
  Place place{record.id, record.config.rm};
  if (record.config.rm) return discard(layout, place, record);
  TRY(remove_tree(layout.runtime_directory(record.id)));
  StoredState state = read_stored_state(layout.record_directory(record.id, false)).value_or(StoredState{});
  state.error = error.text();
  state.exit_code = exit_code;
  return write_stored_state(layout.record_directory(record.id, false), state);
}

// Whether a start that shares has failed because its target ended or was removed meanwhile; then the next look finds what
// the target keeps, or promises it.
bool lost_its_target(const Layout& layout, const Record& record, const std::optional<Prepared>& prepared, const Error& error) {
  const auto& specs = record.config.namespaces;
  if (std::none_of(specs.begin(), specs.end(), [](const NamespaceSpec& ns) { return ns.mode == NsMode::Container; })) return false;
  if (prepared && prepared->command_failed) return false;
  if (error.errno_value() == ENOENT || error.errno_value() == ESRCH) return true;
  if (!prepared) return false;
  const StartNamespaces& namespaces = prepared->facts.namespaces;
  if (namespaces.net_target && !path_exists(Records(layout).directory(*namespaces.net_target))) return true;
  return std::any_of(namespaces.targets.begin(), namespaces.targets.end(), [](const Fd& target) { return has_ended(target); });
}

// Starts under the lock that the caller holds. A failure of the container's command is in outcome.error.
Result<Started> start_locked(const Layout& layout, const Record& record, const StartIo& io, const AttachOptions& attach,
                             const OnNote& on_note, Outcome& outcome, std::optional<Prepared>& prepared) {
  auto attempt = [&]() -> Result<Started> {
    Root root = TRY(find_root(layout, record));
    TerminalSize size = record.config.tty && io.wants != 0 ? terminal_size(attach.streams.out) : TerminalSize{};
    prepared = TRY(prepare_start(layout, record, root, {size.rows, size.columns}));
    return start_container(layout, record, *prepared, io);
  };
  constexpr int kAttempts = 50;
  auto started = attempt();
  for (int i = 1; i < kAttempts && !started && lost_its_target(layout, record, prepared, started.error()); ++i) {
    prepared.reset();  // with its locks
    sleep_ms(10);
    started = attempt();
  }
  if (started && on_note)
    for (const std::string& note : prepared->facts.namespaces.notes) on_note(note);
  if (started) return started;
  outcome.exit_code = prepared && prepared->command_failed ? exit_code_of_command_failure(started.error()) : 125;
  (void)note_failed_start(layout, record, started.error(), outcome.exit_code);
  return started;
}

Result<> after_start(const Layout& layout, const Record& record) {
  if (record.config.rm) return {};
  StoredState state;
  state.started = true;
  if (auto run = read_run_record(layout, record.id)) state.started_at = run->started_at;
  TRY(write_stored_state(layout.record_directory(record.id, false), state));
  return Records(layout).sync(record);
}

// The container has ended and told us so: the clean-up is ours. The shim goes meanwhile and takes the container's
// mounts along; nobody waits for that.
Result<> end_foreground(const Layout& layout, const Record& record, Started& started) {
  char done = shim::kDone;
  (void)::send(started.shim.get(), &done, 1, MSG_NOSIGNAL);
  Place place{record.id, record.config.rm};
  Result<> settled;
  if (auto lock = RecordLock::take(layout.record_directory(record.id, record.config.rm)); lock) settled = settle(layout, place, record);
  return settled;
}

// What is known of an end that nobody told us about.
Result<Outcome> outcome_of_lost(const Layout& layout, const Record& record, Outcome outcome) {
  Place place{record.id, record.config.rm};
  Standing standing = stand(layout, place);
  if (standing.state.running()) {
    outcome.exit_code = 125;
    outcome.error = Error(ErrorKind::System, format("hull-shim of {} was killed; the container runs on without its streams", record.name));
    return outcome;
  }
  outcome.exit_code = standing.state.exit_code;
  if (auto lock = RecordLock::take(layout.record_directory(record.id, record.config.rm)); lock) TRY(settle(layout, place, record));
  return outcome;
}

Result<Outcome> stay(const Layout& layout, const Record& record, Started& started, const AttachOptions& options, Outcome outcome) {
  SessionEnd end = TRY(run_shim_session(started.shim, started.pidfd, options, record.config.tty));
  outcome.exit_code = end.exit_code;
  outcome.detached = end.kind == SessionEnd::Kind::Detached;
  if (outcome.detached) append_events(layout, {container_event(record, "detach")});
  if (end.kind == SessionEnd::Kind::Lost) return outcome_of_lost(layout, record, std::move(outcome));
  if (end.kind == SessionEnd::Kind::Exited) TRY(end_foreground(layout, record, started));
  return outcome;
}

Result<Fd> claim_cidfile(const std::string& path) {
  if (path.empty()) return Fd();
  auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (!file && file.error().kind() == ErrorKind::Exists)
    return fail(ErrorKind::Exists, format("container ID file found, make sure the other container isn't running or delete {}", path));
  return file;
}

// An id file without an id is taken away again.
Result<Created> create_with_cidfile(const Layout& layout, Draft draft, const std::string& cidfile, bool starting) {
  Fd file = TRY(claim_cidfile(cidfile));
  auto created = store_container(layout, std::move(draft), starting);
  if (!created && file) ::unlink(cidfile.c_str());
  if (created && file) TRY(write_all(file, created->record.id, cidfile));
  return created;
}

Outcome failed(Outcome outcome, Error error) {
  outcome.error = std::move(error);
  return outcome;
}

}  // namespace

Result<Outcome> Engine::create(const ContainerConfig& config, const RunOptions& options) const {
  Layout layout{root_, run_};
  Draft draft = TRY(draft_container(layout, config));
  Created created = TRY(create_with_cidfile(layout, std::move(draft), options.cidfile, false));
  // Who shares its network before it starts shares its names too.
  TRY(write_managed_files(layout.record_directory(created.record.id, config.rm), created.record, ""));
  TRY(Records(layout).sync(created.record));
  append_events(layout, {container_event(created.record, "create")});
  Outcome outcome;
  outcome.id = created.record.id;
  return outcome;
}

Result<Outcome> Engine::run(const ContainerConfig& config, const RunOptions& options) const {
  Layout layout{root_, run_};
  TRY(DetachKeys::parse(options.attach.detach_keys));
  TRY(check_draft(layout, config));
  if (!options.dry_run && !options.teach) TRY(sandbox::check_open_files());
  Draft draft = TRY(draft_container(layout, config));
  Outcome outcome;
  if (options.dry_run || options.teach) {
    outcome.text = TRY(describe_start(layout, draft, options.teach));
    return outcome;
  }
  std::optional<Created> created = TRY(create_with_cidfile(layout, std::move(draft), options.cidfile, true));
  Record record = std::move(created->record);
  outcome.id = record.id;
  outcome.detached = config.detach;
  AttachOptions attach = options.attach;
  attach.use_stdin = attach.use_stdin && config.open_stdin;
  std::optional<Prepared> prepared;
  StartIo io{config.detach ? uint8_t{0} : wants_of(attach), options.trace};
  auto started = start_locked(layout, record, io, attach, options.on_note, outcome, prepared);
  if (!started) {
    tell_failed_start(layout, record, outcome.exit_code, true);
    return failed(std::move(outcome), std::move(started).error());
  }
  tell_start(layout, record, *prepared, true, !config.detach);
  created.reset();  // the lock: others may look now
  TRY(after_start(layout, record));
  if (options.trace && options.on_trace) options.on_trace(sandbox::trace_text(prepared->container.plan, started->trace));
  if (config.detach) return outcome;
  return stay(layout, record, *started, attach, std::move(outcome));
}

// Killed and not yet gone: SIGKILL waits for it, or it is past that; proc(5).
static bool is_dying(pid_t pid) {
  constexpr unsigned kExiting = 4;
  constexpr int kKillDigit = 2;  // of the 16 hexadecimal ones, from the right: signals 9 to 12
  std::string status = read_file(format("/proc/{}/status", pid)).value_or("");
  for (std::string_view line : split_lines(status)) {
    auto words = split_words(line);
    if (words.size() != 2 || (words[0] != "SigPnd:" && words[0] != "ShdPnd:") || words[1].size() <= kKillDigit) continue;
    char digit = words[1][words[1].size() - 1 - kKillDigit];
    if (((digit <= '9' ? digit - '0' : digit - 'a' + 10) & 1) != 0) return true;
  }
  std::string stat = read_file(format("/proc/{}/stat", pid)).value_or("");
  auto fields = split_words(std::string_view(stat).substr(std::min(stat.size(), stat.rfind(')') + 1)));
  return fields.size() < 7 || (parse_uint(fields[6]).value_or(0) & kExiting) != 0;
}

// hull-init whose starter was killed before it let it go: it ends as soon as it looks. Under the record's lock nobody else
// is about to. As a reaper it stays hull-init for good, but has a child then.
static bool is_unreleased(pid_t pid) {
  return sandbox::is_hull_init(pid).value_or(false) && read_file(format("/proc/{0}/task/{0}/children", pid)).value_or("").empty();
}

// What still stands as running and will not for long is waited for: who asks for a start is not told that it runs.
static bool ends_shortly(const Standing& standing) {
  constexpr int64_t kPatienceMs = 2000, kLookMs = 5, kMomentMs = 20;
  for (int64_t waited = 0; waited < kPatienceMs && is_unreleased(standing.state.pid); waited += kLookMs)
    if (wait_for_end(standing.pidfd, kLookMs)) return true;
  // For a moment a signal that is taken, or an exit that begins, shows nowhere.
  if (!is_dying(standing.state.pid) && wait_for_end(standing.pidfd, kMomentMs)) return true;
  return is_dying(standing.state.pid) ? wait_for_end(standing.pidfd, kPatienceMs) : has_ended(standing.pidfd);
}

Result<Outcome> Engine::start(std::string_view container, const StartOptions& options) const {
  Layout layout{root_, run_};
  Records records(layout);
  Place place = TRY(records.find(container));
  std::optional<RecordLock> lock = TRY(RecordLock::take(records.directory(place)));
  Record record = TRY(records.load(place));
  record.config.strict_ns |= options.strict_ns;
  Outcome outcome;
  outcome.id = record.id;
  Standing standing = stand(layout, place);
  if (standing.state.running() && ends_shortly(standing)) standing = stand(layout, place);
  if (standing.state.running()) {
    lock.reset();
    outcome.detached = true;
    return options.attach ? attach(record.id, options.io) : Result<Outcome>(outcome);
  }
  TRY(settle(layout, place, record));
  TRY(records.write_intent(record.id));
  AttachOptions io = options.io;
  io.use_stdin = io.use_stdin && record.config.open_stdin;
  std::optional<Prepared> prepared;
  auto started = start_locked(layout, record, {options.attach ? wants_of(io) : uint8_t{0}, false}, io, options.on_note, outcome, prepared);
  if (!started) {
    tell_failed_start(layout, record, outcome.exit_code, false);
    return failed(std::move(outcome), std::move(started).error());
  }
  tell_start(layout, record, *prepared, false, options.attach);
  lock.reset();
  TRY(after_start(layout, record));
  if (options.attach) return stay(layout, record, *started, io, std::move(outcome));
  outcome.detached = true;
  return outcome;
}

Result<Outcome> Engine::attach(std::string_view container, const AttachOptions& options) const {
  Layout layout{root_, run_};
  Records records(layout);
  Place place = TRY(records.find(container));
  Record record = TRY(records.load(place));
  Standing standing = stand(layout, place);
  if (!standing.state.running()) return fail(ErrorKind::Conflict, "You cannot attach to a stopped container, start it first");
  if (standing.state.status == Status::Paused)
    return fail(ErrorKind::Conflict, "You cannot attach to a paused container, unpause it first");
  AttachOptions io = options;
  io.use_stdin = io.use_stdin && record.config.open_stdin;
  Fd shim = TRY(connect_shim(layout.runtime_directory(record.id), wants_of(io)));
  append_events(layout, {container_event(record, "attach")});
  SessionEnd end = TRY(run_shim_session(shim, standing.pidfd, io, record.config.tty));
  Outcome outcome;
  outcome.id = record.id;
  outcome.exit_code = end.exit_code;
  outcome.detached = end.kind == SessionEnd::Kind::Detached;
  if (outcome.detached) append_events(layout, {container_event(record, "detach")});
  if (end.kind == SessionEnd::Kind::Lost) return outcome_of_lost(layout, record, std::move(outcome));
  return outcome;
}

}  // namespace hull::engine
