#include "base/text.h"

#include <gtest/gtest.h>

namespace hull {

TEST(ParseRanges, ReadsListsOfTheKernel) {
  auto ranges = parse_ranges("0-3,6", 7);
  ASSERT_TRUE(ranges);
  ASSERT_EQ(ranges->size(), 2u);
  EXPECT_EQ((*ranges)[0].last, 3u);
  EXPECT_EQ((*ranges)[1].first, 6u);
  EXPECT_EQ((*ranges)[1].last, 6u);
  for (const char* bad : {"", ",", "1,", "3-1", "0-1-2", "-1", "1-", "0-8", "a", " 1"}) EXPECT_FALSE(parse_ranges(bad, 7)) << bad;
}

TEST(ParseUint, TakesWholeDecimalNumbersInRangeOnly) {
  EXPECT_EQ(parse_uint("42"), 42u);
  for (const char* bad : {"", "+1", "-1", " 1", "1 ", "0x0", "1:2", "18446744073709551616", "１"})
    EXPECT_FALSE(parse_uint(bad)) << bad;
  EXPECT_FALSE(parse_uint("5", 0, 4));
}

TEST(ParseBytes, ReadsDockersMemoryUnits) {
  EXPECT_EQ(parse_bytes("512"), 512u);
  EXPECT_EQ(parse_bytes("64m"), 64u << 20);
  EXPECT_EQ(parse_bytes("1.5GiB"), 3u << 29);
  EXPECT_EQ(parse_bytes("10KB"), 10240u);
  for (const char* bad : {"", "m", "1x", "1mm", "-1", "1e9x", "99999999999p"}) EXPECT_FALSE(parse_bytes(bad)) << bad;
}

TEST(ShellQuote, QuotesOnlyWhatTheShellWouldChange) {
  EXPECT_EQ(shell_quote("a/b-c=1"), "a/b-c=1");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote(""), "''");
}

TEST(EscapeControls, ShowsWhatATerminalWouldObey) {
  EXPECT_EQ(escape_controls("a\033[31m\n"), "a\\x1b[31m\\n");
  EXPECT_EQ(escape_controls("\xe2\x80\xae""evil"), "\\xe2\\x80\\xaeevil");
  EXPECT_EQ(escape_controls("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");  // whole characters
  EXPECT_EQ(escape_controls("a\xa4z\xff\xc3"), "a\\xa4z\\xff\\xc3");
  EXPECT_EQ(escape_controls("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80"), "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");  // overlong, a surrogate, too high
}

}  // namespace hull
