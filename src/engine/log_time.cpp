#include "engine/log_time.h"

#include "base/duration.h"
#include "base/text.h"

namespace hull::engine {
namespace {

constexpr long kNano = 1000000000;

// Takes `digits` digits off the front.
std::optional<int> take(std::string_view& text, size_t digits) {
  auto number = text.size() >= digits ? parse_uint(text.substr(0, digits)) : std::nullopt;
  if (!number) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<int>(*number);
}

bool skip(std::string_view& text, char expected) {
  if (text.empty() || text[0] != expected) return false;
  text.remove_prefix(1);
  return true;
}

// ".123": nanoseconds; zero when there is none.
std::optional<long> take_fraction(std::string_view& text) {
  if (!skip(text, '.')) return 0;
  long value = 0;
  int digits = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++digits)
    if (digits < 9) value = value * 10 + (text[0] - '0');
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

// "Z", "+02:00" or nothing: seconds east of UTC.
std::optional<int> take_zone(std::string_view text) {
  if (text.empty() || text == "Z") return 0;
  int sign = text[0] == '-' ? -1 : text[0] == '+' ? 1 : 0;
  if (sign == 0) return std::nullopt;
  text.remove_prefix(1);
  auto hours = take(text, 2);
  if (!hours || !skip(text, ':')) return std::nullopt;
  auto minutes = take(text, 2);
  if (!minutes || !text.empty()) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<timespec> parse_unix(std::string_view text) {
  auto seconds = parse_uint(text.substr(0, text.find('.')), 0, INT64_MAX);
  std::string_view rest = text.find('.') == std::string_view::npos ? "" : text.substr(text.find('.'));
  auto fraction = take_fraction(rest);
  if (!seconds || !fraction || !rest.empty()) return std::nullopt;
  return timespec{static_cast<time_t>(*seconds), *fraction};
}

}  // namespace

std::optional<timespec> parse_rfc3339(std::string_view text) {
  tm utc{};
  auto year = take(text, 4);
  if (!year || !skip(text, '-')) return std::nullopt;
  auto month = take(text, 2);
  if (!month || !skip(text, '-')) return std::nullopt;
  auto day = take(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  utc.tm_year = *year - 1900, utc.tm_mon = *month - 1, utc.tm_mday = *day;
  if (text.empty()) return timespec{::timegm(&utc), 0};
  if (!skip(text, 'T')) return std::nullopt;
  auto hour = take(text, 2);
  if (!hour || !skip(text, ':')) return std::nullopt;
  auto minute = take(text, 2);
  int second = 0;
  if (skip(text, ':')) {
    auto taken = take(text, 2);
    if (!taken) return std::nullopt;
    second = *taken;
  }
  if (!minute || *hour > 23 || *minute > 59 || second > 60) return std::nullopt;
  auto fraction = take_fraction(text);
  auto zone = take_zone(text);
  if (!fraction || !zone) return std::nullopt;
  utc.tm_hour = *hour, utc.tm_min = *minute, utc.tm_sec = second;
  return timespec{::timegm(&utc) - *zone, *fraction};
}

Result<timespec> parse_log_time(std::string_view text, timespec now) {
  if (auto time = parse_unix(text)) return *time;
  if (auto time = parse_rfc3339(text)) return *time;
  if (auto duration = parse_duration(text)) {
    int64_t total = now.tv_sec * kNano + now.tv_nsec - *duration;
    return timespec{static_cast<time_t>(total / kNano), static_cast<long>(total % kNano)};
  }
  return fail(ErrorKind::Invalid, format("failed to parse value as time or duration: \"{}\"", escape_controls(text)));
}

}  // namespace hull::engine
