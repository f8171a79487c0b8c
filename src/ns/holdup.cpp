#include "ns/holdup.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "ns/proc.h"

namespace hull::ns {
namespace {

std::string pid_namespace(int proc, pid_t pid) {
  char target[64];
  ssize_t size = ::readlinkat(proc, format("{}/ns/pid", pid).c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, static_cast<size_t>(size));
}

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
  std::string theirs = pid_namespace(proc.get(), first_process), found;
  if (theirs.empty()) return "its first process cannot be looked at";
  each_number(proc.get(), [&](pid_t pid) {
    if (!found.empty() || pid_namespace(proc.get(), pid) != theirs) return;
    Looked at = look_at(proc.get(), pid);
    if (at.state == 'D') found = format("process {} ({}) waits in the kernel and cannot be interrupted: look at /proc/{}/stack", pid, at.comm, pid);
    if (at.state != 'Z' || at.ppid == 0 || pid_namespace(proc.get(), at.ppid) == theirs) return;
    Looked parent = look_at(proc.get(), at.ppid);
    found = is_stopped(parent.state)
                ? format("process {} ({}) has ended, and process {} ({}), which started it, is stopped: kill -CONT {}", pid, at.comm, at.ppid, parent.comm, at.ppid)
                : format("process {} ({}) has ended and process {} ({}) does not collect it: end that one", pid, at.comm, at.ppid, parent.comm);
  });
  return found.empty() ? "nothing in it tells why" : found;
}

}  // namespace hull::ns
