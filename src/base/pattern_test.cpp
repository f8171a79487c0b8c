#include "base/pattern.h"

#include <gtest/gtest.h>

namespace hull {
namespace {

TEST(Pattern, FitsAndIsRefusedWithItsCause) {
  EXPECT_TRUE(Pattern::compile("^web[0-9]{1,3}$")->matches("web12"));
  EXPECT_FALSE(Pattern::compile("^web[0-9]{1,3}$")->matches("web1234"));
  EXPECT_TRUE(Pattern::compile("a\\\\1")->matches("a\\1"));
  for (const char* text : {"[{]300", "[]{]300", "[^]a]300", "[[:punct:]{]300", "[\\1{]300"}) {
    auto pattern = Pattern::compile(text);
    ASSERT_TRUE(pattern) << text << ": " << pattern.error().text();
    EXPECT_TRUE(pattern->matches("x{300")) << text;
  }
  for (const char* text : {"(", "a{2", "[a", "a{2,1}"}) {
    auto refused = Pattern::compile(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().kind(), ErrorKind::Invalid) << text;
    EXPECT_NE(refused.error().text().find("is no regular expression: "), std::string::npos);
  }
  for (const char* text : {"^(n)\\1$", "a{1,300}", "a{256}", "a{99999999999999999999}"}) {
    auto refused = Pattern::compile(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().kind(), ErrorKind::Unsupported) << text;
  }
}

}  // namespace
}  // namespace hull
