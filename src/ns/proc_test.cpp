#include "ns/proc.h"

#include <gtest/gtest.h>

#include <vector>

namespace hull::ns {
namespace {

const std::string kTail = " S 41 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 12345 0 0";

TEST(ProcStat, CountsFieldsFromTheLastParenthesis) {
  std::string text = "42 (a) b (c) \n) " + kTail.substr(1);
  auto stat = parse_proc_stat(text);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->comm, "a) b (c) \n");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->ppid, 41);
  EXPECT_EQ(stat->threads, 3u);
  EXPECT_EQ(stat->start_ticks, 12345u);
}

TEST(ProcStat, RefusesWhatIsCutOrForeign) {
  for (const std::string& text : std::vector<std::string>{"", "42", "42 (x", "(x) S 1", "42 (x)", "42 (x) S", "-1 (x)" + kTail, "42 (x) S -3 1 1 0 -1 4 1 0 0 0 0 0 0 0 20 0 3 0 5"})
    EXPECT_FALSE(parse_proc_stat(text)) << text;
}

}  // namespace
}  // namespace hull::ns
