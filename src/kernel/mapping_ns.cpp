#include "kernel/mapping_ns.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/undo.h"
#include "kernel/clone.h"
#include "kernel/host_facts.h"
#include "kernel/identity.h"
#include "kernel/namespaces.h"

namespace hull::kernel {

std::string id_map_text(const std::vector<oci::IdMapping>& map) {
  std::string text;
  for (const oci::IdMapping& range : map) text += format("{} {} {}\n", range.container_id, range.host_id, range.size);
  return text;
}

namespace {

struct MapProgram {
  const char* path;
  std::vector<char*> arguments;
};

int exec_map_program(void* context) {
  auto& program = *static_cast<MapProgram*>(context);
  char* environment[] = {nullptr};
  ::execve(program.path, program.arguments.data(), environment);
  return 127;
}

// newuidmap PID (inside outside count)…; it says on standard error what it does not allow.
Result<> run_map_program(const char* name, pid_t process, const std::vector<oci::IdMapping>& map) {
  std::string path = std::string("/usr/bin/") + name;
  std::vector<std::string> words = {path, std::to_string(process)};
  for (const oci::IdMapping& range : map)
    for (uint32_t number : {range.container_id, range.host_id, range.size}) words.push_back(std::to_string(number));
  MapProgram program{path.c_str(), {}};
  for (std::string& word : words) program.arguments.push_back(word.data());
  program.arguments.push_back(nullptr);
  auto child = TRY(clone_sharing_memory({0, -1, false}, exec_map_program, &program));
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid", name);
  if (status == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return fail(ErrorKind::Unsupported, format("{} is not installed, which maps more than your own id; install uidmap", path));
  return fail(ErrorKind::Denied, format("{} refused the map; add the range to /etc/sub{} for this user", name, name[3] == 'u' ? "uid" : "gid"));
}

Result<> write_map(const char* file, const char* program, pid_t process, const std::vector<oci::IdMapping>& map) {
  Result<> written = write_kernel_file(format("/proc/{}/{}", process, file), id_map_text(map));
  if (written || written.error().errno_value() != EPERM || !is_unprivileged()) return written;
  return run_map_program(program, process, map);
}

bool is_own_id(const std::vector<oci::IdMapping>& map) { return map.size() == 1 && map[0].size == 1 && map[0].host_id == ::getegid(); }

}  // namespace

Result<> write_id_maps(pid_t process, const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids, bool deny_setgroups) {
  // An unprivileged writer must give up setgroups first, or could drop groups that deny it access (CVE-2014-8989).
  if (deny_setgroups && is_own_id(gids)) TRY(write_kernel_file(format("/proc/{}/setgroups", process), "deny"));
  TRY_CONTEXT(write_map("uid_map", "newuidmap", process, uids), "map user ids");
  TRY_CONTEXT(write_map("gid_map", "newgidmap", process, gids), "map group ids");
  return {};
}

Result<Fd> make_mapping_namespace(const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids) {
  auto child = static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child < 0) return fail_errno("clone", "user namespace");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  }
  Undo end;
  end.add([child] {
    ::kill(child, SIGKILL);
    reap(child);
  });
  TRY(write_id_maps(child, uids, gids, false));
  return open_ns(child, NsKind::User);
}

}  // namespace hull::kernel
