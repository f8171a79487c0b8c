// The engine's name for who a process is (kernel/identity.h).
#pragma once

#include "kernel/identity.h"

namespace hull::engine {

using kernel::boot_id;
using kernel::find_process;
using kernel::has_ended;
using kernel::identify_process;
using kernel::is_gone;
using kernel::open_pidfd;
using kernel::poll_with_process;
using kernel::ProcessIdentity;
using kernel::send_signal;
using kernel::wait_for_end;

}  // namespace hull::engine
