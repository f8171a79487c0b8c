// hull version: what this build is.
#include "cli/commands.h"

namespace hull::cli {

const Syntax kVersionSyntax{
    .name = "version", .synopsis = "[OPTIONS]", .summary = "Show the hull version information", .max_operands = 0};

int run_version(const Invocation& call) {
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kVersionSyntax, nullptr, operands)) return *code;
  print(format("hull version {}\n", HULL_VERSION));
  return 0;
}

}  // namespace hull::cli
