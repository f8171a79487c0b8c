#include "cli/command.h"

namespace hull::cli {
namespace {

// docker's words for a wrong number of operands.
std::string operand_error(const Syntax& syntax, std::string_view program) {
  auto plural = [](unsigned n) { return n == 1 ? "" : "s"; };
  unsigned low = syntax.min_operands, high = syntax.max_operands;
  if (high == 0) return format("'{}' accepts no arguments", program);
  if (low == high) return format("'{}' requires {} argument{}", program, low, plural(low));
  if (high == UINT16_MAX) return format("'{}' requires at least {} argument{}", program, low, plural(low));
  if (low == 0) return format("'{}' requires at most {} argument{}", program, high, plural(high));
  return format("'{}' requires at least {} and at most {} arguments", program, low, high);
}

int bad_option(const Invocation& call, const Syntax& syntax, const Error& error) {
  if (syntax.dialect == Dialect::UtilLinux) {
    std::string name = message_prefix(call, syntax);
    print_error(format("{}: {}", name, error.text()));
    if (error.errno_value() == kSyntaxErrno) print_error(format("Try '{} --help' for more information.", name));
    return kExitFailure;
  }
  print_error(error.text());
  print_error(format("See '{} --help'.", call.program));
  return kExitEngine;
}

}  // namespace

const Command* find_command(std::span<const Command> table, std::string_view name) {
  for (const Command& command : table)
    if (name == command.syntax->name) return &command;
  return nullptr;
}

std::string message_prefix(const Invocation& call, const Syntax& syntax) {
  if (syntax.dialect == Dialect::UtilLinux) return syntax.name;
  return call.program.substr(0, call.program.find(' '));
}

std::optional<int> begin(const Invocation& call, const Syntax& syntax, void* target,
                         std::vector<std::string_view>& operands) {
  Result<Parsed> parsed = parse_options(syntax, call.arguments, target);
  if (!parsed) return bad_option(call, syntax, parsed.error());
  if (parsed->help) {
    print(help_text(syntax, call.program));
    return 0;
  }
  if (parsed->version) {
    print(format("{} from hull {}\n", syntax.name, HULL_VERSION));
    return 0;
  }
  operands = std::move(parsed->operands);
  if (operands.size() < syntax.min_operands || operands.size() > syntax.max_operands) {
    print_error(format("{}: {}", message_prefix(call, syntax), operand_error(syntax, call.program)));
    print_error(format("See '{} --help'.", call.program));
    return kExitFailure;
  }
  return std::nullopt;
}

}  // namespace hull::cli
