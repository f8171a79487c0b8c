#include "ns/snapshot.h"

#include <gtest/gtest.h>

#include "ns/scan_process.h"

namespace hull::ns {
namespace {

Process process(pid_t pid, uint64_t uts, uint64_t net) {
  Process made;
  made.pid = pid;
  made.inode[index_of(NsKind::Uts)] = uts;
  made.inode[index_of(NsKind::Net)] = net;
  return made;
}

TEST(Snapshot, GathersCountsAndLowestPid) {
  Snapshot snapshot;
  snapshot.processes = {process(3, 10, 20), process(5, 10, 21), process(9, 11, 0)};
  gather_namespaces(snapshot, kAllKinds);
  ASSERT_EQ(snapshot.namespaces.size(), 4u);
  EXPECT_EQ(snapshot.find(10)->processes, 2u);
  EXPECT_EQ(snapshot.find(10)->pid, 3);
  EXPECT_EQ(snapshot.find(21)->pid, 5);
  EXPECT_EQ(snapshot.find(11)->kind, NsKind::Uts);
  EXPECT_EQ(snapshot.find(0), nullptr);
  EXPECT_EQ(snapshot.process(4), nullptr);
}

TEST(Snapshot, GathersOnlyTheKindsAskedFor) {
  Snapshot snapshot;
  snapshot.processes = {process(3, 10, 20)};
  gather_namespaces(snapshot, mask_of(NsKind::Net));
  ASSERT_EQ(snapshot.namespaces.size(), 1u);
  EXPECT_EQ(snapshot.namespaces[0].inode, 20u);
}

TEST(Snapshot, KeepsTheOrderWhenAdding) {
  Snapshot snapshot;
  for (uint64_t inode : {30, 10, 20, 10}) snapshot.add(NsKind::Net, inode);
  ASSERT_EQ(snapshot.namespaces.size(), 3u);
  EXPECT_EQ(snapshot.namespaces[1].inode, 20u);
}

TEST(NsName, IsReadStrictly) {
  auto name = parse_ns_name("net:[4026531833]");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->kind, NsKind::Net);
  EXPECT_EQ(name->inode, 4026531833u);
  for (const char* text : {"", "net", "net:[]", "net:[0]", "net:[1", "net:[-1]", "foo:[1]", "net:[1]x", "/net:[1"})
    EXPECT_FALSE(parse_ns_name(text)) << text;
}

TEST(Path, FollowsTheStrongestHold) {
  Namespace space;
  space.kind = NsKind::Mnt;
  space.pid = 7;
  EXPECT_EQ(path_of(space), "/proc/7/ns/mnt");
  space.pid = 0;
  space.holder = 8;
  space.holder_number = 9;
  space.hold = Hold::Thread;
  EXPECT_EQ(path_of(space), "/proc/8/task/9/ns/mnt");
  space.hold = Hold::Descriptor;
  EXPECT_EQ(path_of(space), "/proc/8/fd/9");
  space.hold = Hold::Mount;
  space.mounts = {"/run/x"};
  EXPECT_EQ(path_of(space), "/run/x");
  space.hold = Hold::Relation;
  space.mounts.clear();
  EXPECT_EQ(path_of(space), "");
}

TEST(Chunk, SurvivesTheWayFromAHelper) {
  Chunk chunk;
  chunk.processes = {process(3, 10, 20), process(5, 11, 21)};
  chunk.processes[1].command = "sleep 3";
  chunk.processes[1].uid = 1000;
  chunk.held = {{NsKind::Net, Hold::Socket, 3, 4, 99}};
  std::string text = encode(chunk);
  auto back = decode(text);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->processes.size(), 2u);
  EXPECT_EQ(back->processes[1].command, "sleep 3");
  EXPECT_EQ(back->processes[1].inode, chunk.processes[1].inode);
  ASSERT_EQ(back->held.size(), 1u);
  EXPECT_EQ(back->held[0].inode, 99u);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    auto less = decode(std::string_view(text).substr(0, cut));
    EXPECT_TRUE(!less || less->held.empty()) << cut;
  }
}

}  // namespace
}  // namespace hull::ns
