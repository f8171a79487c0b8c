// Launches real processes; needs root (CAP_SYS_ADMIN) and Debian's busybox-static.
#include "sandbox/launch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "kernel/capabilities.h"

namespace hull::sandbox {
namespace {

class LaunchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/hull-launch-XXXXXX";
    directory_ = ::mkdtemp(name);
    for (const char* sub : {"/root", "/root/bin", "/mount"}) ASSERT_TRUE(make_directories(directory_ + sub, 0755));
    ASSERT_EQ(::link("/bin/busybox", (directory_ + "/root/bin/sh").c_str()) == 0 || copy_busybox(), true);
    spec_.root.path = directory_ + "/root";
    spec_.process.env = {"PATH=/bin"};
    spec_.hostname = "inside";
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) spec_.linux_.namespaces.push_back({type, ""});
    spec_.mounts = {{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, {}, {}},
                    {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}, {}, {}},
                    {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}, {}, {}},
                    {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}, {}, {}}};
    spec_.linux_.masked_paths = {"/proc/cpuinfo", "/proc/acpi", "/sys/firmware", "/proc/no-such"};
    spec_.linux_.readonly_paths = {"/proc/sys", "/proc/bus"};
    oci::Capabilities caps;
    caps.bounding = caps.effective = caps.permitted = {"CAP_KILL"};
    spec_.process.capabilities = caps;
    options_.mount_point = directory_ + "/mount";
  }
  void TearDown() override {
    if (directory_.empty()) return;
    EXPECT_TRUE(remove_tree(directory_));
  }
  bool copy_busybox() {
    auto data = read_file("/bin/busybox");
    return data && replace_file(directory_ + "/root/bin/sh", *data, Durability::Volatile, 0755);
  }

  // Runs `script` in the container and gives its output; *code is its exit code, or 255 with the error as output.
  std::string run(const std::string& script, int* code = nullptr) {
    spec_.process.args = {"sh", "-c", script};
    auto plan = compile_plan(spec_, kernel::host_facts(), options_);
    if (!plan) return plan.error().text();
    return run_plan(*plan, {}, code);
  }
  std::string run_plan(const LaunchPlan& plan, LaunchIo io, int* code = nullptr) {
    auto pipe = make_pipe();
    io.stdin_fd = -1;
    io.stdout_fd = io.stderr_fd = pipe->write.get();
    auto launched = launch(plan, io);
    if (!launched) return launched.error().text();
    pipe->write.reset();
    auto gone = launched->go();
    if (!gone) return gone.error().text();
    std::string output = *read_all(pipe->read);
    int status = 0;
    ::waitpid(launched->pid(), &status, 0);
    if (code != nullptr) *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return output;
  }

  std::string directory_;
  oci::Spec spec_;
  PlanOptions options_;
};

TEST_F(LaunchTest, RunsAProcessAloneInItsNamespaces) {
  int code = -1;
  EXPECT_EQ(run("echo $$ $(hostname); exit 7", &code), "1 inside\n");
  EXPECT_EQ(code, 7);
}

TEST_F(LaunchTest, MasksReadOnlyPathsAndCapabilitiesHold) {
  EXPECT_EQ(run("wc -c < /proc/cpuinfo; echo x > /proc/sys/kernel/domainname; ls /sys/firmware | wc -l; "
                "while read k v; do case $k in CapEff:|CapBnd:|NoNewPrivs:) echo $k$v;; esac; done < /proc/self/status"),
            "0\nsh: can't create /proc/sys/kernel/domainname: Read-only file system\n0\n"
            "CapEff:0000000000000020\nCapBnd:0000000000000020\nNoNewPrivs:0\n");
}

