#include "cli/lsns_filter.h"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

bool matches(const char* expression) {
  LsnsRequest request;
  ns::Snapshot snapshot;
  ns::Process process;
  process.pid = 12;
  process.command = "sleep 3";
  process.inode[ns::index_of(ns::NsKind::Net)] = 100;
  snapshot.processes = {process};
  ns::gather_namespaces(snapshot, ns::kAllKinds);
  LsnsContext context{request, snapshot, {}};
  auto filter = LsnsFilter::parse(expression);
  return filter && filter->matches(context, snapshot.namespaces[0]);
}

TEST(LsnsFilter, ComparesNumbersAndText) {
  for (const char* yes : {"", "NS == 100", "NS > 99 and NPROCS <= 1", "TYPE == \"net\"", "TYPE != 'uts' && !(PID < 5)",
                          "COMMAND =~ \"^sl.*3$\"", "COMMAND !~ \"x\"", "NS == 5 or PID eq 12", "not PID == 1", "PID", "ns gt 9"})
    EXPECT_TRUE(matches(yes)) << yes;
  for (const char* no : {"NS == 10", "TYPE == \"uts\"", "PID < 12", "NS == 100 and NPROCS > 1", "PNS", "COMMAND =~ \"(\""})
    EXPECT_FALSE(matches(no)) << no;
}

TEST(LsnsFilter, RefusesWhatIsNoExpression) {
  for (const char* bad : {"FOO", "NS ==", "NS == 1)", "(NS == 1", "NS == \"x", "and", "NS 5", "== 1", "NS = 1"})
    EXPECT_FALSE(LsnsFilter::parse(bad)) << bad;
  EXPECT_FALSE(LsnsFilter::parse(std::string(10000, '(')));
  EXPECT_FALSE(LsnsFilter::parse(std::string(10000, '!') + "NS"));
}

TEST(LsnsColumns, AreChosenByName) {
  LsnsRequest request;
  EXPECT_EQ(choose_lsns_columns(request)->size(), 6u);
  request.output = "+pns,ONS";
  EXPECT_EQ(choose_lsns_columns(request)->size(), 8u);
  request.output = "NS";
  EXPECT_EQ(choose_lsns_columns(request)->size(), 1u);
  request.kinds = ns::mask_of(ns::NsKind::Net);
  request.output.reset();
  EXPECT_EQ(choose_lsns_columns(request)->size(), 8u);
  request.output = "NS,FOO";
  EXPECT_EQ(choose_lsns_columns(request).error().text(), "unknown column: FOO");
}

}  // namespace
}  // namespace hull::cli
