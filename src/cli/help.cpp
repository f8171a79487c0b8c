// The --help text of a Syntax, in docker's layout or util-linux's.
#include <algorithm>

#include "cli/options.h"

namespace hull::cli {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kOrphan = 5;  // docker lets the last line run this much further rather than leave a short word

// Breaks off what fits in `width`, at a newline or the last space; the whole text if it nearly fits.
std::pair<std::string_view, std::string_view> break_line(std::string_view text, size_t width) {
  if (text.find('\n') == text.npos && text.size() < width + kOrphan) return {text, {}};
  size_t newline = text.find('\n');
  if (newline != text.npos && newline <= width) return {text.substr(0, newline), text.substr(newline + 1)};
  size_t space = text.substr(0, std::min(width, text.size())).find_last_of(' ');
  if (space == text.npos || space == 0) return {text, {}};
  return {text.substr(0, space), text.substr(space + 1)};
}

void append_wrapped(std::string& out, std::string_view text, size_t indent) {
  size_t width = indent + kOrphan + 24 < kColumns ? kColumns - indent - kOrphan : 24;
  while (!text.empty()) {
    auto [line, rest] = break_line(text, width);
    out.append(line);
    text = rest;
    if (!text.empty()) out.append(1, '\n').append(indent, ' ');
  }
  out.push_back('\n');
}

std::string docker_option_head(const Option& option) {
  std::string head = option.short_name ? format("  -{}", option.short_name) : std::string("    ");
  if (option.long_name) head += format("{} --{}", option.short_name ? "," : " ", option.long_name);
  if (option.metavar) head += format(" {}", option.metavar);
  return head;
}

std::string getopt_option_head(const Option& option) {
  std::string head = option.short_name ? format(" -{}", option.short_name) : std::string("   ");
  if (option.long_name) head += format("{} --{}", option.short_name ? "," : " ", option.long_name);
  if (option.metavar == nullptr) return head;
  if (option.takes == Takes::Optional || option.takes == Takes::OptionalLong) return head + format("[=<{}>]", option.metavar);
  return head + format(" <{}>", option.metavar);
}

std::string option_lines(std::span<const Option> options, std::string (*head_of)(const Option&), size_t gap) {
  size_t width = 0;
  for (const Option& option : options)
    if (option.help) width = std::max(width, head_of(option).size());
  std::string out;
  for (const Option& option : options) {
    if (option.help == nullptr) continue;
    std::string head = head_of(option);
    head.resize(width + gap, ' ');
    out += head;
    append_wrapped(out, option.help, width + gap);
  }
  return out;
}

std::string docker_help(const Syntax& syntax, std::string_view program) {
  std::string out = format("{}\n\n{}\n", usage_line(syntax, program), syntax.summary);
  if (syntax.aliases) out += format("\nAliases:\n  {}\n", syntax.aliases);
  if (!syntax.options.empty()) out += "\nOptions:\n" + docker_option_lines(syntax.options);
  return out;
}

std::string util_linux_help(const Syntax& syntax, std::string_view program) {
  static constexpr Option kBuiltin[] = {
      {'h', "help", Takes::Nothing, nullptr, "display this help", nullptr},
      {'V', "version", Takes::Nothing, nullptr, "display version", nullptr},
  };
  std::vector<Option> all(syntax.options.begin(), syntax.options.end());
  all.push_back({0, nullptr, Takes::Nothing, nullptr, nullptr, nullptr});
  all.insert(all.end(), std::begin(kBuiltin), std::end(kBuiltin));
  return format("\nUsage:\n {} {}\n\n{}\n\nOptions:\n{}", program, syntax.synopsis, syntax.summary,
                option_lines(all, getopt_option_head, 2));
}

}  // namespace

std::string usage_line(const Syntax& syntax, std::string_view program) {
  return format("Usage:  {} {}", program, syntax.synopsis);
}

std::string docker_option_lines(std::span<const Option> options) {
  return option_lines(options, docker_option_head, 3);
}

std::string help_text(const Syntax& syntax, std::string_view program) {
  bool docker = syntax.dialect == Dialect::Docker;
  std::string out = docker ? docker_help(syntax, program) : util_linux_help(syntax, program);
  if (syntax.epilogue) out.append("\n").append(syntax.epilogue).append("\n");
  return out;
}

}  // namespace hull::cli
