#include "base/json.h"

#include <gtest/gtest.h>

namespace hull::json {

TEST(JsonParse, RefusesDuplicateKeysDeepNestingAndTrailingText) {
  EXPECT_TRUE(parse(R"({"a":{"b":1},"c":{"b":2}})", "t"));
  auto duplicate = parse(R"({"a":1,"a":2})", "config.json");
  ASSERT_FALSE(duplicate);
  EXPECT_NE(duplicate.error().text().find("config.json: the key \"a\""), std::string::npos);
  EXPECT_FALSE(parse(std::string(100, '[') + std::string(100, ']'), "t"));
  EXPECT_FALSE(parse("{} x", "t"));
  EXPECT_FALSE(parse("", "t"));
}

TEST(JsonParse, RefusesNumbersThatAreInfinite) {
  EXPECT_FALSE(parse("6E8899", "x"));
  EXPECT_FALSE(parse("[-1e400]", "x"));
  EXPECT_TRUE(parse("[1e300]", "x"));
}

TEST(JsonPretty, IndentsAsDockerInspectDoes) {
  EXPECT_EQ(to_pretty_text(*parse(R"([{"a":[],"b":[1]}])", "t")),
            "[\n    {\n        \"a\": [],\n        \"b\": [\n            1\n        ]\n    }\n]");
}

}  // namespace hull::json
