// stop, kill, pause, wait, rename, rm: what happens to a container that exists. None holds the record's lock while it
// waits for a process.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/duration.h"
#include "base/text.h"
#include "engine/client.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/launcher.h"
#include "engine/names.h"
#include "engine/sharing.h"
#include "engine/state.h"
#include "ns/holdup.h"
#include "shim/protocol.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

constexpr int64_t kDefaultStopSeconds = 10;

struct Found {
  Place place;
  Record record;
  Standing standing;
};

Result<Found> look_up(const Layout& layout, std::string_view container) {
  Records records(layout);
  Place place = TRY(records.find(container));
  Record record = TRY(records.load(place));
  Standing standing = stand(layout, place);
  return Found{std::move(place), std::move(record), std::move(standing)};
}

Error not_running(const char* doing, const Record& record) {
  return Error(ErrorKind::Conflict, format("{}: container {} is not running", doing, record.id));
}

// After the end of the first process: the exit record, the cgroup, and with --rm the whole container. Someone else (the
// foreground run, the shim's clean-up) may be doing the same; whoever has the lock first does it, the others find it done.
Result<> settle_now(const Layout& layout, const Found& found) {
  auto lock = RecordLock::take(Records(layout).directory(found.place));
  if (!lock) return lock.error().kind() == ErrorKind::NotFound ? Result<>() : fail(std::move(lock).error());
  return settle(layout, found.place, found.record);
}

// KERNEL: a task in a frozen v1 freezer takes no signal, not even SIGKILL; cgroup-v1/freezer-subsystem.
Result<> thaw(const Layout& layout, const Found& found) {
  std::string marker = layout.runtime_directory(found.record.id) + "/paused";
  if (!path_exists(marker) || host_cgroups() == nullptr) return {};
  auto group = TRY(host_cgroups()->find(cgroup_path(found.record)));
  TRY(group->thaw());
  ::unlink(marker.c_str());
  return {};
}

Result<> signal_and_tell(const Layout& layout, const Found& found, int number) {
  TRY(send_signal(found.standing.pidfd, number));
  append_events(layout, {container_event(found.record, "kill", {{"signal", std::to_string(number)}})});
  return {};
}

Result<> kill_hard(const Layout& layout, const Found& found) {
  TRY(thaw(layout, found));
  return signal_and_tell(layout, found, SIGKILL);
}

Result<> await_killed(const Found& found) {
  constexpr int64_t kPatienceMs = 10000;
  if (wait_for_end(found.standing.pidfd, kPatienceMs)) return {};
  return fail(ErrorKind::Conflict, format("container {} was killed and has not ended: {}", found.record.name, ns::what_holds_up(found.standing.state.pid)));
}

// Who ends a container cleans up after it: the shim is told so, and is waited for until it is gone. Without this it
// would start a `hull` of its own for the same work. Nothing is lost if the shim is dead or does not answer.
class TakeOver {
 public:
  TakeOver(const Layout& layout, const Found& found) {
    if (found.standing.state.shim_pid == 0) return;
    auto shim = connect_shim(layout.runtime_directory(found.record.id), shim::kWantExit);
    if (!shim) return;
    char message = shim::kDone;
    if (::send(shim->get(), &message, 1, MSG_NOSIGNAL) == 1) shim_ = std::move(*shim);
  }
  void wait_until_gone() {
    constexpr int kPatienceMs = 2000;
    char message[64];
    pollfd entry{shim_.get(), POLLIN, 0};
    while (shim_ && ::poll(&entry, 1, kPatienceMs) > 0 && ::recv(shim_.get(), message, sizeof message, MSG_DONTWAIT) > 0) {}
  }

 private:
  Fd shim_;
};

Result<int> stop_signal(const Record& record, std::string_view given) {
  if (!given.empty()) return parse_signal(given);
  if (!record.config.stop_signal.empty()) return parse_signal(record.config.stop_signal);
  auto of_image = parse_signal(record.process.stop_signal);
  return of_image ? *of_image : SIGTERM;  // class 2: a bad one in an image is no error
}

// The shim tells the code even to those whose container is removed with its end.
Result<int> wait_by_shim(const Layout& layout, const Found& found) {
  Fd shim = TRY(connect_shim(layout.runtime_directory(found.record.id), shim::kWantExit));
  char message[1 + sizeof(shim::ExitMessage)];
  ssize_t got = ::recv(shim.get(), message, sizeof message, 0);
  if (got != static_cast<ssize_t>(sizeof message) || message[0] != shim::kExit) return fail(ErrorKind::NotFound, "hull-shim went away");
  shim::ExitMessage exit;
  std::memcpy(&exit, message + 1, sizeof exit);
  return exit.code;
}

}  // namespace

Result<> Engine::stop(std::string_view container, std::optional<int64_t> timeout_s, std::string_view signal) const {
  Layout layout{root_, run_};
  Found found = TRY(look_up(layout, container));
  int number = TRY(stop_signal(found.record, signal));
  if (!found.standing.state.running()) return settle_now(layout, found);
  int64_t seconds = timeout_s.value_or(found.record.config.stop_timeout_s.value_or(kDefaultStopSeconds));
  TakeOver shim(layout, found);
  TRY(thaw(layout, found));
  TRY(signal_and_tell(layout, found, number));
  if (!wait_for_end(found.standing.pidfd, seconds < 0 ? -1 : seconds * 1000)) {
    TRY(kill_hard(layout, found));
    TRY(await_killed(found));
  }
  shim.wait_until_gone();
  TRY(settle_now(layout, found));
  append_events(layout, {container_event(found.record, "stop")});
  return {};
}

