#include "ns/compare.h"

#include <gtest/gtest.h>

namespace hull::ns {
namespace {

using Lines = std::vector<std::string>;

Difference compare(std::string_view a, std::string_view b) {
  return compare_contents(*json::parse(a, "a"), *json::parse(b, "b"));
}

TEST(CompareContents, SaysWhatEachSideHasAlone) {
  Difference difference = compare(R"({"links": ["lo up", "v0 up"], "routes": []})", R"({"links": ["lo up"], "routes": ["default via 10.0.0.1"]})");
  EXPECT_EQ(difference.only_a, Lines{"links: v0 up"});
  EXPECT_EQ(difference.only_b, Lines{"routes: default via 10.0.0.1"});
}

TEST(CompareContents, OrderIsNoDifference) {
  EXPECT_TRUE(compare(R"({"links": ["a", "b"]})", R"({"links": ["b", "a"]})").none());
  EXPECT_TRUE(compare("{}", "{}").none());
}

TEST(CompareContents, AListThatOneSideLacksIsEmptyThere) {
  EXPECT_EQ(compare(R"({"hostname": ["inside"]})", "{}").only_a, Lines{"hostname: inside"});
  EXPECT_TRUE(compare(R"({"hostname": []})", "{}").none());
}

TEST(CompareContents, ALineThatStandsTwiceDiffersOnce) {
  EXPECT_EQ(compare(R"({"mounts": ["/a tmpfs", "/a tmpfs"]})", R"({"mounts": ["/a tmpfs"]})").only_a, Lines{"mounts: /a tmpfs"});
}

TEST(CompareContents, OfSettingsOnlyWhatBothHaveIsCompared) {
  Difference difference = compare(R"({"sysctls": ["net.a = 1", "net.b = 2", "net.conf.eth0.x = 1"]})", R"({"sysctls": ["net.a = 1", "net.b = 3"]})");
  EXPECT_EQ(difference.only_a, Lines{"sysctls: net.b = 2"});
  EXPECT_EQ(difference.only_b, Lines{"sysctls: net.b = 3"});
}

TEST(CompareContents, CapabilitiesOfOneSetStandOnOneLine) {
  Difference difference = compare(R"({"capabilities effective": ["CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN"]})", R"({"capabilities effective": ["CAP_KILL"]})");
  EXPECT_EQ(difference.only_a, Lines{"capabilities effective: CAP_CHOWN CAP_SYS_ADMIN"});
  EXPECT_TRUE(difference.only_b.empty());
}

TEST(CompareContents, ACgroupOfSeveralHierarchiesStandsOnce) {
  EXPECT_EQ(compare(R"({"groups": ["0::/a", "1:cpu,cpuacct:/a", "2:memory:/b"]})", R"({"groups": ["0::/"]})").only_a, (Lines{"groups: /a", "groups: /b"}));
}

TEST(CompareContents, WhatIsNoListIsNothing) {
  EXPECT_TRUE(compare(R"({"links": 3, "x": [1]})", R"([])").none());
}

}  // namespace
}  // namespace hull::ns
