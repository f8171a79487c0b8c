// Control groups for real: needs root and a writable cgroup hierarchy; skipped otherwise. All groups are made under
// /hull-test-<pid> and removed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "base/text.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_devices.h"

namespace hull::kernel {

namespace {

constexpr uint64_t kCloneIntoCgroup = 0x200000000;  // linux/sched.h clashes with sched.h

// Each implementation, on the trees that are mounted: hybrid hosts serve for all three.
class CgroupsOnThisHost : public testing::TestWithParam<CgroupMode> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    CgroupLayout layout = *discover_cgroups();
    if (GetParam() == CgroupMode::V1) layout.v2.reset();
    if (GetParam() == CgroupMode::V2) layout.v1.clear();
    if (layout.mode() != GetParam()) GTEST_SKIP() << "no cgroup " << cgroup_mode_name(GetParam()) << " here";
    Result<std::unique_ptr<Cgroups>> opened = Cgroups::open(layout);
    if (!opened) GTEST_SKIP() << opened.error().text();
    groups_ = std::move(*opened);
    Result<std::unique_ptr<Cgroup>> made = groups_->create(top_ + "/probe");
    if (!made) GTEST_SKIP() << made.error().text();
  }

  void TearDown() override {
    for (pid_t child : children_) ::waitpid(child, nullptr, WNOHANG);
    if (!groups_) return;
    EXPECT_TRUE(groups_->remove(top_));
    EXPECT_TRUE((*Cgroups::open())->remove(top_));
  }

  std::unique_ptr<Cgroup> create(const std::string& name) {
    Result<std::unique_ptr<Cgroup>> made = groups_->create(top_ + "/" + name);
    EXPECT_TRUE(made) << made.error().text();
    return std::move(*made);
  }

  bool has(std::string_view controller) const {
    for (const std::string& name : groups_->controllers())
      if (name == controller) return true;
    return false;
  }

  // A child that enters the group as hull-init does, then runs `body` and exits with its value.
  template <typename Body>
  pid_t start(const Cgroup& cgroup, Body body) {
    CgroupEntry entry = cgroup.entry();
    clone_args_ = {};
    clone_args_.exit_signal = SIGCHLD;
    clone_args_.flags = entry.into >= 0 ? kCloneIntoCgroup : 0;
    clone_args_.cgroup = entry.into >= 0 ? static_cast<uint64_t>(entry.into) : 0;
    auto child = static_cast<pid_t>(::syscall(SYS_clone3, &clone_args_, sizeof clone_args_));
    EXPECT_GE(child, 0) << errno_text(errno);
    if (child != 0) {
      children_.push_back(child);
      return child;
    }
    for (const std::string& file : entry.files) {
      int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
      if (fd < 0 || ::write(fd, "0", 1) != 1) ::_exit(100);
      ::close(fd);
    }
    ::_exit(body());
  }

  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  static int sleep_forever() {
    for (;;) ::pause();
  }

  void wait_until_in(const Cgroup& cgroup, size_t count) {
    for (int i = 0; i < 2000 && cgroup.processes()->size() < count; ++i) ::usleep(1000);
    ::usleep(20000);  // its writes to the other hierarchies
  }

  struct CloneArgs {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
  } clone_args_{};
  std::string top_ = format("/hull-test-{}", ::getpid());
  std::unique_ptr<Cgroups> groups_;
  std::vector<pid_t> children_;
};

constexpr int kHeld = 0;

}  // namespace

INSTANTIATE_TEST_SUITE_P(, CgroupsOnThisHost, testing::Values(CgroupMode::V1, CgroupMode::Hybrid, CgroupMode::V2),
                         [](const auto& mode) { return std::string(cgroup_mode_name(mode.param)); });

TEST_P(CgroupsOnThisHost, AChildEntersEveryHierarchyByItself) {
  std::unique_ptr<Cgroup> cgroup = create("enter");
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  pid_t child = start(*cgroup, [&] {
    char text[4096];
    int fd = ::open("/proc/self/cgroup", O_RDONLY);
    ssize_t size = ::read(fd, text, sizeof text);
    return ::write(pipe[1], text, static_cast<size_t>(size)) == size ? kHeld : 1;
  });
  EXPECT_EQ(wait_for(child), kHeld);
  char text[4096];
  ssize_t size = ::read(pipe[0], text, sizeof text);
  ::close(pipe[0]);
  ::close(pipe[1]);
  ASSERT_GT(size, 0);
  for (std::string_view line : split_lines({text, static_cast<size_t>(size)})) {
    CgroupMode without = line.starts_with("0:") ? CgroupMode::V1 : CgroupMode::V2;
    EXPECT_TRUE(GetParam() == without || line.ends_with(cgroup->path())) << line;
  }
}

