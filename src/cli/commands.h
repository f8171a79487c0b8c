// The entry of every command: its Syntax and its function, each defined in the file of that name. To add a command,
// declare it here and add its row in commands.cpp.
#pragma once

#include "cli/command.h"

namespace hull::cli {

extern const Syntax kVersionSyntax;
int run_version(const Invocation& call);

}  // namespace hull::cli
