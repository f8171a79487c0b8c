// The runtime's own hooks: prestart, createRuntime, poststart and poststop. createContainer and startContainer are steps of
// hull-init.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

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

Result<int> wait_status(const kernel::CloneResult& child, const oci::Hook& hook, const std::string& name) {
  int status = 0;
  bool late = hook.timeout && !kernel::wait_for_end(child.pidfd, *hook.timeout * 1000);
  if (late) (void)kernel::send_signal(child.pidfd, SIGKILL);
  while (::waitpid(child.pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid", name);
  if (late) return fail(ErrorKind::System, format("{}: {}: still running after {} s", name, hook.path, *hook.timeout));
  return status;
}

// The end of what it said, as a part of one line.
std::string said(const Fd& output) {
  constexpr off_t kMost = 300;
  char text[kMost];
  off_t size = ::lseek(output.get(), 0, SEEK_END);
  ssize_t got = ::pread(output.get(), text, kMost, std::max<off_t>(size - kMost, 0));
  std::string_view words = trim({text, static_cast<size_t>(std::max<ssize_t>(got, 0))});
  return words.empty() ? "" : ": " + escape_controls(words);
}

Result<Fd> memory_file(const char* name) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  return file ? Result<Fd>(std::move(file)) : fail_errno("memfd_create", name);
}

Result<> run_hook(const oci::Hook& hook, const std::string& name, const std::string& state, const std::string& bundle) {
  Fd input = TRY(memory_file("hull-state")), output = TRY(memory_file("hull-hook"));
  TRY(write_all(input, state, "state"));
  ::lseek(input.get(), 0, SEEK_SET);
  std::vector<std::string> words = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  Call call{hook.path.c_str(), bundle.c_str(), pointers(words), pointers(hook.env), input.get(), output.get()};
  auto child = TRY_CONTEXT(kernel::clone_sharing_memory({0, -1, true}, body, &call), name);
  int status = TRY(wait_status(child, hook, name));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorKind::System, format("{}: {}: {} {}{}", name, hook.path, WIFEXITED(status) ? "exit status" : "ended by signal",
                                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said(output)));
}

}  // namespace

Result<> run_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle) {
  for (size_t i = 0; i < hooks.size(); ++i) TRY(run_hook(hooks[i], format("hooks.{}[{}]", kind, i), state, bundle));
  return {};
}

void run_all_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle, const Warn& warn) {
  for (size_t i = 0; i < hooks.size(); ++i)
    if (auto done = run_hook(hooks[i], format("hooks.{}[{}]", kind, i), state, bundle); !done && warn) warn(done.error().text());
}

}  // namespace hull::runtime
