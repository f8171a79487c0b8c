// A net namespace with its loopback up, made by a child while the caller does other things: making one takes half a
// millisecond in the kernel, a tenth of a whole start. Belongs to the caller's user namespace.
#pragma once

#include <sys/types.h>

#include <memory>

#include "base/fd.h"

namespace hull::kernel {

class EarlyNet {
 public:
  EarlyNet() = default;  // none
  EarlyNet(EarlyNet&&) = default;
  EarlyNet& operator=(EarlyNet&&) = delete;
  ~EarlyNet();

  // Begins; where that is not possible there is none, and nothing is lost but the time.
  static EarlyNet start();
  explicit operator bool() const { return work_ != nullptr; }
  // Waits for it. Once.
  Result<Fd> finish();

 private:
  struct Work;
  struct Destroy { void operator()(Work* work) const; };
  std::unique_ptr<Work, Destroy> work_;
};

}  // namespace hull::kernel
