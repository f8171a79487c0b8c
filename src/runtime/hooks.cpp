// The runtime's own hooks: prestart, createRuntime, poststart and poststop. createContainer and startContainer are steps of
// hull-init.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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
  int input;
};

int body(void* context) {
  auto& call = *static_cast<Call*>(context);
  sigset_t none;
  ::sigemptyset(&none);
  if (::dup2(call.input, 0) < 0 || ::chdir(call.directory) != 0) return 127;
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

Result<> run_hook(const oci::Hook& hook, const std::string& name, const std::string& state, const std::string& bundle) {
  Fd input(::memfd_create("hull-state", MFD_CLOEXEC));
  if (!input) return fail_errno("memfd_create", "state");
  TRY(write_all(input, state, "state"));
  ::lseek(input.get(), 0, SEEK_SET);
  std::vector<std::string> words = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  Call call{hook.path.c_str(), bundle.c_str(), pointers(words), pointers(hook.env), input.get()};
  auto child = TRY_CONTEXT(kernel::clone_sharing_memory({0, -1, true}, body, &call), name);
  int status = TRY(wait_status(child, hook, name));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorKind::System, format("{}: {}: {} {}", name, hook.path, WIFEXITED(status) ? "exit status" : "ended by signal",
                                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)));
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
