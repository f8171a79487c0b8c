// The shim's pure parts and its log. The program is freestanding; its sources are taken in here as they are.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "shim/escape.cpp"
#include "shim/log.cpp"
#include "shim/text.cpp"

namespace {

using namespace hull;
using namespace std::string_literals;

std::string escaped(const std::string& bytes) {
  std::string out(bytes.size() * 6 + 1, '\0');
  out.resize(shim::escape_json(bytes.data(), bytes.size(), out.data()));
  return out;
}

TEST(ShimEscape, WritesWhatDockersEncoderWrites) {
  EXPECT_EQ(escaped("plain text"), "plain text");
  EXPECT_EQ(escaped("\"\\\n\r\t\b\x01\x1f\x7f"s), "\\\"\\\\\\n\\r\\u0009\\u0008\\u0001\\u001f\x7f");
  EXPECT_EQ(escaped("<a href='x'>&"), "\\u003ca href='x'\\u003e\\u0026");
  EXPECT_EQ(escaped("\0"s), "\\u0000");
  EXPECT_EQ(escaped("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(escaped("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
}

TEST(ShimEscape, ReplacesEachInvalidByte) {
  const char* invalid[] = {"\xff", "\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82"};
  for (const char* bytes : invalid) {
    std::string expected;
    for (size_t i = 0; i < std::strlen(bytes); ++i) expected += "\\ufffd";
    EXPECT_EQ(escaped(bytes), expected);
  }
}

TEST(ShimEscape, GivesValidJsonForAnyBytes) {
  unsigned state = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    for (int i = 0; i < 100; ++i) bytes += static_cast<char>((state = state * 1103515245 + 12345) >> 16);
    EXPECT_TRUE(json::parse("{\"log\":\"" + escaped(bytes) + "\"}", "record")) << round;
  }
}

std::string time_text(time_t seconds, long nanoseconds) {
  char buffer[64];
  shim::Text text(buffer, sizeof buffer);
  text.add_time({seconds, nanoseconds});
  return std::string(text.data(), text.size());
}

TEST(ShimText, WritesTimesAsGoDoes) {
  EXPECT_EQ(time_text(0, 0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(951782400, 5), "2000-02-29T00:00:00.000000005Z");
  EXPECT_EQ(time_text(1795450147, 120000000), "2026-11-23T16:09:07.12Z");
  EXPECT_EQ(time_text(4107542399, 999999999), "2100-02-28T23:59:59.999999999Z");
}

TEST(ShimText, ReadsOnlyWholeNumbers) {
  int64_t value = -1;
  EXPECT_TRUE(shim::parse_number("1024", &value));
  EXPECT_EQ(value, 1024);
  for (const char* bad : {"", "-1", "1x", " 1", "99999999999999999999"}) EXPECT_FALSE(shim::parse_number(bad, &value)) << bad;
}

TEST(ShimText, DropsWhatDoesNotFit) {
  char buffer[8];
  shim::Text text(buffer, sizeof buffer);
  text.add("12345").add("678901").add_number(77);
  EXPECT_EQ(std::string(text.data(), text.size()), "12345678");
  EXPECT_STREQ(text.c_str(), "1234567");
}

class ShimLog : public testing::Test {
 protected:
  ShimLog() {
    char pattern[] = "/tmp/hull-shim-test-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    fd_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY);
  }
  ~ShimLog() override {
    ::close(fd_);
    (void)remove_tree(directory_);
  }
  std::vector<std::string> logs(const std::string& name = "x.log") {
    std::vector<std::string> out;
    std::string text = read_file(directory_ + "/" + name).value_or("");
    for (std::string_view line : split_lines(text)) {
      auto record = json::parse(line, "log");
      EXPECT_TRUE(record) << line.substr(0, 200);
      if (record) out.push_back(std::string(json::get_string(*record, "stream")) + ":" + std::string(json::get_string(*record, "log")));
    }
    return out;
  }
  std::string directory_;
  int fd_;
  shim::Log log_;
};

TEST_F(ShimLog, HoldsALineBackUntilItEnds) {
  ASSERT_TRUE(log_.open(fd_, "x.log", 0, 1));
  log_.write(0, "one\ntw", 6);
  log_.write(1, "err\n", 4);
  log_.write(0, "o\nrest", 6);
  EXPECT_EQ(logs(), (std::vector<std::string>{"stdout:one\n", "stderr:err\n", "stdout:two\n"}));
  log_.finish(0);
  EXPECT_EQ(logs().back(), "stdout:rest");
}

TEST_F(ShimLog, CutsLinesAt16KiB) {
  ASSERT_TRUE(log_.open(fd_, "x.log", 0, 1));
  std::string line = std::string(shim::kMaxLine, 'a') + "bc\n";
  log_.write(0, line.data(), line.size());
  auto records = logs();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0], "stdout:" + std::string(shim::kMaxLine, 'a'));
  EXPECT_EQ(records[1], "stdout:bc\n");
}

TEST_F(ShimLog, KeepsCharactersWholeInLongLines) {
  ASSERT_TRUE(log_.open(fd_, "x.log", 0, 1));
  std::string line;
  for (int i = 0; i < 2000; ++i) line += "\xe2\x82\xac";
  log_.write(0, (line + "\n").data(), line.size() + 1);
  EXPECT_EQ(logs().front(), "stdout:" + line + "\n");
}

TEST_F(ShimLog, RotatesBySizeAndKeepsSoManyFiles) {
  ASSERT_TRUE(log_.open(fd_, "x.log", 1000, 3));
  for (int i = 0; i < 100; ++i) {
    std::string line = "line " + std::to_string(i) + "\n";
    log_.write(0, line.data(), line.size());
  }
  EXPECT_TRUE(path_exists(directory_ + "/x.log.1"));
  EXPECT_TRUE(path_exists(directory_ + "/x.log.2"));
  EXPECT_FALSE(path_exists(directory_ + "/x.log.3"));
  EXPECT_LE(read_file(directory_ + "/x.log.1")->size(), 1100u);
  auto newest = logs("x.log.1");
  ASSERT_FALSE(newest.empty());
  EXPECT_TRUE(logs().empty() ? newest.back() == "stdout:line 99\n" : logs().back() == "stdout:line 99\n");
}

TEST_F(ShimLog, RefusesALinkInItsPlace) {
  ASSERT_EQ(::symlink("/etc/hostname", (directory_ + "/x.log").c_str()), 0);
  EXPECT_FALSE(log_.open(fd_, "x.log", 0, 1));
}

}  // namespace
