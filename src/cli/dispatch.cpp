#include "cli/dispatch.h"

#include <algorithm>
#include <csignal>

#include "cli/commands.h"

namespace hull::cli {
namespace {

std::string_view base_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

std::string group_help(std::span<const Command> table, std::string_view program, std::string_view summary) {
  std::string out = format("Usage:  {} [OPTIONS] COMMAND\n\n{}\n", program, summary);
  size_t width = 12;
  for (const Command& command : table) width = std::max(width, std::string_view(command.syntax->name).size() + 2);
  std::vector<std::string_view> groups;
  for (const Command& listed : table) {
    if (listed.group == nullptr) continue;
    if (std::find(groups.begin(), groups.end(), listed.group) != groups.end()) continue;
    groups.push_back(listed.group);
    out += format("\n{}:\n", listed.group);
    for (const Command& command : table) {
      if (command.group == nullptr || std::string_view(command.group) != listed.group) continue;
      out += format("  {:<{}}{}\n", command.syntax->name, width, command.syntax->summary);
    }
  }
  return out + format("\nRun '{} COMMAND --help' for more information on a command.\n", program);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

int unknown_command(std::span<const Command> table, std::string_view program, std::string_view name) {
  std::string_view root = program.substr(0, program.find(' '));
  print_error(format("{}: '{}' is not a {} command.", root, escape_controls(name), program));
  const Command* nearest = nullptr;
  size_t distance = 3;
  if (name.size() <= 64)
    for (const Command& command : table)
      if (size_t d = edit_distance(name, command.syntax->name); d < distance) distance = d, nearest = &command;
  if (nearest) print_error(format("Did you mean '{} {}'?", program, nearest->syntax->name));
  print_error(format("See '{} --help'", program));
  return kExitFailure;
}

int run_command(const Command& command, Invocation call);

// The first word of `call` names a command of `table`.
int run_table(std::span<const Command> table, const Invocation& call, std::string_view summary) {
  if (call.arguments.empty()) {
    print(group_help(table, call.program, summary));
    return 0;
  }
  std::string_view word = call.arguments[0];
  if (word == "--help" || word == "-h") {
    print(group_help(table, call.program, summary));
    return 0;
  }
  if (word == "help") {
    if (call.arguments.size() == 1) return run_table(table, {call.program, {}}, summary);
    char help[] = "--help";
    char* words[] = {call.arguments[1], help};
    return run_table(table, {call.program, words}, summary);
  }
  if (word.size() > 1 && word[0] == '-') {
    bool is_long = word.starts_with("--");
    print_error(is_long ? format("unknown flag: {}", word) : format("unknown shorthand flag: '{}' in {}", word[1], word));
    print_error(format("See '{} --help'.", call.program));
    return kExitEngine;
  }
  const Command* command = find_command(table, word);
  if (command == nullptr) return unknown_command(table, call.program, word);
  return run_command(*command, {format("{} {}", call.program, word), call.arguments.subspan(1)});
}

int run_command(const Command& command, Invocation call) {
  if (!command.children.empty()) return run_table(command.children, call, command.syntax->summary);
  // A reader of our output that goes away is an error of write(2), not a death in the middle of an operation.
  // util-linux's commands become the program they run, which must find the signal as we found it.
  if (command.syntax->dialect == Dialect::Docker) ::signal(SIGPIPE, SIG_IGN);
  return command.run(call);
}

}  // namespace

int dispatch(std::span<char* const> argv) {
  std::string_view name = argv.empty() ? "hull" : base_name(argv[0]);
  std::span<char* const> rest = argv.empty() ? argv : argv.subspan(1);
  const Command* own = find_command(commands(), name);
  if (own && own->syntax->dialect == Dialect::UtilLinux) return run_command(*own, {std::string(name), rest});
  if (name == "hull-oci" || name == "runc" || name == "crun") return run_oci({std::string(name), rest});
  if (!rest.empty()) {
    std::string_view word = rest[0];
    if (word == "--version" || word == "-v") {
      print(format("hull version {}\n", HULL_VERSION));
      return 0;
    }
  }
  std::string program = name == "docker" ? "docker" : "hull";
  return run_table(commands(), {program, rest}, "Containers without a daemon, and the namespaces they are made of");
}

}  // namespace hull::cli
