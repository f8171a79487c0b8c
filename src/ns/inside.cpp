#include "ns/inside.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "ns/nsenter.h"

namespace hull::ns {
namespace {

enum ChildStatus { kLooked = 0, kFailed = 1, kRefused = 2 };

bool is_ours(const Fd& ns, kernel::NsKind kind) {
  auto identity = kernel::identify_ns(ns);
  return identity && kernel::ns_inode(0, kind) == identity->inode;
}

// As ourselves, else with the capabilities that the owning user namespace gives to its owner.
bool enter(const Fd& ns, kernel::NsKind kind) {
  if (is_ours(ns, kind) || kernel::join_ns(ns, kind)) return true;
  if (errno != EPERM || kind == kernel::NsKind::User) return false;
  auto owner = kernel::ns_owner(ns);
  if (!owner || is_ours(*owner, kernel::NsKind::User) || !kernel::join_ns(*owner, kernel::NsKind::User)) {
    errno = EPERM;
    return false;
  }
  return bool(kernel::join_ns(ns, kind));
}

[[noreturn]] void run_child(const Fd& ns, kernel::NsKind kind, const Look& look, const Fd& answer) {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // nobody in there may look into us (SECURITY E2)
  Fd proc_self(::open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc_self) ::_exit(kFailed);
  if (!enter(ns, kind)) ::_exit(errno == EPERM ? kRefused : kFailed);
  ::_exit(write_all(answer, json::to_text(look(proc_self))) ? kLooked : kFailed);
}

}  // namespace

Result<json::value> look_inside(const Fd& ns, kernel::NsKind kind, const Look& look) {
  Pipe pipe = TRY(make_pipe());
  pid_t child = ::fork();
  if (child < 0) return fail_errno("fork", "");
  if (child == 0) run_child(ns, kind, look, pipe.write);
  pipe.write.reset();
  Result<std::string> text = read_all(pipe.read);
  pipe.read.reset();  // a child that still writes ends, so that the wait does too
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(status) && WEXITSTATUS(status) == kRefused)
    return fail(ErrorKind::Denied, "cannot look into it; " + explain_refusal(ns, kind));
  if (status != 0)
    return fail(ErrorKind::System, format("could not look into this {} namespace", kernel::ns_info(kind).name));
  return json::parse(TRY(std::move(text)), "content");
}

}  // namespace hull::ns
