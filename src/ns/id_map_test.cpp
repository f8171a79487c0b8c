#include "ns/id_map.h"

#include <gtest/gtest.h>

namespace hull::ns {
namespace {

TEST(IdRange, TakesTheNewAndTheOldOrder) {
  auto colons = parse_id_range("0:100000:65536"), commas = parse_id_range("100000,0,65536");
  ASSERT_TRUE(colons && commas);
  for (const IdRange& range : {*colons, *commas}) {
    EXPECT_EQ(range.inner, 0u);
    EXPECT_EQ(range.outer, 100000u);
    EXPECT_EQ(range.count, 65536u);
  }
  for (const char* text : {"", "1", "1:2", "1:2:3:4", "a:2:3", "1:-2:3", "1:2:4294967296", " 1:2:3", "1,2", "1,2:3"})
    EXPECT_FALSE(parse_id_range(text)) << text;
}

TEST(Subordinate, IsFoundByNameOrNumber) {
  const char* file = "# comment\nother:1:2\nann:100000:65536\nann:300000:5\n1000:200000:10\nbad:x:1\n";
  EXPECT_EQ(find_subordinate_range(file, "ann", 7)->outer, 100000u);
  EXPECT_EQ(find_subordinate_range(file, "nobody", 1000)->outer, 200000u);
  EXPECT_FALSE(find_subordinate_range(file, "bad", 8));
  EXPECT_FALSE(find_subordinate_range(file, "an", 8));
}

TEST(IdMap, MakesRoomForTheSingleId) {
  IdRange range{100000, 0, 1000};
  EXPECT_EQ(id_map_text({range}, std::nullopt), "0 100000 1000\n");
  // The inner id 0 goes to the caller: the range starts at 1 and loses its last id.
  EXPECT_EQ(id_map_text({range}, SingleId{1000, 0}), "0 1000 1\n1 100000 999\n");
  EXPECT_EQ(id_map_text({range}, SingleId{5, 10}), "10 5 1\n0 100000 10\n11 100010 989\n");
  // Outer id 0 lies in the range, inner id 5 does not: only the outer side moves.
  EXPECT_EQ(id_map_text({IdRange{0, 100, 50}}, SingleId{0, 5}), "5 0 1\n100 1 49\n");
  EXPECT_EQ(id_map_text({IdRange{0, 100, 50}}, SingleId{0, 120}), "120 0 1\n100 1 20\n121 21 29\n");
  EXPECT_EQ(id_map_text({IdRange{0, 0, 50}}, SingleId{0, 5}), "5 0 1\n0 1 5\n6 6 44\n");
  EXPECT_EQ(id_map_text({range}, SingleId{0, 2000}), "2000 0 1\n0 100000 1000\n");
}

TEST(IdMap, PassesTheWholeNamespaceThrough) {
  auto ranges = identity_ranges("         0          0 4294967295\n");
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(id_map_text(ranges, std::nullopt), "0 0 4294967295\n");
}

}  // namespace
}  // namespace hull::ns
