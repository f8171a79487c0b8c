#include "ns/process.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"

namespace hull::ns {
namespace {

volatile sig_atomic_t forwarded_child = 0;

void forward(int signal_number) {
  if (forwarded_child > 0) ::kill(static_cast<pid_t>(forwarded_child), signal_number);
}

}  // namespace

Result<int> wait_like_child(pid_t child, bool forward_signals) {
  struct sigaction action{}, before_int{}, before_term{};
  forwarded_child = child;
  action.sa_handler = forward_signals ? forward : SIG_IGN;
  ::sigaction(SIGINT, &action, &before_int);
  ::sigaction(SIGTERM, &action, &before_term);
  int status = 0;
  for (;;) {
    pid_t ended = ::waitpid(child, &status, WUNTRACED);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) return fail_errno("waitpid", "");
    if (!WIFSTOPPED(status)) break;
    ::kill(::getpid(), SIGSTOP);
    ::kill(child, SIGCONT);
  }
  ::sigaction(SIGINT, &before_int, nullptr);
  ::sigaction(SIGTERM, &before_term, nullptr);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  ::signal(WTERMSIG(status), SIG_DFL);
  ::kill(::getpid(), WTERMSIG(status));
  return 128 + WTERMSIG(status);
}

// Runs the file, and as a script of the shell's if it is no program. Returns only if both fail, with the error.
// `arguments` has a free place before the command's words.
static int execute_file(const std::string& file, std::vector<char*> arguments) {
  ::execv(file.c_str(), arguments.data() + 1);
  if (errno != ENOEXEC) return errno;
  std::string shell = "/bin/sh";
  arguments[0] = shell.data();
  arguments[1] = const_cast<char*>(file.c_str());
  ::execv(shell.c_str(), arguments.data());
  return errno;
}

// execvp(3) as glibc has it, whatever the C library: musl's does not know scripts without a first line.
static int search_and_execute(const std::vector<std::string>& command) {
  std::vector<char*> arguments{nullptr};
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::string& name = command[0];
  if (name.empty()) return ENOENT;
  if (name.find('/') != std::string::npos) return execute_file(name, arguments);
  const char* path = ::getenv("PATH");
  int error = ENOENT;
  for (const std::string& directory : split(path != nullptr ? path : "/bin:/usr/bin", ':')) {
    std::string file = directory.empty() ? name : directory + "/" + name;
    int refused = execute_file(file, arguments);
    if (refused == EACCES) error = EACCES;
    else if (refused != ENOENT && refused != ENOTDIR && refused != ESTALE && refused != ENODEV && refused != ETIMEDOUT) return refused;
  }
  return error;
}

Error execute(const std::vector<std::string>& command) {
  if (!command.empty()) {
    int error = search_and_execute(command);
    return Error(kind_of_errno(error), format("failed to execute {}: {}", command[0], errno_text(error)), error);
  }
  const char* shell = ::getenv("SHELL");
  if (shell == nullptr || *shell == '\0') shell = "/bin/sh";
  std::string path = shell;
  std::string name = "-" + path.substr(path.rfind('/') + 1);
  ::execl(shell, name.c_str(), static_cast<char*>(nullptr));
  return Error(kind_of_errno(errno), format("failed to execute {}: {}", shell, errno_text(errno)), errno);
}

Result<> keep_capabilities() {
  struct { uint32_t version; int pid; } header{0x20080522, 0};
  struct { uint32_t effective, permitted, inheritable; } data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return fail_errno("capget", "failed");
  for (auto& word : data) word.inheritable = word.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) return fail_errno("capset", "failed");
  for (unsigned capability = 0; capability < 64; ++capability)
    if ((data[capability / 32].permitted >> (capability % 32) & 1) != 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
      return fail_errno("prctl", "PR_CAP_AMBIENT failed");
  return {};
}

Result<> drop_groups() {
  if (::setgroups(0, nullptr) != 0) return fail_errno("setgroups", "failed");
  return {};
}

Result<> set_ids(std::optional<uint32_t> uid, std::optional<uint32_t> gid) {
  if (gid && ::setgid(*gid) != 0) return fail_errno("setgid", "failed");
  if (uid && ::setuid(*uid) != 0) return fail_errno("setuid", "failed");
  return {};
}

}  // namespace hull::ns
