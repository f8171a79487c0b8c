// From argv to a command: by the name the program was called under, then by its first words.
#pragma once

#include <span>

namespace hull::cli {

// The whole program after main's start-up: returns the exit code.
int dispatch(std::span<char* const> argv);

}  // namespace hull::cli
