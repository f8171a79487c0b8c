#include "ns/watch.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hull::ns {
namespace {

using What = Change::What;

Watcher::Inodes host_with(NsKind kind = NsKind::Net, uint64_t inode = 0) {
  Watcher::Inodes inodes{1, 2, 3, 4, 5, 6, 7, 8};
  if (inode != 0) inodes[index_of(kind)] = inode;
  return inodes;
}

class WatcherTest : public ::testing::Test {
 protected:
  void SetUp() override { watcher_.begin({Process{.pid = 1, .inode = host_with()}, Process{.pid = 2, .ppid = 1, .inode = host_with()}}); }
  // "created net 100 by 5" and so on, of what has been told since.
  std::vector<std::string> told() {
    std::vector<std::string> lines;
    for (const Change& change : changes_)
      lines.push_back(std::string(change_name(change.what)) + " " + kernel::ns_info(change.kind).name + " " + std::to_string(change.inode) + " " + std::to_string(change.pid));
    changes_.clear();
    return lines;
  }
  using Lines = std::vector<std::string>;
  bool gone_ = false;
  Watcher watcher_{[this](uint64_t) { return gone_; }};
  std::vector<Change> changes_;
};

TEST_F(WatcherTest, WhatIsInheritedIsNoNews) {
  watcher_.see(3, host_with(), 1, changes_);
  watcher_.end(3, changes_);
  EXPECT_EQ(told(), Lines{});
}

TEST_F(WatcherTest, MadeByAForkOrLater) {
  watcher_.see(3, host_with(NsKind::Net, 100), 1, changes_);
  EXPECT_EQ(told(), Lines{"created net 100 3"});
  watcher_.see(3, host_with(NsKind::Uts, 200), 1, changes_);
  Lines lines = told();
  std::sort(lines.begin(), lines.end());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "created uts 200 3");
  EXPECT_EQ(lines[1], "emptied net 100 3");
  EXPECT_TRUE(lines[2].starts_with("joined net ")) << lines[2];
}

TEST_F(WatcherTest, JoinedIsWhatAParentIsNotIn) {
  watcher_.see(3, host_with(NsKind::Net, 100), 1, changes_);
  watcher_.see(4, host_with(NsKind::Net, 100), 3, changes_);
  EXPECT_EQ(told(), Lines{"created net 100 3"});
  watcher_.see(5, host_with(NsKind::Net, 100), 1, changes_);
  EXPECT_EQ(told(), Lines{"joined net 100 5"});
}

TEST_F(WatcherTest, TheLastToLeaveEmptiesIt) {
  watcher_.see(3, host_with(NsKind::Net, 100), 1, changes_);
  watcher_.see(4, host_with(NsKind::Net, 100), 3, changes_);
  watcher_.end(3, changes_);
  EXPECT_EQ(told(), Lines{"created net 100 3"});
  watcher_.end(4, changes_);
  EXPECT_EQ(told(), Lines{"emptied net 100 4"});
  EXPECT_EQ(watcher_.empty().size(), 1u);
}

TEST_F(WatcherTest, ANumberThatComesAgainIsAnotherNamespace) {
  watcher_.see(3, host_with(NsKind::Net, 100), 1, changes_);
  watcher_.end(3, changes_);
  told();
  watcher_.see(4, host_with(NsKind::Net, 100), 1, changes_);
  EXPECT_EQ(told(), Lines{"joined net 100 4"}) << "something kept it";
  watcher_.end(4, changes_);
  told();
  gone_ = true;
  watcher_.see(5, host_with(NsKind::Net, 100), 1, changes_);
  EXPECT_EQ(told(), (Lines{"died net 100 0", "created net 100 5"}));
}

TEST_F(WatcherTest, AWholeLookFindsWhatNobodyTold) {
  watcher_.see_all({Process{.pid = 1, .inode = host_with()}, Process{.pid = 9, .ppid = 1, .inode = host_with(NsKind::Ipc, 300)}}, changes_);
  EXPECT_EQ(told(), Lines{"created ipc 300 9"});
  watcher_.see_all({Process{.pid = 1, .inode = host_with()}}, changes_);
  EXPECT_EQ(told(), Lines{"emptied ipc 300 9"});
}

TEST_F(WatcherTest, AProcessThatCannotBeReadIsNoNews) {
  watcher_.see(3, Watcher::Inodes{}, 1, changes_);
  EXPECT_EQ(told(), Lines{});
}

TEST_F(WatcherTest, WhatOnlyTheKernelListsIsKnownAndJoinedLater) {
  EXPECT_TRUE(watcher_.list(NsKind::Net, 100));
  EXPECT_FALSE(watcher_.list(NsKind::Net, 100));
  EXPECT_FALSE(watcher_.list(NsKind::Net, host_with()[index_of(NsKind::Net)]));
  watcher_.see(2, host_with(NsKind::Net, 100), 1, changes_);
  EXPECT_EQ(told(), (Lines{"joined net 100 2"}));
}

}  // namespace
}  // namespace hull::ns
