// What a caller asks of a bundle before it is run.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hull::runtime {

// process.terminal of a configuration.
Result<bool> wants_terminal(const std::string& config_file);
// Whether the descriptors of --preserve-fds are open; before we open any of our own.
Result<> check_preserved(uint32_t count);

}  // namespace hull::runtime
