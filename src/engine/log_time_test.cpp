#include "engine/log_time.h"

#include <gtest/gtest.h>

namespace hull::engine {
namespace {

void expect_time(std::string_view text, time_t seconds, long nanoseconds) {
  auto time = parse_log_time(text, {1000000, 500});
  ASSERT_TRUE(time) << text;
  EXPECT_EQ(time->tv_sec, seconds) << text;
  EXPECT_EQ(time->tv_nsec, nanoseconds) << text;
}

TEST(LogTime, TakesRfc3339) {
  expect_time("2026-11-23T16:09:07.12Z", 1795450147, 120000000);
  expect_time("2026-11-23T18:09:07+02:00", 1795450147, 0);
  expect_time("2026-11-23T16:09", 1795450140, 0);
  expect_time("2026-11-23", 1795392000, 0);
}

TEST(LogTime, TakesUnixTimesAndDurations) {
  expect_time("1795450147.5", 1795450147, 500000000);
  expect_time("0", 0, 0);
  expect_time("10m", 1000000 - 600, 500);
  expect_time("1h30m", 1000000 - 5400, 500);
  expect_time("1.5h", 1000000 - 5400, 500);
}

TEST(LogTime, RefusesTheRest) {
  for (const char* bad : {"", "yesterday", "2026-13-01", "2026-11-23T25:00:00Z", "10x", "1h-", "2026-11-23T16:09:07.Z"})
    EXPECT_FALSE(parse_log_time(bad, {0, 0})) << bad;
}

}  // namespace
}  // namespace hull::engine
