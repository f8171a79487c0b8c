// The entry of every command: its Syntax and its function, each defined in the file of that name. To add a command,
// declare it here and add its row in commands.cpp.
#pragma once

#include "cli/command.h"

namespace hull::cli {

extern const Syntax kPsSyntax;
int run_ps(const Invocation& call);

extern const Syntax kUnshareSyntax, kNsenterSyntax;
int run_unshare(const Invocation& call);
int run_nsenter(const Invocation& call);

extern const Syntax kVersionSyntax;
int run_version(const Invocation& call);

}  // namespace hull::cli
