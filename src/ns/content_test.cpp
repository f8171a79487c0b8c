#include "ns/content.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/text.h"
#include "ns/inside.h"

namespace hull::ns {
namespace {

using Lines = std::vector<std::string>;

TEST(ProcessTree, PutsChildrenBelowTheirParentAndStrangersAtTheTop) {
  EXPECT_EQ(process_tree({{30, 10, "7", "late"}, {10, 2, "1", "init"}, {20, 10, "5", "early"}, {25, 20, "6", "below"}, {40, 3, "9", "entered"}}),
            (Lines{"1 (here 10) init", "  5 (here 20) early", "    6 (here 25) below", "  7 (here 30) late", "9 (here 40) entered"}));
  EXPECT_EQ(process_tree({{1, 1, "1", "own parent"}}), Lines{"1 (here 1) own parent"});
  EXPECT_TRUE(process_tree({}).empty());
}

TEST(SocketAddress, ReadsTheKernelsHexInBothFamilies) {
  EXPECT_EQ(socket_address("0100007F:1F90"), "127.0.0.1:8080");
  EXPECT_EQ(socket_address("00000000:0016"), "0.0.0.0:22");
  EXPECT_EQ(socket_address("00000000000000000000000001000000:0050"), "[::1]:80");
  EXPECT_EQ(socket_address("B80D0120000000000000000001000000:01BB"), "[2001:db8::1]:443");
  EXPECT_EQ(socket_address("local_address"), "local_address");
  EXPECT_EQ(socket_address("12:34"), "12:34");
  EXPECT_EQ(socket_address(""), "");
}

TEST(CgroupRoots, AreWhatTheTwoViewsDifferBy) {
  EXPECT_EQ(cgroup_roots("4:memory:/docker/a/b\n0::/docker/a\n", "4:memory:/b\n0::/\n"), (Lines{"memory: /docker/a", "unified: /docker/a"}));
  EXPECT_EQ(cgroup_roots("1:cpu:/\n", "1:cpu:/\n"), Lines{"cpu: /"});
  EXPECT_TRUE(cgroup_roots("0::/elsewhere\n", "0::/../elsewhere\n").empty());  // the process has left the root
  EXPECT_TRUE(cgroup_roots("1:cpu:/a\n", "2:pids:/a\n").empty());
  EXPECT_TRUE(cgroup_roots("garbage\n", "").empty());
}

TEST(MountLines, UndoEscapesAndDropWhatIsMalformed) {
  EXPECT_EQ(mount_lines("36 35 98:0 /m /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
                        "bad line\n1 2 3 - x\n37 35 0:5 / /proc rw - proc proc rw\n"),
            (Lines{"/mnt/a b ext3 /dev/root (rw,noatime)", "/proc proc proc (rw)"}));
  EXPECT_EQ(mount_lines("36 35 98:0 / /a\\033[1m rw - tmpfs none rw\n"), Lines{"/a\\x1b[1m tmpfs none (rw)"});
}

TEST(LookInside, LooksIntoOurOwnNamespaceWithoutEntering) {
  auto ns = kernel::open_ns(0, kernel::NsKind::Uts);
  ASSERT_TRUE(ns);
  auto names = namespace_content(*ns, kernel::NsKind::Uts, ::getpid());
  ASSERT_TRUE(names);
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  EXPECT_EQ(json::to_text(*json::find(*names, "hostname")), format("[\"{}\"]", name));
}

TEST(LookInside, FailsWhenTheLookDies) {
  auto ns = kernel::open_ns(0, kernel::NsKind::Uts);
  ASSERT_TRUE(ns);
  auto answer = look_inside(*ns, kernel::NsKind::Uts, [](const Fd&) -> json::value { ::_exit(9); });
  EXPECT_FALSE(answer);
}

}  // namespace
}  // namespace hull::ns
