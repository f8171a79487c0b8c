// Time: durations as Go's programs, and so docker and runc, take them; a clock for deadlines; a pause.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hull {

// "5s", "1h30m", "1.5s", "200ms", "-3us", "0": nanoseconds. Nothing for what is none, or beyond 64 bits.
std::optional<int64_t> parse_duration(std::string_view text);

int64_t monotonic_ms();  // CLOCK_MONOTONIC
void sleep_ms(int milliseconds);

}  // namespace hull
