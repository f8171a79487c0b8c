// The overlay of a container that has a user namespace of its own. The layers on disk belong to the host's ids, and
// stay so: each is seen through an id-mapped mount (mount_setattr(2), Linux 5.19 for overlay layers), and the overlay
// is mounted by hull, because the container's ids may neither look into hull's directories nor mount with them.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "sandbox/plan.h"

namespace hull::sandbox {

// Makes the overlay of a RootOverlay step for the user namespace of `process`, whose id maps are written: a detached
// mount. Unsupported where the kernel cannot map ids of the layers' file system.
Result<Fd> make_mapped_overlay(const Step& step, pid_t process);

}  // namespace hull::sandbox
