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
#include "kernel/namespaces.h"

namespace hull::kernel {

std::string id_map_text(const std::vector<oci::IdMapping>& map) {
  std::string text;
  for (const oci::IdMapping& range : map) text += format("{} {} {}\n", range.container_id, range.host_id, range.size);
  return text;
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
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
  });
  std::string process = format("/proc/{}/", child);
  TRY_CONTEXT(write_kernel_file(process + "uid_map", id_map_text(uids)), "map user ids");
  TRY_CONTEXT(write_kernel_file(process + "gid_map", id_map_text(gids)), "map group ids");
  return open_ns(child, NsKind::User);
}

}  // namespace hull::kernel
