#include "base/duration.h"

#include <gtest/gtest.h>

namespace hull {
namespace {

constexpr int64_t kSecond = 1000000000;

TEST(Duration, IsAsGoTakesIt) {
  EXPECT_EQ(parse_duration("5s"), 5 * kSecond);
  EXPECT_EQ(parse_duration("1h30m"), 5400 * kSecond);
  EXPECT_EQ(parse_duration("1.5s"), kSecond * 3 / 2);
  EXPECT_EQ(parse_duration(".5s"), kSecond / 2);
  EXPECT_EQ(parse_duration("1.s"), kSecond);
  EXPECT_EQ(parse_duration("200ms"), kSecond / 5);
  EXPECT_EQ(parse_duration("1s500ms3us7ns"), kSecond * 3 / 2 + 3007);
  EXPECT_EQ(parse_duration("2\xc2\xb5s"), 2000);
  EXPECT_EQ(parse_duration("-1m"), -60 * kSecond);
  EXPECT_EQ(parse_duration("+1m"), 60 * kSecond);
  EXPECT_EQ(parse_duration("0"), 0);
  EXPECT_EQ(parse_duration("1.0000000001s"), kSecond);
}

TEST(Duration, OfWhatIsNoneThereIsNone) {
  for (const char* text : {"", "5", "s", ".s", "-", "5 s", "5x", "5s5", "1h ", "1d", "--5s", "5S", "9223372036854775808ns", "2562048h", "2562047h60m"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

}  // namespace
}  // namespace hull