TEST_F(LaunchTest, OnlyTheThreeStreamsAreOpen) {
  Fd leaked(::open("/", O_RDONLY));  // not close-on-exec on purpose
  EXPECT_EQ(run("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");  // 3 is ls's own
}

TEST_F(LaunchTest, SaysWhyTheCommandCannotRun) {
  EXPECT_EQ(run("true").substr(0, 0), "");
  spec_.process.args = {"nope"};
  auto plan = compile_plan(spec_, kernel::host_facts(), options_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(run_plan(*plan, {}), "exec: \"nope\": executable file not found in $PATH");
}

TEST_F(LaunchTest, RefusesAMountThatALinkLeadsIntoProc) {
  ASSERT_EQ(::symlink("/proc", (spec_.root.path + "/sly").c_str()), 0);
  spec_.mounts.push_back({"/sly/sys", "tmpfs", "tmpfs", {}, {}, {}});
  EXPECT_NE(run("true").find("mount inside /proc refused"), std::string::npos);
}

TEST_F(LaunchTest, NoLinkOfTheImageLeadsOutside) {
  ASSERT_EQ(::symlink("../../../../../../tmp", (spec_.root.path + "/escape").c_str()), 0);
  spec_.mounts.push_back({"/escape/made", "tmpfs", "tmpfs", {}, {}, {}});
  EXPECT_EQ(run("ls -d /tmp/made"), "/tmp/made\n");
  EXPECT_FALSE(path_exists("/tmp/made"));
}

TEST_F(LaunchTest, MapsIdsOfANewUserNamespace) {
  spec_.linux_.namespaces.push_back({"user", ""});
  spec_.linux_.uid_mappings = spec_.linux_.gid_mappings = {{0, 0, 1000}};
  EXPECT_EQ(run("cat /proc/self/uid_map | tr -s ' '; ls -ln /dev/null | cut -c1"), " 0 0 1000\nc\n");
}

TEST_F(LaunchTest, OverlayInAUserNamespaceKeepsOwnersOnDisk) {
  spec_.linux_.namespaces.push_back({"user", ""});
  spec_.linux_.uid_mappings = spec_.linux_.gid_mappings = {{0, 100000, 65536}};
  for (const char* sub : {"/upper", "/work"}) ASSERT_TRUE(make_directories(directory_ + sub, 0755));
  ASSERT_TRUE(make_directories(directory_ + "/lower2", 0755));
  options_.overlay = OverlayRoot{{spec_.root.path, directory_ + "/lower2"}, directory_ + "/upper", directory_ + "/work", false};
  EXPECT_EQ(run("id -u; stat -c %u /bin/sh; echo hi > /made; cat /made; cat /proc/self/uid_map | tr -s ' '; ls -ln /dev/null | cut -c1"),
            "0\n0\nhi\n 0 100000 65536\nc\n");
  struct stat status;
  ASSERT_EQ(::stat((directory_ + "/upper/made").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0u);
}

TEST_F(LaunchTest, TimeOffsetsApply) {
  spec_.linux_.namespaces.push_back({"time", ""});
  spec_.linux_.time_offsets["boottime"] = {86400 * 400, 0};
  EXPECT_NE(run("cat /proc/uptime").substr(0, 3), "0.0");
  EXPECT_GT(std::stod(run("cat /proc/uptime")), 86400.0 * 400);
}

TEST_F(LaunchTest, ReaperStaysAsPidOne) {
  options_.reaper = true;
  int code = -1;
  EXPECT_EQ(run("echo $$; exit 9", &code), "2\n");
  EXPECT_EQ(code, 9);
}

TEST_F(LaunchTest, ExecEntersARunningContainer) {
  spec_.process.args = {"sh", "-c", "read forever"};
  auto plan = compile_plan(spec_, kernel::host_facts(), options_);
  auto input = make_pipe();
  LaunchIo io;
  io.stdin_fd = input->read.get();
  auto container = launch(*plan, io);
  ASSERT_TRUE(container) << container.error().text();
  ASSERT_TRUE(container->go());
  auto differing = differing_namespaces(container->pid());
  ASSERT_TRUE(differing);
  oci::Process process = spec_.process;
  process.args = {"sh", "-c", "hostname; set -- /proc/[0-9]*; echo $#"};
  ExecPlanOptions exec_options;
  exec_options.join_target = *differing;
  auto exec_plan = compile_exec_plan(process, exec_options);
  LaunchIo exec_io;
  exec_io.target_pidfd = container->pidfd().get();
  EXPECT_EQ(run_plan(*exec_plan, exec_io), "inside\n2\n");
  input->write.reset();
  ::waitpid(container->pid(), nullptr, 0);
}

}  // namespace
}  // namespace hull::sandbox
