// Where commands print. The only place of hull that writes to standard output and standard error.
#pragma once

#include <string_view>

#include "base/error.h"

namespace hull::cli {

// Exit codes as docker's scripts know them.
constexpr int kExitFailure = 1, kExitEngine = 125, kExitNotExecutable = 126, kExitNotFound = 127;

// Writes all of it to standard output; a reader that went away ends the program quietly.
void print(std::string_view text, int code_when_lost = 1);
// "note: …" on standard error: what went well but not as one might think.
void print_note(std::string_view text);
// Writes the line and a newline to standard error.
void print_error(std::string_view line);

// "PREFIX: Error response from daemon: TEXT" for `run` and `create`, without the prefix for the others: the lines that
// scripts around docker look for. `prefix` may be empty. Returns `code`.
int report(std::string_view prefix, const Error& error, int code = kExitFailure);

}  // namespace hull::cli
