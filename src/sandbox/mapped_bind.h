// A bind mount whose ids are mapped (mount_setattr(2), MOUNT_ATTR_IDMAP), detached. Private to sandbox/.
#pragma once

#include "base/fd.h"
#include "sandbox/plan.h"

namespace hull::sandbox {

// Unsupported where the kernel or the file system knows no mapped mounts.
bool can_map_binds();  // whether the kernel does
Result<Fd> open_mapped_bind(const MappedBind& bind);

}  // namespace hull::sandbox
