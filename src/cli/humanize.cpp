#include "cli/humanize.h"

#include "base/text.h"

namespace hull::cli {

std::string human_size(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  while (bytes >= 1000.0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000.0;
    ++unit;
  }
  return format("{:.3g}{}", bytes, kUnits[unit]);
}

std::string human_duration(int64_t seconds) {
  int64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return format("{} seconds", seconds);
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return format("{} minutes", minutes);
  if (hours == 1) return "About an hour";
  if (hours < 48) return format("{} hours", hours);
  if (hours < 24 * 7 * 2) return format("{} days", hours / 24);
  if (hours < 24 * 30 * 2) return format("{} weeks", hours / 24 / 7);
  if (hours < 24 * 365 * 2) return format("{} months", hours / 24 / 30);
  return format("{} years", hours / 24 / 365);
}

std::string go_quote(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') quoted.append({'\\', c});
    else if (c == '\n') quoted += "\\n";
    else if (c == '\t') quoted += "\\t";
    else if (c == '\r') quoted += "\\r";
    else if (byte < 0x20 || byte == 0x7f) quoted += format("\\x{:02x}", byte);
    else quoted.push_back(c);
  }
  return quoted + "\"";
}

// The bytes of the UTF-8 character at the front of `text`; one for a malformed byte.
static size_t character_size(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return size <= text.size() ? size : 1;
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    size_t size = character_size(text);
    auto lead = static_cast<unsigned char>(text[0]), second = static_cast<unsigned char>(size > 1 ? text[1] : 0);
    // East Asian wide characters and emoji, roughly: U+3000..U+9FFF, U+AC00..U+D7FF, U+F900.., U+1F300...
    bool wide = (size == 3 && ((lead >= 0xe3 && lead <= 0xe9) || (lead >= 0xea && lead <= 0xed && second >= 0xb0))) || (size == 4 && lead == 0xf0 && second >= 0x9f);
    width += wide ? 2 : 1;
    text.remove_prefix(size);
  }
  return width;
}

std::string truncate_text(std::string_view text, size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  std::string kept;
  size_t width = 0;
  while (!text.empty()) {
    size_t size = character_size(text);
    width += display_width(text.substr(0, size));
    if (width > columns - 1) break;
    kept.append(text.substr(0, size));
    text.remove_prefix(size);
  }
  return kept + "…";
}

std::string short_id(std::string_view id) {
  if (id.starts_with("sha256:")) id.remove_prefix(7);
  return std::string(id.substr(0, 12));
}

}  // namespace hull::cli
