#include "kernel/cgroup.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hull::kernel {

constexpr std::string_view kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children\n"
    "34 31 0:37 / /sys/fs/cgroup/my\\040systemd rw - cgroup cgroup rw,xattr,release_agent=/x/y,name=systemd\n"
    "35 31 0:31 / /mnt/again rw - cgroup cgroup rw,cpuset\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(CgroupLayout, ReadsTheHierarchiesOfAHybridHost) {
  CgroupLayout layout = parse_cgroup_layout(kHybrid);
  EXPECT_EQ(layout.mode(), CgroupMode::Hybrid);
  ASSERT_EQ(layout.v1.size(), 3u);
  EXPECT_EQ(layout.v1[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(layout.v1[1].mount_point, "/sys/fs/cgroup/cpuset");
  EXPECT_EQ(layout.v1[2].mount_point, "/sys/fs/cgroup/my systemd");
  EXPECT_EQ(layout.v1[2].controllers, std::vector<std::string>{"name=systemd"});
  EXPECT_EQ(layout.v2->mount_point, "/sys/fs/cgroup/unified");
}

TEST(CgroupLayout, TellsTheModesApart) {
  EXPECT_EQ(parse_cgroup_layout("").mode(), CgroupMode::None);
  EXPECT_EQ(parse_cgroup_layout("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 none rw").mode(), CgroupMode::V2);
  EXPECT_EQ(parse_cgroup_layout("32 31 0:29 / /c rw - cgroup cgroup rw,cpu").mode(), CgroupMode::V1);
  // Only systemd's own tree is v1: controllers are on v2.
  EXPECT_EQ(parse_cgroup_layout("1 2 0:2 / /s rw - cgroup x rw,name=systemd\n3 4 0:3 / /u rw - cgroup2 x rw").mode(),
            CgroupMode::V2);
  for (const char* broken : {"x - cgroup", " - cgroup2 a b", "1 2 3 - cgroup cgroup", "- - - - - - cgroup"})
    EXPECT_EQ(parse_cgroup_layout(broken).mode(), CgroupMode::None) << broken;
}

TEST(CgroupLayout, IsGuessedFromAProcesssOwnGroups) {
  std::optional<CgroupLayout> layout = guess_cgroup_layout("9:name=systemd:/x\n1:cpu,cpuacct:/\n0::/\n");
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->mode(), CgroupMode::Hybrid);
  EXPECT_EQ(layout->v1[0].mount_point, "/sys/fs/cgroup/systemd");
  EXPECT_EQ(layout->v1[1].mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout->v1[1].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(layout->v2->mount_point, "/sys/fs/cgroup/unified");
  EXPECT_EQ(guess_cgroup_layout("0::/")->v2->mount_point, "/sys/fs/cgroup");
  EXPECT_FALSE(guess_cgroup_layout("garbage"));
}

TEST(CgroupLayout, OfThisHostIsTheSameByBothWays) {
  Result<CgroupLayout> found = discover_cgroups();
  ASSERT_TRUE(found);
  CgroupLayout full = parse_cgroup_layout(*read_file("/proc/self/mountinfo"));
  EXPECT_EQ(found->mode(), full.mode());
  EXPECT_EQ(found->v1.size(), full.v1.size());
}

TEST(CgroupPath, IsAbsoluteAndOfPlainNames) {
  EXPECT_TRUE(check_cgroup_path("/hull/abc"));
  for (const char* bad : {"", "/", "hull", "/hull/", "//hull", "/hull/..", "/../hull", "/a/./b", "/a\nb", "/a/../../b"})
    EXPECT_EQ(check_cgroup_path(bad).error().kind(), ErrorKind::Invalid) << bad;
}

static std::string lines(const Result<std::vector<CgroupWrite>>& writes) {
  if (!writes) return "error: " + writes.error().text();
  std::string text;
  for (const CgroupWrite& write : *writes) {
    text += write.controller + " " + write.file + " = " + write.value;
    if (!write.other_file.empty()) text += " | " + write.other_file + " = " + write.other_value;
    text += "\n";
  }
  return text;
}

static oci::Resources many_limits() {
  oci::Resources resources;
  resources.memory.limit = 64 << 20;
  resources.memory.swap = 96 << 20;
  resources.memory.reservation = 32 << 20;
  resources.cpu.shares = 512;
  resources.cpu.quota = 50000;
  resources.cpu.period = 100000;
  resources.cpu.burst = 1000;
  resources.cpu.cpus = "0-1";
  resources.cpu.mems = "0";
  resources.pids_limit = 100;
  resources.block_io.weight = 500;
  resources.block_io.throttle_read_bps = {{8, 0, 1048576}};
  resources.block_io.throttle_write_iops = {{8, 16, 100}};
  resources.hugepage_limits = {{"2MB", 4194304}};
  resources.rdma["mlx5_1"] = {3, 10000};
  return resources;
}

TEST(CgroupWritesV1, GiveEveryLimitItsFile) {
  EXPECT_EQ(lines(cgroup_v1_writes(many_limits())),
            "memory memory.limit_in_bytes = 67108864\n"
            "memory memory.memsw.limit_in_bytes = 100663296\n"
            "memory memory.soft_limit_in_bytes = 33554432\n"
            "cpu cpu.shares = 512\n"
            "cpu cpu.cfs_period_us = 100000\n"
            "cpu cpu.cfs_quota_us = 50000\n"
            "cpu cpu.cfs_burst_us = 1000\n"
            "cpuset cpuset.cpus = 0-1\n"
            "cpuset cpuset.mems = 0\n"
            "pids pids.max = 100\n"
            "blkio blkio.weight = 500 | blkio.bfq.weight = 500\n"
            "blkio blkio.throttle.read_bps_device = 8:0 1048576\n"
            "blkio blkio.throttle.write_iops_device = 8:16 100\n"
            "hugetlb hugetlb.2MB.limit_in_bytes = 4194304\n"
            "rdma rdma.max = mlx5_1 hca_handle=3 hca_object=10000\n");
}

TEST(CgroupWritesV2, GiveEveryLimitItsFile) {
  EXPECT_EQ(lines(cgroup_v2_writes(many_limits())),
            "memory memory.max = 67108864\n"
            "memory memory.swap.max = 33554432\n"
            "memory memory.low = 33554432\n"
            "cpu cpu.weight = 59\n"
            "cpu cpu.max = 50000 100000\n"
            "cpu cpu.max.burst = 1000\n"
            "cpuset cpuset.cpus = 0-1\n"
            "cpuset cpuset.mems = 0\n"
            "pids pids.max = 100\n"
            "io io.bfq.weight = 500 | io.weight = 4950\n"
            "io io.max = 8:0 rbps=1048576\n"
            "io io.max = 8:16 wiops=100\n"
            "hugetlb hugetlb.2MB.max = 4194304\n"
            "rdma rdma.max = mlx5_1 hca_handle=3 hca_object=10000\n");
}

TEST(CgroupWrites, WriteNothingThatWasNotGiven) {
  EXPECT_EQ(lines(cgroup_v1_writes({})), "");
  EXPECT_EQ(lines(cgroup_v2_writes({})), "");
}

TEST(CgroupWritesV2, TurnNoLimitIntoMax) {
  oci::Resources resources;
  resources.memory.limit = -1;
  resources.memory.swap = -1;
  resources.pids_limit = -1;
  resources.cpu.quota = -1;
  EXPECT_EQ(lines(cgroup_v2_writes(resources)),
            "memory memory.max = max\nmemory memory.swap.max = max\ncpu cpu.max = max\npids pids.max = max\n");
}

TEST(CgroupWritesV2, SetUnifiedValuesLineByLine) {
  oci::Resources resources;
  resources.unified = {{"io.max", "8:0 rbps=1\n8:16 rbps=2"}, {"memory.high", "max"}};
  EXPECT_EQ(lines(cgroup_v2_writes(resources)),
            "io io.max = 8:0 rbps=1\nio io.max = 8:16 rbps=2\nmemory memory.high = max\n");
  for (const char* bad : {"../x.y", "memory", ".x", "a/b.c"}) {
    resources.unified = {{bad, "1"}};
    EXPECT_EQ(cgroup_v2_writes(resources).error().kind(), ErrorKind::Invalid) << bad;
  }
}

TEST(CgroupWrites, RefuseASwapLimitBelowTheMemoryLimit) {
  oci::Resources resources;
  resources.memory.limit = 100 << 20;
  resources.memory.swap = 50 << 20;
  for (auto* translate : {cgroup_v1_writes, cgroup_v2_writes}) {
    Result<std::vector<CgroupWrite>> writes = translate(resources);
    ASSERT_FALSE(writes);
    EXPECT_EQ(writes.error().kind(), ErrorKind::Invalid);
    EXPECT_NE(writes.error().text().find("104857600"), std::string::npos);
  }
}

TEST(CgroupWrites, SayWhatTheOtherVersionCannotDo) {
  oci::Resources resources;
  resources.unified = {{"memory.high", "1"}};
  EXPECT_EQ(cgroup_v1_writes(resources).error().kind(), ErrorKind::Unsupported);
  resources = {};
  resources.memory.swappiness = 10;
  EXPECT_TRUE(cgroup_v1_writes(resources));
  EXPECT_EQ(cgroup_v2_writes(resources).error().kind(), ErrorKind::Unsupported);
}

TEST(CpuWeight, FollowsTheRuntimeSpecsCurve) {
  EXPECT_EQ(cpu_weight_from_shares(2), 1u);
  EXPECT_EQ(cpu_weight_from_shares(1024), 100u);
  EXPECT_EQ(cpu_weight_from_shares(262144), 10000u);
  for (uint64_t shares = 3; shares < 262144; shares *= 2)
    EXPECT_LE(cpu_weight_from_shares(shares), cpu_weight_from_shares(shares * 2));
}

}  // namespace hull::kernel
