// Signal masks as the kernel has them. C libraries keep real-time signals back for themselves, 32 and 33 or to 34: from the
// sets they fill and from the masks they give back, so that one restored by them is another.
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace hull::kernel {

inline sigset_t every_signal() {
  sigset_t set;
  std::memset(&set, 0xff, sizeof set);
  return set;
}

// sigprocmask(2) of this thread. It cannot fail.
inline void set_signal_mask(int how, const sigset_t& mask, sigset_t* before = nullptr) {
  constexpr size_t kKernelSize = 8;  // bytes; 64 signals
  if (before != nullptr) ::sigemptyset(before);
  ::syscall(SYS_rt_sigprocmask, how, &mask, before, kKernelSize);
}

}  // namespace hull::kernel
