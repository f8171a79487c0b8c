#include "ns/pins.h"

#include <gtest/gtest.h>

namespace hull::ns {
namespace {

using kernel::NsKind;

TEST(Pins, ARecordComesBackAsItWasWritten) {
  PinSet set;
  set.created = "2026-01-02T03:04:05Z";
  set.boot_id = "b";
  set.source = "new";
  set.labels = {{"team", "net"}, {"empty", ""}};
  set.pins = {{NsKind::Uts, 7, 8, 9, "241:00ff"}, {NsKind::Net, UINT64_MAX, 0, 4026531837, ""}};
  set.holder = 42;
  set.holder_identity = "pidfs:99";
  auto back = pin_set_from_json(to_json(set));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->labels, set.labels);
  EXPECT_EQ(back->source, "new");
  EXPECT_EQ(back->holder, 42);
  EXPECT_EQ(back->holder_identity, "pidfs:99");
  ASSERT_NE(back->find(NsKind::Net), nullptr);
  EXPECT_EQ(back->find(NsKind::Net)->inode, UINT64_MAX);
  EXPECT_EQ(back->find(NsKind::Uts)->handle, "241:00ff");
  EXPECT_EQ(back->find(NsKind::Pid), nullptr);
}

TEST(Pins, ADamagedRecordIsSaidToBe) {
  for (const char* text : {"{}", "[]", R"({"pins":{"nonsense":{}}})", R"({"pins":7})"}) {
    auto v = json::parse(text, "test");
    ASSERT_TRUE(v);
    auto set = pin_set_from_json(*v);
    ASSERT_FALSE(set) << text;
    EXPECT_EQ(set.error().kind(), ErrorKind::Corrupt);
  }
}

TEST(Pins, NamesAreNeitherPathsNorTheStoresOwn) {
  for (const char* name : {"lab", "a", "9x_.-"}) EXPECT_TRUE(check_pin_name(name)) << name;
  for (const char* name : {"", ".x", "@id", "=db", "a/b", "..", "-x", "a b", "a\n", "host", "none", "123"}) EXPECT_FALSE(check_pin_name(name)) << name;
  EXPECT_FALSE(check_pin_name(std::string(65, 'a')));
}

}  // namespace
}  // namespace hull::ns
