// Who a process is, beyond a number that is used again: with pidfs (Linux 6.9) the inode of its pidfd, which is unique
// until the next boot; else its start time. The boot's id goes with it. All signals go through a checked pidfd (M3).
// Where pidfds are refused (before 5.3) a handle is the process's directory of /proc instead, which stays that process's
// when its number is used again: its end is looked for, and signals go by number after a look. So a handle is polled by
// poll_with_process() alone.
#pragma once

#include <poll.h>
#include <sys/types.h>
#include <time.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace hull::kernel {

struct ProcessIdentity {
  pid_t pid = 0;
  std::string identity;  // "pidfs:INODE" or "start:TICKS"
};

Result<Fd> open_pidfd(pid_t pid);  // errno_value() is ESRCH where there is no such process
Result<ProcessIdentity> identify_process(pid_t pid, const Fd& pidfd);
const std::string& boot_id();

// A pidfd of this very process, if it still runs; NotFound if it has ended (a zombie has) or the number is another's.
// Any other error is no answer: Unsupported where it was noted by a pidfd and those are refused now.
Result<Fd> find_process(const ProcessIdentity& process);
// Whether it has certainly ended.
bool is_gone(const ProcessIdentity& process);
bool has_ended(const Fd& pidfd);
// Waits for the end; false after timeout_ms (negative: forever).
bool wait_for_end(const Fd& pidfd, int64_t timeout_ms);
Result<> send_signal(const Fd& pidfd, int signal_number);
// ppoll(2); `slots[which]` is a handle, which is readable (POLLIN) when its process has ended.
int poll_with_process(pollfd* slots, size_t count, size_t which, const timespec* timeout);
// Waits until our own child has ended, however it did, and is no zombie.
void reap(pid_t child);
// The process's directory in /proc, whichever kind its handle is.
Result<Fd> open_process_directory(const Fd& pidfd);

}  // namespace hull::kernel
