#include "kernel/namespaces.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hull::kernel {
namespace {

TEST(Namespaces, TheKernelsListHasOurOwnAndEachOpensByItsId) {
  auto listed = list_namespaces();
  if (!listed) {
    EXPECT_EQ(listed.error().kind(), ErrorKind::Unsupported) << listed.error().text();
    GTEST_SKIP() << "no listns in this kernel; since Linux 6.19";
  }
  for (const NsInfo& info : kNamespaces) {
    auto own = open_ns(0, info.kind);
    ASSERT_TRUE(own);
    auto identity = identify_ns(*own);
    ASSERT_TRUE(identity);
    EXPECT_TRUE(std::any_of(listed->begin(), listed->end(), [&](const ListedNs& one) { return one.kind == info.kind && one.id == identity->id; })) << info.name;
    auto again = open_ns_by_id(info.kind, identity->id, 0);
    ASSERT_TRUE(again) << info.name;
    EXPECT_EQ(identify_ns(*again)->inode, identity->inode);
  }
}

TEST(Namespaces, OurOwnOpenByIdAndInode) {
  for (const NsInfo& info : kNamespaces) {
    auto own = open_ns(0, info.kind);
    ASSERT_TRUE(own);
    auto identity = identify_ns(*own);
    ASSERT_TRUE(identity);
    if (!ns_handle(*own)) GTEST_SKIP() << "no file handles of namespaces in this kernel; since Linux 6.18";
    auto again = open_ns_by_id(info.kind, identity->id, identity->inode);
    ASSERT_TRUE(again) << info.name << ": " << again.error().text();
    EXPECT_EQ(identify_ns(*again)->inode, identity->inode);
  }
}

TEST(Namespaces, TheHostsFirstOnesHaveFixedInodes) {
  EXPECT_TRUE(is_host_ns(NsKind::Uts, 0xEFFFFFFE));
  EXPECT_TRUE(is_host_ns(NsKind::Net, host_ns_inode(NsKind::Net)));
  EXPECT_FALSE(is_host_ns(NsKind::Net, 1));
}

}  // namespace
}  // namespace hull::kernel