Result<Outcome> Engine::restart(std::string_view container, std::optional<int64_t> timeout_s, const OnNote& on_note) const {
  Container before = TRY(inspect(container));
  for (const auto& [kind, sharer] : before.sharers)
    if (on_note && (kind == NsKind::Pid || kind == NsKind::Mnt) && before.record.config.ns(kind).mode == NsMode::Private)
      on_note(format("the {} namespace of {} ends with its process and is made anew; {} shares it", kernel::ns_info(kind).name, before.record.name, sharer));
  // What would refuse the start refuses the restart, while it still runs.
  Layout layout{root_, run_};
  Root root = TRY(find_root(layout, before.record));
  TRY(prepare_start(layout, before.record, root, {24, 80, false}));
  TRY(stop(before.record.id, timeout_s));
  StartOptions options;
  options.on_note = on_note;
  Outcome outcome = TRY(start(before.record.id, options));
  if (!outcome.error) append_events(Layout{root_, run_}, {container_event(before.record, "restart")});
  return outcome;
}

Result<> Engine::kill(std::string_view container, std::string_view signal) const {
  Layout layout{root_, run_};
  int number = signal.empty() ? SIGKILL : TRY(parse_signal(signal));
  Found found = TRY(look_up(layout, container));
  if (!found.standing.state.running())
    return fail(not_running(format("cannot kill container: {}", container).c_str(), found.record));
  if (number != SIGKILL) return signal_and_tell(layout, found, number);
  TakeOver shim(layout, found);
  TRY(kill_hard(layout, found));
  TRY(await_killed(found));  // as docker: after a kill the container is seen as ended
  shim.wait_until_gone();
  return settle_now(layout, found);
}

Result<> Engine::pause(std::string_view container) const {
  Layout layout{root_, run_};
  Found found = TRY(look_up(layout, container));
  if (!found.standing.state.running()) return fail(not_running("cannot pause", found.record));
  if (found.standing.state.status == Status::Paused)
    return fail(ErrorKind::Conflict, format("container {} is already paused", found.record.id));
  if (host_cgroups() == nullptr) return fail(ErrorKind::Unsupported, "pause needs a cgroup hierarchy, and none is mounted");
  auto group = TRY(host_cgroups()->find(cgroup_path(found.record)));
  // The marker first: killed in between, a container that is not frozen can still be unpaused.
  TRY(open_file(layout.runtime_directory(found.record.id) + "/paused", O_WRONLY | O_CREAT, 0600));
  TRY(group->freeze());
  append_events(layout, {container_event(found.record, "pause")});
  return {};
}

Result<> Engine::unpause(std::string_view container) const {
  Layout layout{root_, run_};
  Found found = TRY(look_up(layout, container));
  if (found.standing.state.status != Status::Paused)
    return fail(ErrorKind::Conflict, format("container {} is not paused", found.record.id));
  TRY(thaw(layout, found));
  append_events(layout, {container_event(found.record, "unpause")});
  return {};
}

Result<> Engine::rename(std::string_view container, std::string_view new_name) const {
  Records records(Layout{root_, run_});
  Place place = TRY(records.find(container));
  auto lock = TRY(RecordLock::take(records.directory(place)));
  Record record = TRY(records.load(place));
  std::string old_name = record.name;
  TRY(records.rename(record, new_name));
  append_events(records.layout(), {container_event(record, "rename", {{"oldName", "/" + old_name}})});
  return rename_target(records.layout(), old_name, record);
}

Result<int> Engine::wait(std::string_view container, WaitCondition condition) const {
  Layout layout{root_, run_};
  Found found = TRY(look_up(layout, container));
  int code = found.standing.state.exit_code;
  if (found.standing.state.running()) {
    auto told = wait_by_shim(layout, found);
    if (!told) wait_for_end(found.standing.pidfd, -1);
    code = told ? *told : stand(layout, found.place).state.exit_code;
    TRY(settle_now(layout, found));
  }
  std::string directory = Records(layout).directory(found.place);
  while (condition == WaitCondition::Removed && path_exists(directory)) sleep_ms(20);
  return code;
}

Result<> Engine::remove(std::string_view container, bool force, bool) const {
  Layout layout{root_, run_};
  Found found = TRY(look_up(layout, container));
  if (found.standing.state.running()) {
    if (!force)
      return fail(ErrorKind::Conflict,
                  format("cannot remove container \"/{}\": container is {}: stop the container before removing or force remove",
                         found.record.name, status_name(found.standing.state.status)));
    TakeOver shim(layout, found);
    TRY(kill_hard(layout, found));
    TRY(await_killed(found));
    shim.wait_until_gone();
  }
  auto lock = RecordLock::take(Records(layout).directory(found.place));
  if (!lock) return lock.error().kind() == ErrorKind::NotFound ? Result<>() : fail(std::move(lock).error());
  Standing now = stand(layout, found.place);
  if (now.state.running()) return fail(ErrorKind::Conflict, format("container \"/{}\" was started meanwhile; try again", found.record.name));
  if (!now.settled) tell_end(layout, found.place.id, found.record, now.state);
  TRY(discard(layout, found.place, found.record));
  append_events(layout, {container_event(found.record, "destroy")});
  return {};
}

}  // namespace hull::engine
