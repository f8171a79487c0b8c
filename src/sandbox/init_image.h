// hull-init's program, linked into hull, as a sealed memory file to execute.
#pragma once

#include "base/fd.h"

namespace hull::sandbox {

// A new sealed memfd that holds hull-init: nothing inside a container can reach or change our binary on disk through
// it (CVE-2019-5736).
Result<Fd> make_init_image();

}  // namespace hull::sandbox
