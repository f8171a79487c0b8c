// The process connector: the kernel tells of every fork, exec and exit on the host. cn_proc.h; needs CAP_NET_ADMIN in the
// first user namespace, and the first pid and net namespace.
#pragma once

#include <sys/types.h>

#include <functional>

#include "base/fd.h"
#include "base/result.h"

namespace hull::kernel {

enum class ProcessChange : uint8_t { Forked, Executed, Ended };

class ProcessConnector {
 public:
  // Unsupported or Denied, with the reason, where the kernel does not tell us.
  static Result<ProcessConnector> open();
  const Fd& fd() const { return socket_; }  // readable when there is news

  // Hands over what has come, threads left out. False when the kernel had to drop some: look at everything again.
  bool read(const std::function<void(ProcessChange, pid_t)>& visit) const;

 private:
  explicit ProcessConnector(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace hull::kernel
