// Points in time as `logs --since` takes them and as json-file logs hold them. Pure.
#pragma once

#include <time.h>

#include <optional>
#include <string_view>

#include "base/result.h"

namespace hull::engine {

// "2026-01-02T03:04:05.6Z", with an offset, without a zone (UTC), without a time.
std::optional<timespec> parse_rfc3339(std::string_view text);
// As above, or a Unix time ("1767323045", "1767323045.5"), or a duration before `now` ("10m", "1h30m", "1.5h").
// Invalid with docker's words.
Result<timespec> parse_log_time(std::string_view text, timespec now);

inline bool before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace hull::engine
