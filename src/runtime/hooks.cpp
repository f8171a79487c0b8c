// The runtime's own hooks: prestart, createRuntime, poststart and poststop. createContainer and startContainer are steps of
// hull-init.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/duration.h"
#include "base/text.h"
#include "kernel/clone.h"
#include "runtime/make.h"

namespace hull::runtime {
namespace {

struct Call {
  const char* path;
  const char* directory;
  std::vector<char*> arguments, environment;
  int input, output;
};

int body(void* context) {
  auto& call = *static_cast<Call*>(context);
  sigset_t none;
  ::sigemptyset(&none);
  ::setpgid(0, 0);
  if (::dup2(call.input, 0) < 0 || ::dup2(call.output, 1) < 0 || ::dup2(call.output, 2) < 0 || ::chdir(call.directory) != 0) return 127;
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(call.path, call.arguments.data(), call.environment.data());
  return 127;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

constexpr size_t kTail = 300;

// What a hook says, of which the end is kept. What it leaves behind finds nobody to say it to.
struct Said {
  Fd reader;
  std::string tail;

  void take() {
    char buffer[4096];
    ssize_t got = ::read(reader.get(), buffer, sizeof buffer);
    if (got > 0) tail.append(buffer, static_cast<size_t>(got));
    else if (got == 0 || (errno != EINTR && errno != EAGAIN)) reader.reset();
    if (tail.size() > 2 * kTail) tail.erase(0, tail.size() - kTail);
  }
  std::string words() {
    while (reader && tail.size() <= kTail) {
      size_t before = tail.size();
      take();
      if (tail.size() == before) break;
    }
    std::string_view text = std::string_view(tail).substr(tail.size() - std::min(tail.size(), kTail));
    while (!text.empty() && (static_cast<unsigned char>(text[0]) & 0xc0) == 0x80) text.remove_prefix(1);  // the middle of a character
    text = trim(text);
    return text.empty() ? "" : ": " + escape_controls(text);
  }
};

Result<int> wait_status(const kernel::CloneResult& child, const oci::Hook& hook, const std::string& name, Said& said) {
  int64_t deadline = hook.timeout ? monotonic_ms() + std::min<int64_t>(*hook.timeout, INT32_MAX) * 1000 : INT64_MAX;
  bool ended = false, late = false;
  while (!ended && !late) {
    int64_t left = deadline == INT64_MAX ? -1 : std::max<int64_t>(deadline - monotonic_ms(), 0);
    pollfd polled[] = {{child.pidfd.get(), POLLIN, 0}, {said.reader.get(), POLLIN, 0}};
    timespec timeout{static_cast<time_t>(left / 1000), static_cast<long>(left % 1000 * 1000000)};
    int ready = kernel::poll_with_process(polled, 2, 0, left < 0 ? nullptr : &timeout);
    if (ready < 0 && errno != EINTR) return fail_errno("poll", name);
    late = ready == 0;
    ended = ready > 0 && polled[0].revents != 0;
    if (ready > 0 && polled[1].revents != 0) said.take();
  }
  if (late) ::kill(-child.pid, SIGKILL);  // its group: our child is not reaped, so the number is its own
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid", name);
  if (late) return fail(ErrorKind::System, format("{}: {}: still running after {} s{}", name, hook.path, *hook.timeout, said.words()));
  return status;
}

Result<> run_hook(const oci::Hook& hook, const std::string& name, const std::string& state, const std::string& bundle) {
  Fd input(::memfd_create("hull-state", MFD_CLOEXEC));
  if (!input) return fail_errno("memfd_create", "state");
  Pipe output = TRY(make_pipe());
  Said said{std::move(output.read), {}};
  ::fcntl(said.reader.get(), F_SETFL, O_NONBLOCK);
  TRY(write_all(input, state, "state"));
  ::lseek(input.get(), 0, SEEK_SET);
  std::vector<std::string> words = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  Call call{hook.path.c_str(), bundle.c_str(), pointers(words), pointers(hook.env), input.get(), output.write.get()};
  auto child = TRY_CONTEXT(kernel::clone_sharing_memory({0, -1, true}, body, &call), name);
  output.write.reset();
  int status = TRY(wait_status(child, hook, name, said));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorKind::System, format("{}: {}: {} {}{}", name, hook.path, WIFEXITED(status) ? "exit status" : "ended by signal",
                                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said.words()));
}

}  // namespace

Result<> run_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle) {
  for (size_t i = 0; i < hooks.size(); ++i) TRY(run_hook(hooks[i], format("hooks.{}[{}]", kind, i), state, bundle));
  return {};
}

Result<> run_poststart(const std::vector<oci::Hook>& hooks, const State& state) {
  if (hooks.empty()) return {};
  return run_hooks(hooks, "poststart", json::to_text(state_json(Standing{state, "running", Fd()}, false)), state.bundle);
}

void run_all_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle, const Warn& warn) {
  for (size_t i = 0; i < hooks.size(); ++i)
    if (auto done = run_hook(hooks[i], format("hooks.{}[{}]", kind, i), state, bundle); !done && warn) warn(done.error().text());
}

}  // namespace hull::runtime
