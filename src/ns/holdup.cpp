#include "ns/holdup.h"

#include <fcntl.h>

#include <optional>

#include "base/text.h"
#include "kernel/namespaces.h"
#include "ns/proc.h"

namespace hull::ns {
namespace {

std::optional<uint64_t> pid_namespace(pid_t pid) { return kernel::ns_inode(pid, kernel::NsKind::Pid); }

struct Looked {
  std::string comm;
  char state = '?';
  pid_t ppid = 0;
};

Looked look_at(int proc, pid_t pid) {
  char buffer[1024];
  auto text = read_small(proc, format("{}/stat", pid).c_str(), buffer, sizeof buffer);
  auto stat = text ? parse_proc_stat(*text) : std::nullopt;
  return stat ? Looked{escape_controls(stat->comm), stat->state, stat->ppid} : Looked{};
}

bool is_stopped(char state) { return state == 'T' || state == 't'; }

}  // namespace

std::string what_holds_up(pid_t first_process) {
  Fd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::optional<uint64_t> theirs = pid_namespace(first_process);
  std::string found;
  if (!theirs) return "its first process cannot be looked at";
  each_number(proc.get(), [&](pid_t pid) {
    if (!found.empty() || pid_namespace(pid) != theirs) return;
    Looked at = look_at(proc.get(), pid);
    if (at.state == 'D') found = format("process {} ({}) waits in the kernel and cannot be interrupted: look at /proc/{}/stack", pid, at.comm, pid);
    if (at.state != 'Z' || at.ppid == 0 || pid_namespace(at.ppid) == theirs) return;
    Looked parent = look_at(proc.get(), at.ppid);
    found = is_stopped(parent.state)
                ? format("process {} ({}) has ended, and process {} ({}), which started it, is stopped: kill -CONT {}", pid, at.comm, at.ppid, parent.comm, at.ppid)
                : format("process {} ({}) has ended and process {} ({}) does not collect it: end that one", pid, at.comm, at.ppid, parent.comm);
  });
  return found.empty() ? "nothing in it tells why" : found;
}

}  // namespace hull::ns
