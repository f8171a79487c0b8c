#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace hull {
namespace {

std::string scratch_directory() {
  char path[] = "/tmp/hull-fd-test-XXXXXX";
  return ::mkdtemp(path);
}

// Directories in one another, each with a file beside the next.
void make_deep(const std::string& top, int levels) {
  Fd dir(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < levels; ++i) {
    ASSERT_EQ(::mkdirat(dir.get(), "d", 0700), 0);
    Fd file(::openat(dir.get(), "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(file);
    dir = Fd(::openat(dir.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(dir);
  }
}

TEST(RemoveTree, NeedsFewDescriptorsHoweverDeepTheTreeIs) {
  std::string top = scratch_directory();
  make_deep(top, 3000);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = {256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  Result<> removed = remove_tree(top);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(removed) << (removed ? "" : removed.error().text());
  EXPECT_FALSE(path_exists(top));
}

TEST(RemoveTree, LeavesWhatALinkInItPointsTo) {
  std::string top = scratch_directory(), outside = scratch_directory();
  make_deep(outside, 1);
  ASSERT_EQ(::symlink(outside.c_str(), (top + "/link").c_str()), 0);
  ASSERT_TRUE(remove_tree(top));
  EXPECT_FALSE(path_exists(top));
  EXPECT_TRUE(path_exists(outside + "/d"));
  ASSERT_TRUE(remove_tree(outside));
}

TEST(RemoveTree, RemovesHundredsOfEntriesInOneDirectory) {
  std::string top = scratch_directory();
  for (int i = 0; i < 700; ++i) ASSERT_EQ(::mkdir((top + "/a-rather-long-name-" + std::to_string(i)).c_str(), 0700), 0);
  ASSERT_TRUE(remove_tree(top));
  EXPECT_FALSE(path_exists(top));
}

TEST(RemoveTree, IsContentWithNothing) { EXPECT_TRUE(remove_tree("/tmp/hull-fd-test-none")); }

}  // namespace
}  // namespace hull
