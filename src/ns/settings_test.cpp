#include "ns/settings.h"

#include <gtest/gtest.h>

namespace hull::ns {
namespace {

TEST(StatusFacts, NamesCapabilitiesAndSeccomp) {
  json::value facts = status_facts("Name:\tsh\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000021\nCapAmb:\t0000000000000000\n"
                                   "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n");
  EXPECT_EQ(json::to_text(*json::find(facts, "capabilities effective")), R"(["CAP_CHOWN","CAP_KILL"])");
  EXPECT_EQ(json::to_text(*json::find(facts, "capabilities ambient")), "[]");
  EXPECT_EQ(json::to_text(*json::find(facts, "seccomp")), R"(["filter, 3 of them"])");
  EXPECT_EQ(json::to_text(*json::find(facts, "no_new_privs")), R"(["yes"])");
  EXPECT_EQ(json::to_text(*json::find(facts, "user")), R"(["1000"])");
}

TEST(StatusFacts, TakesAnything) {
  EXPECT_TRUE(status_facts("").empty());
  EXPECT_TRUE(status_facts("CapEff:\nSeccomp:").empty());
  EXPECT_EQ(json::to_text(json::value(status_facts("CapEff: zz"))), R"({"capabilities effective":[]})");
}

TEST(LimitLines, AreNameSoftHard) {
  EXPECT_EQ(json::to_text(json::value(limit_lines("Limit                     Soft Limit           Hard Limit           Units     \n"
                                                  "Max open files            1024                 524288               files     \n"
                                                  "Max nice priority         0                    0                    \nshort\n"))),
            R"(["Max open files = 1024 524288","Max nice priority = 0 0"])");
}

}  // namespace
}  // namespace hull::ns
