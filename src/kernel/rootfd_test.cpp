// RootFd keeps every path inside its root, by openat2 and by the component walk that stands in for it.
#include "kernel/rootfd.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace hull::kernel {
namespace {

// BASE/root is the root; BASE/secret must never be reached.
class RootFdTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rootfd-XXXXXX";
    base_ = ::mkdtemp(name);
    ASSERT_TRUE(make_directories(base_ + "/root/a/b", 0755));
    ASSERT_TRUE(replace_file(base_ + "/secret", "secret", Durability::Volatile));
    ASSERT_TRUE(replace_file(base_ + "/root/a/file", "inside", Durability::Volatile));
    for (auto [target, link] : {std::pair("../../../../../secret", "up"), std::pair("/a/file", "absolute"), std::pair("a", "dir"),
                                std::pair("loop2", "loop1"), std::pair("loop1", "loop2"), std::pair("/nowhere", "dangling"),
                                std::pair("/proc/self/root", "magic"), std::pair("..", "parent")})
      ASSERT_EQ(::symlink(target, (base_ + "/root/" + link).c_str()), 0);
    RootFd::force_component_walk(GetParam());
  }
  void TearDown() override {
    RootFd::force_component_walk(false);
    EXPECT_TRUE(remove_tree(base_));
  }
  RootFd root() { return std::move(*RootFd::open_root(base_ + "/root")); }
  std::string read(std::string_view path) {
    Result<Fd> fd = root().open(path, O_RDONLY);
    return fd ? read_all(*fd).value_or("?") : "error " + std::to_string(fd.error().errno_value());
  }
  std::string base_;
};

INSTANTIATE_TEST_SUITE_P(Ways, RootFdTest, ::testing::Bool(), [](const auto& way) { return way.param ? "Walk" : "Openat2"; });

TEST_P(RootFdTest, FollowsLinksInsideOnly) {
  EXPECT_EQ(read("a/file"), "inside");
  EXPECT_EQ(read("/a/file"), "inside");
  EXPECT_EQ(read("absolute"), "inside");
  EXPECT_EQ(read("dir/file"), "inside");
  EXPECT_EQ(read("dir/../a/./file"), "inside");
  EXPECT_EQ(read("parent/parent/a/file"), "inside") << "\"..\" stops at the top";
  for (const char* path : {"../secret", "up", "a/../../secret", "/../secret", "parent/secret", "a/b/../../../secret", "magic/etc/passwd"})
    EXPECT_EQ(read(path), "error " + std::to_string(ENOENT)) << path;
  EXPECT_EQ(read("loop1"), "error " + std::to_string(ELOOP));
  EXPECT_EQ(read("a/file/"), "error " + std::to_string(ENOTDIR)) << "a trailing slash wants a directory (CVE-2026-39822)";
}

TEST_P(RootFdTest, CreatesWithoutFollowingTheLastName) {
  EXPECT_TRUE(root().create("a/new", 0600));
  for (const char* path : {"a/new", "dangling", "up", "absolute"}) {
    Result<Fd> fd = root().create(path, 0600);
    ASSERT_FALSE(fd) << path;
    EXPECT_EQ(fd.error().kind(), ErrorKind::Exists) << path;
  }
  for (const char* path : {"", "/", ".", "..", "a/..", "a/.", "a/"}) EXPECT_FALSE(root().create(path, 0600)) << path;
  EXPECT_FALSE(path_exists(base_ + "/nowhere"));
}

TEST_P(RootFdTest, MakesDirectoriesInside) {
  EXPECT_TRUE(root().mkdir_p("dir/x/y", 0755));
  EXPECT_TRUE(path_exists(base_ + "/root/a/x/y"));
  EXPECT_TRUE(root().mkdir_p("../../z", 0755));
  EXPECT_TRUE(path_exists(base_ + "/root/z"));
  EXPECT_FALSE(path_exists(base_ + "/z"));
  EXPECT_FALSE(root().mkdir_p("dangling/x", 0755));
  EXPECT_FALSE(root().mkdir_p("a/file/x", 0755));
}

TEST_P(RootFdTest, LinksUnlinksAndReadsInPlace) {
  EXPECT_TRUE(root().symlink("/etc", "a/s"));
  EXPECT_EQ(*root().readlink("a/s"), "/etc");
  EXPECT_TRUE(root().link("up", "a/hard"));
  EXPECT_EQ(*root().readlink("a/hard"), "../../../../../secret") << "the link itself is linked";
  EXPECT_TRUE(S_ISLNK(root().stat("up")->st_mode));
  EXPECT_TRUE(root().unlink("up"));
  EXPECT_TRUE(root().unlink("a/b"));
  EXPECT_FALSE(root().unlink("a"));
  EXPECT_FALSE(root().unlink("a/.."));
  EXPECT_EQ(*read_file(base_ + "/secret"), "secret");
}

TEST_P(RootFdTest, ReadsOnlyPlainFilesOfBoundedSize) {
  EXPECT_EQ(*root().read_untrusted_file("absolute", 100), "inside");
  EXPECT_FALSE(root().read_untrusted_file("a/file", 3));
  EXPECT_FALSE(root().read_untrusted_file("a", 100));
  ASSERT_EQ(::mkfifo((base_ + "/root/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(root().read_untrusted_file("pipe", 100)) << "and it does not wait";
}

}  // namespace
}  // namespace hull::kernel
