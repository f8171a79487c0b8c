#include "cli/table.h"

#include <gtest/gtest.h>

#include "cli/humanize.h"

namespace hull::cli {
namespace {

constexpr Column kColumns[] = {{"ID", "CONTAINER ID"}, {"Image", "IMAGE"}, {"Names", "NAMES"}};

std::vector<json::value> rows() {
  return {json::object{{"ID", "0123456789ab"}, {"Image", "nginx:alpine"}, {"Names", "web"}},
          json::object{{"ID", "ba9876543210"}, {"Image", "redis"}, {"Names", "db\033[31m"}}};
}

std::string list(std::string_view format, bool quiet = false) {
  auto text = format_list(rows(), kColumns, {format, quiet, "ID", "table {{.ID}}\t{{.Image}}\t{{.Names}}"});
  return text ? *text : text.error().text();
}

TEST(FormatList, PrintsDockersTableAndEscapesControls) {
  EXPECT_EQ(list(""),
            "CONTAINER ID   IMAGE          NAMES\n0123456789ab   nginx:alpine   web\nba9876543210   redis          db\\x1b[31m\n");
}

TEST(FormatList, TemplatesTablesJsonAndQuiet) {
  EXPECT_EQ(list("{{.Names}}"), "web\ndb\\x1b[31m\n");
  EXPECT_EQ(list("table {{.Names}}\\t{{upper .Image}}"), "NAMES        IMAGE\nweb          NGINX:ALPINE\ndb\\x1b[31m   REDIS\n");
  EXPECT_EQ(list("json").substr(0, 23), "{\"ID\":\"0123456789ab\",\"I");
  EXPECT_EQ(list("", true), "0123456789ab\nba9876543210\n");
  EXPECT_NE(list("{{.Nope}}").find("map has no entry for key \"Nope\""), std::string::npos);
}

TEST(Humanize, DurationsAsDocker) {
  const std::pair<int64_t, const char*> cases[] = {{0, "Less than a second"}, {1, "1 second"}, {59, "59 seconds"}, {60, "About a minute"},
      {119, "About a minute"}, {180, "3 minutes"}, {3600, "About an hour"}, {7200, "2 hours"}, {86400 * 2, "2 days"},
      {86400 * 13, "13 days"}, {86400 * 14, "2 weeks"}, {86400 * 150, "5 months"}, {86400 * 365 * 3, "3 years"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(human_duration(seconds), text) << seconds;
}

TEST(Humanize, SizesQuotesAndCuts) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(999), "999B");
  EXPECT_EQ(human_size(1234567), "1.23MB");
  EXPECT_EQ(human_size(4.26e6), "4.26MB");
  EXPECT_EQ(go_quote("sh -c \"x\"\n"), "\"sh -c \\\"x\\\"\\n\"");
  EXPECT_EQ(truncate_text("\"docker-entrypoint.s…\"", 30), "\"docker-entrypoint.s…\"");
  EXPECT_EQ(truncate_text("abcdefghij", 5), "abcd…");
  EXPECT_EQ(truncate_text("日本語テキスト", 5), "日本…");
  EXPECT_EQ(short_id("sha256:0123456789abcdef"), "0123456789ab");
}

}  // namespace
}  // namespace hull::cli
