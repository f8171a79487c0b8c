#include "cli/smart_table.h"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

SmartTable sample() {
  SmartTable table{"things", {{.name = "ID", .right = true, .number = true}, {.name = "NAME", .tree = true, .truncate = true}, {"X"}}, {}, true};
  table.lines = {{{"1", "root", std::nullopt}, -1}, {{"20", "a", "x"}, 0}, {{"3", "b b", "y"}, 0}, {{"4", "deep\x1b", ""}, 1}};
  return table;
}

TEST(SmartTable, DrawsTheTree) {
  EXPECT_EQ(print_smart_table(sample(), {0, true}),
            "ID NAME         X\n"
            " 1 root         \n"
            "20 ├─a          x\n"
            " 4 │ └─deep\\x1b \n"
            " 3 └─b b        y\n");
  EXPECT_EQ(print_smart_table(sample(), {0, false}).substr(35, 22), "20 |-a          x\n 4 |");
}

TEST(SmartTable, CutsOnlyWhatMayBeCut) {
  EXPECT_EQ(print_smart_table(sample(), {12, true}),
            "ID NAME    X\n"
            " 1 root    \n"
            "20 ├─a     x\n"
            " 4 │ └─dee \n"
            " 3 └─b b   y\n");
}

TEST(SmartTable, SplitsCellsIntoLines) {
  SmartTable table{"t", {{.name = "A", .wrap = true}, {"B"}}, {{{"1\n2", "x\ny"}, -1}}, false};
  EXPECT_EQ(print_smart_table(table, {}), "1 x\\x0ay\n2 \n");
}

TEST(SmartTable, TakesTheHintWhenCellsFillTheHeading) {
  auto width_with = [](const char* cell) {
    SmartTable table{"t", {{.name = "PID", .hint = 5, .right = true}}, {{{cell}, -1}}, false};
    return print_smart_table(table, {}).size() - 1;
  };
  EXPECT_EQ(width_with("12"), 3u);
  EXPECT_EQ(width_with("123"), 5u);
  EXPECT_EQ(width_with("123456"), 6u);
}

TEST(SmartTable, IsEmptyWithoutLines) {
  SmartTable table{"t", {{"A"}}, {}, true};
  EXPECT_EQ(print_smart_table(table, {}), "");
  EXPECT_EQ(print_smart_raw(table, {}), "");
  EXPECT_EQ(print_smart_json(table), "{\n   \"t\": [\n\n   ]\n}\n");
}

TEST(SmartTable, EncodesRawWords) {
  EXPECT_EQ(print_smart_raw(sample(), {0, false}), "ID NAME X\n1 root \n20 |-a x\n4 |\\x20`-deep\\x1b \n3 `-b\\x20b y\n");
}

TEST(SmartTable, NestsJson) {
  SmartTable table{"t", {{.name = "ID", .right = true, .number = true}, {.name = "N", .tree = true}}, {{{"1", "a\"b"}, -1}, {{"2", std::nullopt}, 0}, {{"3", "c"}, -1}}, true};
  EXPECT_EQ(print_smart_json(table),
            "{\n   \"t\": [\n      {\n         \"id\": 1,\n         \"n\": \"a\\\"b\",\n         \"children\": [\n            {\n"
            "               \"id\": 2,\n               \"n\": null\n            }\n         ]\n      },{\n         \"id\": 3,\n"
            "         \"n\": \"c\"\n      }\n   ]\n}\n");
}

}  // namespace
}  // namespace hull::cli
