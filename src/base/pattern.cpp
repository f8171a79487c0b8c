#include "base/pattern.h"

#include "base/text.h"

namespace hull {

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Behind the set that begins at `at`: "[^]a[:digit:]]".
static size_t end_of_set(std::string_view text, size_t at) {
  ++at;
  if (at < text.size() && text[at] == '^') ++at;
  for (bool first = true; at < text.size(); ++at, first = false) {
    if (text[at] == ']' && !first) return at + 1;
    if (text[at] != '[' || at + 1 >= text.size() || std::string_view(":.=").find(text[at + 1]) == std::string_view::npos) continue;
    size_t end = text.find(std::string{text[at + 1], ']'}, at + 2);
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  return text.size();
}

// musl takes "\1" for the digit, which would fit something else than was meant, and gives one error for all of "{…}".
static Result<> check_supported(const std::string& text) {
  constexpr uint64_t kMostRepetitions = 255;
  bool in_braces = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (i + 1 < text.size() && is_digit(text[i + 1]) && text[i + 1] != '0')
        return fail(ErrorKind::Unsupported, format("\"{}\": back references (\\{}) are not supported in regular expressions", escape_controls(text), text[i + 1]));
      ++i;
    } else if (text[i] == '[') {
      i = end_of_set(text, i) - 1;
    } else if (text[i] == '{' || text[i] == '}') {
      in_braces = text[i] == '{';
    } else if (in_braces && is_digit(text[i])) {
      size_t end = i;
      while (end < text.size() && is_digit(text[end])) ++end;
      if (!parse_uint(std::string_view(text).substr(i, end - i), 0, kMostRepetitions))
        return fail(ErrorKind::Unsupported, format("\"{}\": at most {} repetitions in a regular expression", escape_controls(text), kMostRepetitions));
      i = end - 1;
    }
  }
  return {};
}

Result<Pattern> Pattern::compile(const std::string& text) {
  TRY(check_supported(text));
  auto compiled = std::make_unique<regex_t>();
  if (int error = ::regcomp(compiled.get(), text.c_str(), REG_EXTENDED | REG_NOSUB); error != 0) {
    char why[128];
    ::regerror(error, compiled.get(), why, sizeof why);
    return fail(ErrorKind::Invalid, format("\"{}\" is no regular expression: {}", escape_controls(text), why));
  }
  Pattern pattern;
  pattern.compiled_.reset(compiled.release());
  return pattern;
}

}  // namespace hull
