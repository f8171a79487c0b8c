// What unshare and nsenter share: waiting for the child as if it were us, exec of a command or the user's shell,
// identity changes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hull::ns {

// Waits for the child; a stopped child stops us too. A child that died of a signal ends us with the same one.
// Returns its exit code. With forward_signals, INT and TERM reach the child; else they are ignored meanwhile.
Result<int> wait_like_child(pid_t child, bool forward_signals);

// Runs the command by PATH, or the user's $SHELL (else /bin/sh) as a login shell when it is empty. Returns only on
// failure, with exec's errno.
Error execute(const std::vector<std::string>& command);

// Makes every permitted capability ambient, so that it survives exec as an ordinary user.
Result<> keep_capabilities();

Result<> drop_groups();
Result<> set_ids(std::optional<uint32_t> uid, std::optional<uint32_t> gid);

}  // namespace hull::ns
