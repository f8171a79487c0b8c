// sd_notify(3) for a container whose caller has NOTIFY_SOCKET, as a systemd service of Type=notify: the container gets a
// socket of ours, and only that it is ready is passed on, with its process as the main one.
//
//   the program ─READY=1─> /run/notify/notify.sock ─> Notifier ─READY=1, MAINPID, BARRIER─> the caller's NOTIFY_SOCKET
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "oci/spec.h"

namespace hull::runtime {

inline constexpr const char* kNotifyName = "notify.sock";

// The mount of `directory` and the variable that leads there.
void add_notify(oci::Spec& spec, const std::string& directory);

class Notifier {
 public:
  Notifier() = default;  // with nothing to wait for
  // `caller`: its NOTIFY_SOCKET, a path or "@name". `pid` and `pidfd`: the container's process.
  static Result<Notifier> listen(const std::string& directory, const std::string& caller, pid_t pid, const Fd& pidfd);

  int fd() const { return socket_.get(); }  // readable: take(); -1 when there is nothing to wait for
  // One message. When it says that the program is ready, that goes to the caller, and there is no more to wait for.
  Result<> take();
  // Until then, or the container's end; and until the caller has read it.
  Result<> wait();

 private:
  Result<> tell_caller();

  Fd socket_, pidfd_, caller_;
  Fd barrier_;  // systemd looks at who sent a message, and we may be about to go: it closes the other end then; sd_notify_barrier(3)
  pid_t pid_ = 0;
};

}  // namespace hull::runtime
