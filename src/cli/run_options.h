// The flags of run and create: one table, shared.
#pragma once

#include <span>

#include "cli/options.h"
#include "engine/config.h"

namespace hull::cli {

extern const std::span<const Option> kRunOptions;
// The flags' files, the environment and the directory that a configuration may depend on. NotFound names the file.
Result<engine::RunInputs> gather_run_inputs(const engine::RunArgs& args);

}  // namespace hull::cli
