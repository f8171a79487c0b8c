// Sizes, durations and commands as docker prints them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hull::cli {

std::string human_size(double bytes);              // "1.23kB", "5.6MB": decimal, four significant digits as docker's disk sizes
std::string human_duration(int64_t seconds);       // "Less than a second", "5 seconds", "About a minute", "3 weeks"
std::string go_quote(std::string_view text);       // "…" with Go's escapes
std::string truncate_text(std::string_view text, size_t columns);  // at most `columns` characters, the last one an ellipsis
std::string short_id(std::string_view id);         // twelve digits, without "sha256:"
size_t display_width(std::string_view text);       // columns on a terminal: code points, wide ones twice

}  // namespace hull::cli