TEST_P(CgroupsOnThisHost, CreatingTwiceIsExistsAndRemovingTwiceIsFine) {
  create("twice");
  EXPECT_EQ(groups_->create(top_ + "/twice").error().kind(), ErrorKind::Exists);
  EXPECT_TRUE(groups_->find(top_ + "/twice"));
  EXPECT_TRUE(groups_->remove(top_ + "/twice"));
  EXPECT_TRUE(groups_->remove(top_ + "/twice"));
  EXPECT_EQ(groups_->find(top_ + "/twice").error().kind(), ErrorKind::NotFound);
  EXPECT_EQ(groups_->create("/../x").error().kind(), ErrorKind::Invalid);
}

TEST_P(CgroupsOnThisHost, OneThatIsBegunIsFoundAndFinished) {
  std::string path = top_ + "/begun";
  Result<Fd> entry = groups_->begin(path);
  ASSERT_TRUE(entry) << entry.error().text();
  EXPECT_EQ(static_cast<bool>(*entry), GetParam() != CgroupMode::V1);
  if (*entry) {  // a process that is cloned into it can be found, and ended with it
    EXPECT_EQ(groups_->begin(path).error().kind(), ErrorKind::Exists);
    EXPECT_TRUE(groups_->find(path));
  }
  Result<std::unique_ptr<Cgroup>> whole = groups_->finish(path);
  ASSERT_TRUE(whole) << whole.error().text();
  Result<std::vector<Fd>> files = (*whole)->open_files();
  ASSERT_TRUE(files);
  EXPECT_EQ(files->size(), (*whole)->entry().files.size());
  EXPECT_TRUE(groups_->remove(path));
}

TEST_P(CgroupsOnThisHost, ManyCommandsMakeTheFirstGroupsAtOnce) {
  int (*make)(const std::string&) = [](const std::string& path) {
    Result<std::unique_ptr<Cgroups>> groups = Cgroups::open();
    return groups && (*groups)->create(path) ? kHeld : 1;
  };
  std::vector<pid_t> makers;
  for (int i = 0; i < 8; ++i) {
    pid_t maker = ::fork();
    if (maker == 0) ::_exit(make(format("{}/new/parent/c{}", top_, i)));
    makers.push_back(maker);
  }
  for (pid_t maker : makers) EXPECT_EQ(wait_for(maker), kHeld);
  for (int i = 0; i < 8; ++i) {
    std::unique_ptr<Cgroup> cgroup = std::move(*groups_->find(format("{}/new/parent/c{}", top_, i)));
    EXPECT_EQ(wait_for(start(*cgroup, [] { return kHeld; })), kHeld);
  }
}

TEST_P(CgroupsOnThisHost, LimitsAreSetReadBackAndRaised) {
  std::unique_ptr<Cgroup> cgroup = create("limits");
  if (!has("pids") || !has("memory")) GTEST_SKIP() << "no pids or memory controller in this tree";
  oci::Resources resources;
  resources.pids_limit = 7;
  resources.memory.limit = resources.memory.swap = 64 << 20;
  Result<> applied = cgroup->apply(resources);
  ASSERT_TRUE(applied) << applied.error().text();
  CgroupStats stats = cgroup->stats();
  EXPECT_EQ(stats.pids_limit, 7u);
  EXPECT_EQ(stats.pids_current, 0u);
  EXPECT_EQ(stats.memory.limit, 64u << 20);
  resources.memory.limit = resources.memory.swap = 128 << 20;  // above the old swap limit
  applied = cgroup->apply(resources);
  EXPECT_TRUE(applied) << applied.error().text();
  EXPECT_EQ(cgroup->memory_limit(), 128u << 20);
}

TEST_P(CgroupsOnThisHost, ValuesThatBoundEachOtherAreSetInTheOrderThatWorks) {
  std::unique_ptr<Cgroup> cgroup = create("bounds");
  if (!has("cpu")) GTEST_SKIP() << "no cpu controller in this tree";
  oci::Resources resources;
  auto set = [&](int64_t quota, uint64_t period, uint64_t burst) {
    resources.cpu.quota = quota, resources.cpu.period = period, resources.cpu.burst = burst;
    Result<> applied = cgroup->apply(resources);
    EXPECT_TRUE(applied) << applied.error().text();
    oci::Cpu now = cgroup->bandwidth();
    EXPECT_EQ(now.quota, quota);
    EXPECT_EQ(now.period, period);
  };
  set(50000, 100000, 50000);
  set(5000, 10000, 5000);   // below the old burst
  set(90000, 100000, 90000);
}

TEST_P(CgroupsOnThisHost, ARefusedValueNamesFileValueAndRemedy) {
  if (!has("cpuset")) GTEST_SKIP() << "no cpuset controller in this tree";
  std::unique_ptr<Cgroup> cgroup = create("refused");
  oci::Resources resources;
  resources.cpu.cpus = "4000-4001";
  Result<> applied = cgroup->apply(resources);
  ASSERT_FALSE(applied);
  for (const char* part : {"cpuset.cpus", "4000-4001", "online", "/refused"})
    EXPECT_NE(applied.error().text().find(part), std::string::npos) << applied.error().text();
}

