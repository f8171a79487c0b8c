#include "engine/names.h"

#include <gtest/gtest.h>

#include <string>

namespace hull::engine {
namespace {

TEST(Names, ValidAsDockerSays) {
  for (const char* name : {"db", "web-1", "A0", "a_b.c-d", "00"}) EXPECT_TRUE(is_valid_name(name)) << name;
  for (const char* name : {"", "a", "-a", "_ab", ".ab", "a b", "a/b", "/ab", "ab\n", "ä1", "a:b"})
    EXPECT_FALSE(is_valid_name(name)) << name;
  EXPECT_TRUE(is_valid_name(std::string(255, 'a')));
  EXPECT_FALSE(is_valid_name(std::string(256, 'a')));
  EXPECT_EQ(check_name("a b").error().text(), "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

TEST(Names, GeneratedNamesAreValidAndNeverBoringWozniak) {
  for (int i = 0; i < 2000; ++i) {
    std::string name = generate_name();
    ASSERT_TRUE(is_valid_name(name)) << name;
    ASSERT_NE(name, "boring_wozniak");
    ASSERT_EQ(name.find_first_of("0123456789"), name.npos);
  }
  std::string retried = generate_name(1);
  EXPECT_TRUE(retried.back() >= '0' && retried.back() <= '9');
}

TEST(Names, IdPrefix) {
  std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  EXPECT_TRUE(id_has_prefix(id, "0"));
  EXPECT_TRUE(id_has_prefix(id, id));
  EXPECT_FALSE(id_has_prefix(id, ""));
  EXPECT_FALSE(id_has_prefix(id, "1"));
  EXPECT_FALSE(id_has_prefix(id, id + "0"));
  EXPECT_FALSE(id_has_prefix(id, "0123X"));
  EXPECT_EQ(short_id(id), "0123456789ab");
}

}  // namespace
}  // namespace hull::engine
