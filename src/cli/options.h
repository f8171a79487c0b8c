// The option table: one row per option with what it takes, its help and the function that stores it. A command is a
// Syntax over such rows; parsing, --help, completions and man pages all read it. Two dialects: docker's (Go's pflag:
// bool values, `-e=v`, flags anywhere or up to the first operand) and util-linux's (getopt_long: optional `=value`,
// unambiguous abbreviations). Parsing is pure: it stores into the caller's struct and returns an error, never prints.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace hull::cli {

enum class Takes : uint8_t {
  Nothing,   // a switch; getopt's no_argument
  Bool,      // a switch that also takes =true and =false (docker)
  Required,  // --opt=v, --opt v, -ov
  Optional,  // --opt or --opt=v, -o or -ov; never the next word
  OptionalLong,  // --opt or --opt=v; -o alone, so that -muin is four options
};

struct Option;
// Stores the option into the command's own struct. `value` is absent for Nothing and for the optional kinds without one; it is
// "true" or "false" for Bool. An error's text is the reason alone ("invalid size: 'x'"); the parser names the option.
using Apply = Result<> (*)(void* target, const Option& option, std::optional<std::string_view> value);

struct Option {
  char short_name;        // 0: none
  const char* long_name;  // null: none
  Takes takes;
  const char* metavar;    // "string", "list", "file"; null for switches
  const char* help;       // null: accepted but not shown (deprecated aliases)
  Apply apply;
};

enum class Dialect : uint8_t { Docker, UtilLinux };
enum class Operands : uint8_t { Anywhere, EndOptions };  // EndOptions: the first operand ends the options

struct Syntax {
  const char* name;      // "run", "unshare"
  const char* synopsis;  // after the name: "[OPTIONS] IMAGE [COMMAND] [ARG...]"
  const char* summary;   // one line
  std::span<const Option> options;
  Operands operands = Operands::Anywhere;
  uint16_t min_operands = 0;
  uint16_t max_operands = UINT16_MAX;
  Dialect dialect = Dialect::Docker;
  const char* aliases = nullptr;   // "hull container run, hull run"
  const char* epilogue = nullptr;  // text after the options in --help
};

struct Parsed {
  std::vector<std::string_view> operands;
  bool help = false;     // --help, or -h where no row has it
  bool version = false;  // -V, --version (util-linux)
};

// Parses `arguments` (without the command's own name) and applies each option in order. Errors are of kind Invalid
// with the dialect's own text ("unknown flag: --foo", "unrecognized option '--foo'").
// Those about the syntax itself, not about a value, carry kSyntaxErrno: util-linux points to --help only then.
constexpr int kSyntaxErrno = 22;  // EINVAL
Result<Parsed> parse_options(const Syntax& syntax, std::span<char* const> arguments, void* target);

// The text of --help; `program` is how the user called it ("hull run", "unshare").
std::string help_text(const Syntax& syntax, std::string_view program);
// "Usage:  hull run [OPTIONS] IMAGE …" without a newline.
std::string usage_line(const Syntax& syntax, std::string_view program);
// Lines of "  -x, --long metavar   help", wrapped as docker wraps at 80 columns.
std::string docker_option_lines(std::span<const Option> options);

// Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text);

namespace detail {
template <typename T>
struct MemberOf;
template <typename Class, typename Member>
struct MemberOf<Member Class::*> {
  using class_type = Class;
  using member_type = Member;
};
template <typename T>
struct Unwrap { using type = T; };
template <typename T>
struct Unwrap<std::optional<T>> { using type = T; };
Result<int64_t> to_int(std::string_view text);
Result<uint64_t> to_uint(std::string_view text);
}  // namespace detail

// Apply functions for the usual member types: bool, integers, string, their optionals, and vector<string> (appends).
//     {'w', "workdir", Takes::Required, "string", "Working directory", store<&RunArgs::workdir>}
template <auto Member>
Result<> store(void* target, const Option&, std::optional<std::string_view> value) {
  using Class = typename detail::MemberOf<decltype(Member)>::class_type;
  using Type = typename detail::MemberOf<decltype(Member)>::member_type;
  using Plain = typename detail::Unwrap<Type>::type;
  Type& member = static_cast<Class*>(target)->*Member;
  std::string_view text = value.value_or("");
  if constexpr (std::is_same_v<Plain, bool>) member = !value || *value == "true";
  else if constexpr (std::is_same_v<Plain, std::string>) member = std::string(text);
  else if constexpr (std::is_same_v<Plain, std::vector<std::string>>) member.emplace_back(text);
  else if constexpr (std::is_unsigned_v<Plain>) member = static_cast<Plain>(TRY(detail::to_uint(text)));
  else member = static_cast<Plain>(TRY(detail::to_int(text)));
  return {};
}

// Accepts the option and drops it (deprecated or meaningless here).
Result<> ignore_option(void* target, const Option& option, std::optional<std::string_view> value);

}  // namespace hull::cli
