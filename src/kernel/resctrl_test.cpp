// The rules of linux.intelRdt on a directory that plays the file system: its maker fills what is made, as the kernel does.
#include "kernel/resctrl.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"

namespace hull::kernel {
namespace {

class Resctrl : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/hull-resctrl-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    fill(top_);
  }
  void TearDown() override { (void)remove_tree(top_); }

  static void fill(const std::string& directory) {
    ::mkdir((directory + "/mon_groups").c_str(), 0755);
    put(directory + "/schemata", "    MB:0=100;1=100\n    L3:0=000ff;1=000ff\n");
    put(directory + "/tasks", "");
  }
  static void put(const std::string& path, std::string_view text) { ASSERT_TRUE(replace_file(path, text, Durability::Volatile, 0644)); }
  static std::string get(const std::string& path) { return read_file(path).value_or("(none)"); }

  Result<RdtClass> claim(const oci::IntelRdt& rdt) {
    return claim_rdt(top_, rdt, "c1", [](const std::string& path) -> Result<> {
      TRY(make_one_directory(path));
      if (path.find("/mon_groups/") == std::string::npos) fill(path);
      else put(path + "/tasks", "");
      return {};
    });
  }
  // rmdir(2) of a class takes its files along; here they are in its way.
  static void empty(const std::string& directory) {
    for (const char* name : {"schemata", "tasks"}) ::unlink((directory + "/" + name).c_str());
    ::rmdir((directory + "/mon_groups").c_str());
  }

  std::string top_;
};

TEST_F(Resctrl, AContainerHasAClassOfItsOwnThatGoesWithIt) {
  oci::IntelRdt rdt;
  rdt.l3_cache_schema = "L3:0=f;1=f0\nMB:0=10";
  rdt.mem_bw_schema = "MB:0=50;1=50";
  rdt.enable_monitoring = true;
  auto claimed = claim(rdt);
  ASSERT_TRUE(claimed) << claimed.error().text();
  EXPECT_EQ(claimed->directory, top_ + "/c1");
  EXPECT_EQ(claimed->monitor, top_ + "/c1/mon_groups/c1");
  EXPECT_TRUE(claimed->made);
  EXPECT_TRUE(get(top_ + "/c1/schemata").starts_with("MB:0=50;1=50\n")) << "the last line is written last, each at the file's beginning";
  ASSERT_TRUE(enter_rdt(*claimed, 4711));
  EXPECT_EQ(get(top_ + "/c1/tasks"), "4711\n");
  EXPECT_EQ(get(claimed->monitor + "/tasks"), "4711\n");
  empty(claimed->monitor);
  ASSERT_EQ(::rmdir(claimed->monitor.c_str()), 0);
  empty(claimed->directory);
  EXPECT_TRUE(release_rdt(*claimed));
  EXPECT_FALSE(path_exists(top_ + "/c1"));
  EXPECT_TRUE(release_rdt(*claimed)) << "a second time";
}

TEST_F(Resctrl, AClassThatIsThereIsUsedAsItIs) {
  ASSERT_TRUE(make_one_directory(top_ + "/gold"));
  fill(top_ + "/gold");
  oci::IntelRdt rdt;
  rdt.clos_id = "gold";
  auto claimed = claim(rdt);
  ASSERT_TRUE(claimed) << claimed.error().text();
  EXPECT_FALSE(claimed->made);
  rdt.l3_cache_schema = "L3:0=ff;1=00FF";  // what it has, written otherwise
  EXPECT_TRUE(claim(rdt));
  rdt.l3_cache_schema = "L3:0=ff;1=f";
  auto other = claim(rdt);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind(), ErrorKind::Conflict);
  EXPECT_NE(other.error().text().find("L3:0=ff;1=f"), std::string::npos) << other.error().text();
  rdt.l3_cache_schema.clear();
  rdt.schemata = {"L2:0=f"};
  EXPECT_FALSE(claim(rdt)) << "a resource that it has not";
  EXPECT_TRUE(release_rdt(*claimed));
  EXPECT_TRUE(path_exists(top_ + "/gold"));
}

TEST_F(Resctrl, AClassThatIsMissingIsMadeOnlyWithSchemata) {
  oci::IntelRdt rdt;
  rdt.clos_id = "silver";
  auto claimed = claim(rdt);
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().kind(), ErrorKind::NotFound);
  EXPECT_FALSE(path_exists(top_ + "/silver"));
  rdt.schemata = {"L3:0=3"};
  claimed = claim(rdt);
  ASSERT_TRUE(claimed) << claimed.error().text();
  EXPECT_TRUE(claimed->made);
  rdt.clos_id = "/";
  rdt.schemata.clear();
  claimed = claim(rdt);
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->directory, top_);
  EXPECT_FALSE(claimed->made) << "the default class";
}

TEST_F(Resctrl, ASchemaThatIsRefusedLeavesNothing) {
  oci::IntelRdt rdt;
  rdt.schemata = {"L3:0=3"};
  auto claimed = claim_rdt(top_, rdt, "c1", make_one_directory);  // without its files, nothing can be written
  ASSERT_FALSE(claimed);
  EXPECT_FALSE(path_exists(top_ + "/c1"));
}

TEST_F(Resctrl, ChangesAreForThoseWhoHaveAClass) {
  EXPECT_FALSE(change_rdt({}, {"L3:0=f"}));
  RdtClass rdt{top_, "", false};
  EXPECT_TRUE(change_rdt(rdt, {"L3:0=f"}));
}

TEST(ResctrlMount, IsFoundInMountinfo) {
  EXPECT_EQ(resctrl_mount_point("25 1 0:22 / /proc rw - proc proc rw\n99 25 0:40 / /sys/fs/res\\040ctrl rw,relatime - resctrl resctrl rw\n"), "/sys/fs/res ctrl");
  EXPECT_EQ(resctrl_mount_point("25 1 0:22 / /resctrl rw - tmpfs resctrl rw\nnonsense - resctrl x\n"), std::nullopt);
}

}  // namespace
}  // namespace hull::kernel
