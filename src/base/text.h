// Text: formatting (fmt, instantiated in one translation unit), strict numbers, splitting, quoting, escaping.
#pragma once

#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull {

std::string vformat(fmt::string_view pattern, fmt::format_args args);
template <typename... Args>
std::string format(fmt::format_string<Args...> pattern, Args&&... args) {
  return ::hull::vformat(pattern, fmt::make_format_args(args...));
}

// Decimal digits only, whole string, within [min, max]; no sign, space or prefix (SECURITY N1).
std::optional<uint64_t> parse_uint(std::string_view text, uint64_t min = 0, uint64_t max = UINT64_MAX);
// As parse_uint with an optional leading '-'.
std::optional<int64_t> parse_int(std::string_view text, int64_t min = INT64_MIN, int64_t max = INT64_MAX);
struct NumberRange { uint64_t first, last; };  // both included
// "0-3,6", as the kernel writes CPUs and memory nodes, each at most `most`; none where it is no such list.
std::optional<std::vector<NumberRange>> parse_ranges(std::string_view list, uint64_t most);
// "64m", "1.5GiB", "512": bytes, binary multiples, as docker's -m takes them (b k m g t p, any case, optional iB/b).
std::optional<uint64_t> parse_bytes(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);         // keeps empty pieces
std::vector<std::string_view> split_words(std::string_view text);              // on runs of space and tab
std::vector<std::string_view> split_lines(std::string_view text);              // no trailing empty line
std::string join(const std::vector<std::string>& pieces, std::string_view separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

// What a POSIX shell reads back as this one word; bare if it needs no quotes.
std::string shell_quote(std::string_view word);
std::string shell_quote(const std::vector<std::string>& words);
// Control characters, DEL, bidi controls and what is no UTF-8 made visible (\n, \x1b, …), for terminals and JSON (SECURITY M2).
std::string escape_controls(std::string_view text);
// Undoes the \040-style octal escapes of mountinfo and fstab.
std::string unescape_octal(std::string_view text);

std::string to_hex(const unsigned char* data, size_t size);
// 32 random bytes from the kernel as 64 hex digits: a container id.
std::string random_id();
std::string now_rfc3339();  // UTC, nanoseconds, Go's RFC3339Nano

}  // namespace hull
