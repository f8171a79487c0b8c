#include "engine/terminal.h"

#include <gtest/gtest.h>

#include <csignal>

namespace hull::engine {
namespace {

TEST(DetachKeys, DefaultIsCtrlPCtrlQ) {
  auto keys = DetachKeys::parse("");
  ASSERT_TRUE(keys);
  std::string out;
  EXPECT_FALSE(keys->feed("ls\x10", out));
  EXPECT_EQ(out, "ls");  // the first key is held back
  EXPECT_TRUE(keys->feed("\x11", out));
  EXPECT_EQ(out, "ls");
}

TEST(DetachKeys, PassesOnWhatIsNoSequence) {
  auto keys = DetachKeys::parse("ctrl-p,ctrl-q");
  std::string out;
  EXPECT_FALSE(keys->feed("a\x10" "b\x10\x10", out));
  EXPECT_EQ(out, "a\x10" "b\x10");
  EXPECT_TRUE(keys->feed("\x11", out));
}

TEST(DetachKeys, TakesLettersAndSingleKeys) {
  auto keys = DetachKeys::parse("ctrl-a,x");
  ASSERT_TRUE(keys);
  std::string out;
  EXPECT_TRUE(keys->feed("\x01x", out));
  auto one = DetachKeys::parse("ctrl-]");
  ASSERT_TRUE(one);
  EXPECT_TRUE(one->feed("a\x1d", out));
}

TEST(DetachKeys, RefusesUnknownNames) {
  for (const char* bad : {"ctrl-", "ctrl-1", "alt-x", "ctrl-p,,x", "xy"}) EXPECT_FALSE(DetachKeys::parse(bad)) << bad;
}

TEST(ParseSignal, KnowsNamesNumbersAndRealTime) {
  EXPECT_EQ(parse_signal("TERM").value_or(0), SIGTERM);
  EXPECT_EQ(parse_signal("sigkill").value_or(0), SIGKILL);
  EXPECT_EQ(parse_signal("9").value_or(0), 9);
  EXPECT_EQ(parse_signal("SIGWINCH").value_or(0), SIGWINCH);
  EXPECT_EQ(parse_signal("RTMIN+3").value_or(0), 37);
  EXPECT_EQ(parse_signal("RTMAX").value_or(0), 64);
  for (const char* bad : {"", "0", "65", "-1", "FOO", "SIG", "RTMIN+31", "RTMIN-1"}) EXPECT_FALSE(parse_signal(bad)) << bad;
}

}  // namespace
}  // namespace hull::engine
