// start: what a create left waiting.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "kernel/identity.h"
#include "runtime/config.h"
#include "runtime/make.h"
#include "runtime/runtime.h"
#include "sandbox/launch.h"

namespace hull::runtime {
namespace {

// Waits for the program, which closes the fifo by its exec. A mark came there for each hook that was done, and the text of what
// failed. Who may trace the process can hold the fifo open: the program itself is looked at, too.
Result<> wait_for_program(const Fd& outcome, const Standing& standing, size_t hooks) {
  constexpr timespec kLook{0, 20000000};
  size_t marks = 0;
  std::string failure;
  auto take = [&] {
    char buffer[1024];
    ssize_t got = ::read(outcome.get(), buffer, sizeof buffer);
    for (char c : std::string_view(buffer, static_cast<size_t>(std::max<ssize_t>(got, 0))))
      if (c == '\n' && failure.empty()) ++marks;
      else if (failure.size() < sizeof buffer) failure += c;
    return got;
  };
  for (;;) {
    pollfd polled[] = {{standing.pidfd.get(), POLLIN, 0}, {outcome.get(), POLLIN, 0}};
    int ready = kernel::poll_with_process(polled, 2, 0, &kLook);
    if (ready < 0 && errno != EINTR) return fail_errno("poll", "outcome.fifo");
    bool over = ready == 0 ? sandbox::is_hull_init(standing.state.process.pid) == false : polled[0].revents != 0;
    ssize_t got;
    do got = take(); while (got > 0);  // all that came before it was over
    if (got == 0 || over) break;
  }
  if (!failure.empty()) return fail(ErrorKind::System, escape_controls(failure));
  if (marks >= hooks) return {};
  return fail(ErrorKind::System, format("hooks.startContainer[{}]: the container was killed while it ran", marks));
}

// The one start: the fifo is locked, and still the container's.
Result<Fd> open_start(const std::string& fifo) {
  auto already = [] { return fail(ErrorKind::Conflict, "cannot start an already running container"); };
  auto writer = open_file(fifo, O_WRONLY | O_NONBLOCK);
  if (!writer && (writer.error().errno_value() == ENXIO || writer.error().errno_value() == ENOENT)) return already();
  if (!writer) return writer;
  struct stat status;
  if (::flock(writer->get(), LOCK_EX | LOCK_NB) != 0 || ::stat(fifo.c_str(), &status) != 0) return already();
  return writer;
}

Result<oci::Hooks> hooks_of_start(const Home& home) {
  std::string config = TRY(read_file(home.file("config.json")));
  return may_name(config, {"poststart", "startContainer"}) ? TRY(parse_config(config)).hooks : oci::Hooks();
}

Result<> check_startable(const Standing& standing) {
  if (standing.status == "created") return {};
  if (standing.status == "running") return fail(ErrorKind::Conflict, "cannot start an already running container");
  return fail(ErrorKind::Conflict, standing.status == "stopped" ? "cannot start a container that has stopped" : format("cannot start a container in the {} state", standing.status));
}

}  // namespace

Result<Notifier> start(const std::string& root, const std::string& id, const std::string& notify_socket) {
  Standing standing = TRY(stand(root, id));
  TRY(check_startable(standing));
  Home home = TRY(home_of(root, id));
  std::string fifo = home.file("start.fifo"), told = home.file("outcome.fifo");
  oci::Hooks hooks = TRY(hooks_of_start(home));
  Fd writer = TRY(open_start(fifo));
  Notifier notifier;
  if (!notify_socket.empty() && path_exists(home.file("notify")))
    notifier = TRY(Notifier::listen(home.file("notify"), notify_socket, standing.state.process.pid, standing.pidfd));
  Fd outcome;
  if (path_exists(told)) outcome = TRY(open_file(told, O_RDONLY | O_NONBLOCK));
  if (::write(writer.get(), "S", 1) != 1) return fail_errno("write", fifo);
  ::unlink(fifo.c_str());
  if (outcome) TRY(wait_for_program(outcome, standing, hooks.start_container.size()));
  Result<> done = run_poststart(hooks.poststart, standing.state);
  if (done) return notifier;
  (void)kernel::send_signal(standing.pidfd, SIGKILL);  // runtime-spec 1.3, lifecycle, step 9
  return fail(std::move(done).error());
}

}  // namespace hull::runtime
