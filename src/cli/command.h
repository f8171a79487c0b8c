// A command of the hull program: a Syntax and the function that runs it. main.cpp finds it in the table of
// commands.cpp (by `hull NAME`, or by the name the program was called under) and returns its exit code.
// A command file parses with begin(), calls one engine function and prints.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "cli/output.h"

namespace hull::cli {

struct Invocation {
  std::string program;               // as the user wrote it, for messages: "hull run", "docker run", "unshare"
  std::span<char* const> arguments;  // after the command's name
};

struct Command {
  const Syntax* syntax;
  const char* group;                         // heading in `hull --help`; null: not listed
  int (*run)(const Invocation& call);        // null: has children
  std::span<const Command> children = {};    // `hull ns ls`, `hull container run`
};

// Every command of `hull`, in the order of its help.
std::span<const Command> commands();
const Command* find_command(std::span<const Command> table, std::string_view name);

// Parses the arguments into `target` and the operands. Returns an exit code when the command is over already: --help
// printed (0), a bad option (125 in docker's dialect, 1 in util-linux's) or a wrong number of operands (1).
std::optional<int> begin(const Invocation& call, const Syntax& syntax, void* target,
                         std::vector<std::string_view>& operands);

// The name in messages' prefix: "hull" of "hull run", "unshare" of "hull unshare" in util-linux's dialect.
std::string message_prefix(const Invocation& call, const Syntax& syntax);

}  // namespace hull::cli
