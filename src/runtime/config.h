// What a caller asks of a bundle before it is run.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace hull::runtime {

// process.terminal of a configuration.
Result<bool> wants_terminal(std::string_view config_text);
// Whether the descriptors of --preserve-fds are open; before we open any of our own.
Result<> check_preserved(uint32_t count);

}  // namespace hull::runtime
