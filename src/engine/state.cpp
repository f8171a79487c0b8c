#include "engine/state.h"

#include <poll.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/text.h"
#include "engine/events.h"
#include "engine/ports.h"
#include "engine/sharing.h"
#include "image/store.h"
#include "kernel/host_facts.h"
#include "runtime/process.h"

namespace hull::engine {
namespace {

constexpr int kUnknownExit = 137, kHostWentDown = 255;
constexpr const char* kShimKilled = "hull-shim was killed, so the exit code is not known";

// A shim that lives writes its exit record soon after its child's end; one that is slow has a slow reader.
std::optional<ExitRecord> wait_for_exit_record(const Layout& layout, std::string_view id, const ProcessIdentity& shim) {
  auto record = read_exit_record(layout, id);
  if (record) return record;
  auto pidfd = find_process(shim);
  for (int i = 0; pidfd && !record && i < 200; ++i) {
    bool ended = wait_for_end(*pidfd, 10);
    record = read_exit_record(layout, id);
    if (ended) break;
  }
  return record;
}

void take_stored(const std::optional<StoredState>& stored, State& state) {
  state.started_at = state.finished_at = kZeroTime;
  if (!stored) return;
  state.exit_code = stored->exit_code;
  state.oom_killed = stored->oom_killed;
  state.error = stored->error;
  if (!stored->started) return;
  state.status = Status::Exited;
  state.started_at = stored->started_at;
  if (!stored->finished_at.empty()) {
    state.finished_at = stored->finished_at;
    return;
  }
  // It ran when the runtime directory went away: the machine was started anew.
  state.exit_code = kHostWentDown;
  state.error = "the host went down while it ran";
}

void take_run(const Layout& layout, const Place& place, const RunRecord& run, Standing& standing) {
  State& state = standing.state;
  state.started_at = run.started_at;
  state.finished_at = kZeroTime;
  state.error.clear();
  state.exit_code = 0;
  state.oom_killed = false;
  bool this_boot = run.boot_id == boot_id();
  auto pidfd = this_boot ? find_process(run.process) : fail(ErrorKind::NotFound, "");
  // Who cannot be asked after is not dead: nothing of his may be settled.
  if (pidfd || pidfd.error().kind() != ErrorKind::NotFound) {
    bool paused = path_exists(layout.runtime_directory(place.id) + "/paused");
    state.status = paused ? Status::Paused : Status::Running;
    state.pid = run.process.pid;
    if (run.forwarder.pid > 0 && find_process(run.forwarder)) {
      state.forwarder = run.forwarder.pid;
      state.ports = run.ports;
    }
    state.shim_pid = find_process(run.shim) ? run.shim.pid : 0;
    if (pidfd) standing.pidfd = std::move(*pidfd);
    return;
  }
  standing.settled = false;
  state.status = Status::Exited;
  auto exit = this_boot ? wait_for_exit_record(layout, place.id, run.shim) : read_exit_record(layout, place.id);
  if (exit) {
    state.exit_code = exit->exit_code;
    state.finished_at = exit->finished_at;
    return;
  }
  state.exit_code = this_boot ? kUnknownExit : kHostWentDown;
  state.error = this_boot ? kShimKilled : "the host went down while it ran";
  state.finished_at = now_rfc3339();
}

// Whether a group is removed with its run: not where a cgroup namespace that is kept is rooted in it.
enum class Group { Stays, Goes };

// Stragglers exist only where the pid namespace is shared: with its own, they died with the first process.
Result<> end_cgroup(const Record& record, std::optional<uint64_t> oom_kills_before, bool* oom_killed, Group then) {
  kernel::Cgroups* cgroups = host_cgroups();
  if (cgroups == nullptr) return {};
  std::string path = cgroup_path(record);
  bool own_pids = record.config.ns(kernel::NsKind::Pid).mode == NsMode::Private;
  if (oom_kills_before || !own_pids) {
    auto group = cgroups->find(path);
    if (group && oom_kills_before) *oom_killed = (*group)->oom_kills().value_or(0) > *oom_kills_before;
    if (group && !own_pids) TRY((*group)->kill());
  }
  if (then == Group::Stays) return {};
  auto removed = cgroups->remove(path, own_pids ? 200 : 5000);
  if (removed) return {};
  auto group = cgroups->find(path);  // something entered late, by exec
  if (!group) return removed;
  TRY((*group)->kill());
  return cgroups->remove(path);
}

}  // namespace

kernel::Cgroups* host_cgroups() {
  // An ordinary user has none that he may write to: his containers go without, as on a host without cgroups.
  return kernel::is_unprivileged() ? nullptr : runtime::cgroups();
}

Result<> check_empty(const kernel::Cgroup& group) {
  constexpr int kPatienceMs = 2000;
  for (int waited = 0;; waited += 5) {
    auto left = TRY(group.processes());
    if (left.empty()) return {};
    if (waited >= kPatienceMs)
      return fail(ErrorKind::Conflict, format("process {} of an earlier run is still in {}: end it first", left.front(), group.path()));
    sleep_ms(5);
  }
}

Standing stand(const Layout& layout, const Place& place) {
  Standing standing;
  take_stored(read_stored_state(layout.record_directory(place.id, place.ephemeral)), standing.state);
  auto run = read_run_record(layout, place.id);
  if (run) take_run(layout, place, *run, standing);
  else standing.settled = !path_exists(layout.intent(place.id));
  return standing;
}

// Told by whoever settles, once: the lock is his, and what says that it is due goes next.
static std::vector<Event> end_events(const Record& record, const State& state) {
  std::vector<Event> events;
  if (state.oom_killed) events.push_back(container_event(record, "oom"));
  events.push_back(container_event(record, "die", {{"exitCode", std::to_string(state.exit_code)}}));
  return events;
}

void tell_end(const Layout& layout, std::string_view id, const Record& record, const State& state) {
  if (read_run_record(layout, id)) append_events(layout, end_events(record, state));
}

// run.json goes before the rest of its directory: without it, what is left is the rest of a finished settling.
Result<> settle(const Layout& layout, const Place& place, const Record& record) {
  Standing standing = stand(layout, place);
  if (standing.settled || standing.state.running()) return {};
  State& state = standing.state;
  auto ran = read_run_record(layout, place.id);
  end_forwarder(layout, record);
  if (place.ephemeral) {
    std::vector<Event> events = ran ? end_events(record, state) : std::vector<Event>();
    TRY(discard(layout, place, record));
    events.push_back(container_event(record, "destroy"));
    append_events(layout, std::move(events));
    return {};
  }
  if (!ran && record.config.ns(kernel::NsKind::Pid).mode == NsMode::Private && host_cgroups() != nullptr)
    if (auto group = host_cgroups()->find(cgroup_path(record))) TRY(check_empty(**group));  // run.json was lost, not never written
  Group then = keeps(layout, place.id, kernel::NsKind::Cgroup) ? Group::Stays : Group::Goes;
  TRY(end_cgroup(record, ran ? std::optional(ran->oom_kills_before) : std::nullopt, &state.oom_killed, then));
  if (ran)
    TRY(write_stored_state(layout.record_directory(place.id, false),
                           {state.exit_code, state.oom_killed, true, false, state.error, state.started_at, state.finished_at}));
  if (ran) append_events(layout, end_events(record, state));
  std::string runtime = layout.runtime_directory(place.id);
  ::unlink((runtime + "/run.json").c_str());
  return remove_tree(runtime);
}

Result<> discard(const Layout& layout, const Place& place, const Record& record) {
  bool oom_killed = false;
  end_forwarder(layout, record);
  TRY(end_cgroup(record, std::nullopt, &oom_killed, Group::Goes));
  TRY(forget(layout, record));
  if (!record.image_id.empty()) {
    image::ImageStore store = TRY(image::ImageStore::open(layout.root));
    TRY(store.remove_snapshot(record.id));
  }
  if (!place.ephemeral) TRY(remove_tree(layout.runtime_directory(place.id)));
  return Records(layout).drop(place, record.name);
}

}  // namespace hull::engine
