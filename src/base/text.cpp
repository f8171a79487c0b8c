#include "base/text.h"

// The one translation unit that instantiates fmt: Debian ships no static libfmt.
#include <fmt/format-inl.h>
#include <sys/random.h>
#include <time.h>

#include <cctype>
#include <chrono>
#include <cmath>

FMT_BEGIN_NAMESPACE
namespace detail {
template FMT_API auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;
template FMT_API void buffer<char>::append(const char*, const char*);
template FMT_API void vformat_to(buffer<char>&, string_view, basic_format_args<FMT_BUFFER_CONTEXT(char)>, locale_ref);
}  // namespace detail
FMT_END_NAMESPACE

namespace hull {

std::string vformat(fmt::string_view pattern, fmt::format_args args) { return fmt::vformat(pattern, args); }

template <typename Number>
static std::optional<Number> parse_number(std::string_view text, Number min, Number max) {
  Number value{};
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < min || value > max) return std::nullopt;
  return value;
}

std::optional<uint64_t> parse_uint(std::string_view text, uint64_t min, uint64_t max) {
  return parse_number<uint64_t>(text, min, max);
}

std::optional<int64_t> parse_int(std::string_view text, int64_t min, int64_t max) {
  return parse_number<int64_t>(text, min, max);
}

std::optional<std::vector<NumberRange>> parse_ranges(std::string_view list, uint64_t most) {
  std::vector<NumberRange> ranges;
  for (const std::string& range : split(list, ',')) {
    size_t dash = range.find('-');
    auto first = parse_uint(std::string_view(range).substr(0, dash), 0, most);
    auto last = dash == std::string::npos ? first : parse_uint(std::string_view(range).substr(dash + 1), 0, most);
    if (!first || !last || *first > *last) return std::nullopt;
    ranges.push_back({*first, *last});
  }
  return ranges;
}

std::optional<uint64_t> parse_bytes(std::string_view text) {
  size_t digits = text.find_first_not_of("0123456789.");
  std::string unit = to_lower(trim(text.substr(std::min(digits, text.size()))));
  double value{};
  std::string_view number = text.substr(0, digits);
  auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (number.empty() || code != std::errc() || end != number.data() + number.size()) return std::nullopt;
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  if (unit.size() == 2 && unit[1] == 'i') unit.pop_back();
  static constexpr std::string_view kUnits = "kmgtp";
  if (unit.size() > 1) return std::nullopt;
  size_t power = 0;
  if (!unit.empty()) {
    power = kUnits.find(unit[0]);
    if (power == std::string_view::npos) return std::nullopt;
    ++power;
  }
  double bytes = std::ldexp(value, static_cast<int>(10 * power));
  if (!(bytes < 9.2e18)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  for (;;) {
    size_t at = text.find(separator);
    pieces.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string join(const std::vector<std::string>& pieces, std::string_view separator) {
  std::string text;
  for (const std::string& piece : pieces) {
    if (&piece != &pieces.front()) text.append(separator);
    text.append(piece);
  }
  return text;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

std::string shell_quote(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_^";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string quoted = "'";
  for (char c : word) {
    if (c == '\'') quoted.append("'\\''");
    else quoted.push_back(c);
  }
  return quoted + "'";
}

std::string shell_quote(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line.append(line.empty() ? "" : " ").append(shell_quote(word));
  return line;
}

// U+200E, U+200F, U+202A..202E and U+2066..2069 reorder what a terminal shows.
static bool is_bidi_control(std::string_view text, size_t at) {
  if (at + 2 >= text.size() || text[at] != '\xe2') return false;
  auto second = static_cast<unsigned char>(text[at + 1]);
  auto third = static_cast<unsigned char>(text[at + 2]);
  return (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xaa && third <= 0xae))) ||
         (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

// Of the UTF-8 character that begins at `at`; 0 where none does. utf-8(7), without surrogates and what is written longer than needed.
static size_t character_size(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  size_t size = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  bool cut = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  for (size_t i = 1; i < size; ++i) cut |= (byte(i) & 0xc0) != 0x80;
  return cut ? 0 : size;
}

std::string escape_controls(std::string_view text) {
  std::string safe;
  for (size_t i = 0; i < text.size();) {
    auto byte = static_cast<unsigned char>(text[i]);
    size_t size = character_size(text, i);
    bool c1 = size == 2 && byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    bool control = size == 0 || byte < 0x20 || byte == 0x7f || c1 || is_bidi_control(text, i);
    size = std::max<size_t>(size, 1);
    if (byte == '\n') safe.append("\\n");
    else if (byte == '\t') safe.append("\\t");
    else if (!control) safe.append(text.substr(i, size));
    else for (size_t k = i; k < i + size; ++k) safe.append(format("\\x{:02x}", static_cast<unsigned char>(text[k])));
    i += size;
  }
  return safe;
}

std::string unescape_octal(std::string_view text) {
  std::string plain;
  auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) && is_octal(text[i + 3])) {
      plain.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

std::string to_hex(const unsigned char* data, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(size * 2);
  for (size_t i = 0; i < size; ++i) {
    hex.push_back(kDigits[data[i] >> 4]);
    hex.push_back(kDigits[data[i] & 15]);
  }
  return hex;
}

std::string random_id() {
  unsigned char bytes[32];
  size_t filled = 0;
  while (filled < sizeof bytes) {
    ssize_t got = ::getrandom(bytes + filled, sizeof bytes - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
  }
  return to_hex(bytes, sizeof bytes);
}

// Not by gmtime_r, which reads the time zone's file first.
std::string now_rfc3339() {
  using namespace std::chrono;
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  sys_seconds time{seconds{now.tv_sec}};
  year_month_day date{floor<days>(time)};
  hh_mm_ss clock{time - floor<days>(time)};
  std::string fraction = now.tv_nsec == 0 ? "" : format(".{:09}", now.tv_nsec);
  if (!fraction.empty()) fraction.erase(fraction.find_last_not_of('0') + 1);
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count(), fraction);
}

}  // namespace hull