TEST_P(CgroupsOnThisHost, ThePidsLimitHolds) {
  if (!has("pids")) GTEST_SKIP() << "no pids controller in this tree";
  std::unique_ptr<Cgroup> cgroup = create("pids");
  oci::Resources resources;
  resources.pids_limit = 1;
  ASSERT_TRUE(cgroup->apply(resources));
  pid_t child = start(*cgroup, [] {
    pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(0);
    return grandchild < 0 && errno == EAGAIN ? kHeld : 1;
  });
  EXPECT_EQ(wait_for(child), kHeld);
}

TEST_P(CgroupsOnThisHost, DevicesOutsideTheRulesCannotBeOpened) {
  std::unique_ptr<Cgroup> cgroup = create("devices");
  oci::Resources resources;
  resources.devices = {{false, "a", {}, {}, "rwm"}, {true, "c", 1, 3, "rwm"}, {true, "c", 1, 5, "r"}};
  Result<> applied = cgroup->apply(resources);
  ASSERT_TRUE(applied) << applied.error().text();
  pid_t child = start(*cgroup, [] {
    if (::open("/dev/null", O_RDWR) < 0) return 1;
    if (::open("/dev/zero", O_RDONLY) < 0) return 2;
    if (::open("/dev/zero", O_RDWR) >= 0 || errno != EPERM) return 3;
    if (::open("/dev/random", O_RDONLY) >= 0 || errno != EPERM) return 4;
    return kHeld;
  });
  EXPECT_EQ(wait_for(child), kHeld);
}

TEST_P(CgroupsOnThisHost, TheDeviceProgramHoldsOnV2AndIsReplaced) {
  std::unique_ptr<Cgroup> cgroup = create("bpf");
  CgroupEntry entry = cgroup->entry();
  if (entry.into < 0) GTEST_SKIP() << "no cgroup v2 here";
  Fd directory = *Fd(::dup(entry.into)).duplicate();
  auto program = [](std::vector<oci::DeviceRule> rules) { return device_program(*fold_device_rules(rules)); };
  Result<> attached = attach_device_program(directory, program({{false, "a", {}, {}, ""}}));
  if (!attached && attached.error().kind() == ErrorKind::Denied) GTEST_SKIP() << attached.error().text();
  ASSERT_TRUE(attached) << attached.error().text();
  auto opens_null = [] { return ::open("/dev/null", O_RDWR) >= 0 ? kHeld : errno; };
  EXPECT_EQ(wait_for(start(*cgroup, opens_null)), EPERM);
  ASSERT_TRUE(attach_device_program(directory, program({{false, "a", {}, {}, ""}, {true, "c", 1, 3, "rw"}})));
  EXPECT_EQ(wait_for(start(*cgroup, opens_null)), kHeld);
}

TEST_P(CgroupsOnThisHost, FreezingStopsAndThawingContinues) {
  std::unique_ptr<Cgroup> cgroup = create("freeze");
  pid_t child = start(*cgroup, [] { return sleep_forever(); });
  wait_until_in(*cgroup, 1);
  Result<> frozen = cgroup->freeze();
  ASSERT_TRUE(frozen) << frozen.error().text();
  EXPECT_TRUE(*cgroup->frozen());
  ASSERT_TRUE(cgroup->thaw());
  EXPECT_FALSE(*cgroup->frozen());
  ASSERT_TRUE(cgroup->kill());
  EXPECT_EQ(wait_for(child), -SIGKILL);
}

TEST_P(CgroupsOnThisHost, KillingReachesAFrozenGroupAndItsSubgroups) {
  std::unique_ptr<Cgroup> outer = create("kill");
  auto forks = [] {
    for (int i = 0; i < 4; ++i)
      if (::fork() == 0) break;
    return sleep_forever();
  };
  pid_t first = start(*outer, forks);
  // KERNEL: only after that, since a v2 group that gives controllers to its children takes no process itself (EBUSY).
  std::unique_ptr<Cgroup> inner = create("kill/inner");
  pid_t second = start(*inner, forks);
  wait_until_in(*outer, 10);
  EXPECT_GE(outer->processes()->size(), 10u);
  ASSERT_TRUE(outer->freeze());
  Result<> killed = outer->kill();
  ASSERT_TRUE(killed) << killed.error().text();
  EXPECT_TRUE(*outer->empty());
  EXPECT_EQ(wait_for(first), -SIGKILL);
  EXPECT_EQ(wait_for(second), -SIGKILL);
  EXPECT_TRUE(groups_->remove(top_ + "/kill"));
}

TEST_P(CgroupsOnThisHost, RemovingABusyGroupFailsInBoundedTimeAndNamesIt) {
  std::unique_ptr<Cgroup> cgroup = create("busy");
  pid_t child = start(*cgroup, [] { return sleep_forever(); });
  wait_until_in(*cgroup, 1);
  Result<> removed = groups_->remove(top_ + "/busy", 30);
  ASSERT_FALSE(removed);
  EXPECT_NE(removed.error().text().find(top_ + "/busy"), std::string::npos);
  ASSERT_TRUE(cgroup->kill());
  EXPECT_EQ(wait_for(child), -SIGKILL);
}

}  // namespace hull::kernel
