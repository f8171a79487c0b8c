// Commands that do one thing to each container named, print the name when it went well, and go on after an error.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "engine/engine.h"

namespace hull::cli {

// Returns 0, or 1 if any failed (each failure printed as one line).
int for_each_container(const std::vector<std::string_view>& names,
                       const std::function<Result<>(const engine::Engine&, std::string_view)>& act, bool print_names = true);

}  // namespace hull::cli
