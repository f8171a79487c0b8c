#include "oci/parse.h"

#include <gtest/gtest.h>

#include "oci/validate.h"
#include "oci/write.h"

namespace hull::oci {
namespace {

constexpr const char* kFull = R"({"ociVersion":"1.2.0","process":{"terminal":true,"consoleSize":{"height":24,"width":80},
"user":{"uid":1,"gid":2,"umask":18,"additionalGids":[3,4]},"args":["sh"],"env":["A=b"],"cwd":"/",
"capabilities":{"bounding":["CAP_CHOWN"],"ambient":["CAP_KILL"]},"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1}],
"noNewPrivileges":true,"oomScoreAdj":-5,"scheduler":{"policy":"SCHED_BATCH","nice":-3,"flags":["SCHED_FLAG_RESET_ON_FORK"]},
"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":4},"execCPUAffinity":{"initial":"0","final":"0-1"}},
"root":{"path":"rootfs","readonly":true},"hostname":"h","domainname":"d",
"mounts":[{"destination":"/proc","type":"proc","source":"proc","options":["nosuid"],"uidMappings":[{"containerID":0,"hostID":5,"size":1}]}],
"hooks":{"createRuntime":[{"path":"/bin/a","args":["a","b"],"env":["X=y"],"timeout":3}],"poststop":[{"path":"/bin/c"}]},
"annotations":{"k":"v"},"linux":{"uidMappings":[{"containerID":0,"hostID":9,"size":2}],"sysctl":{"net.core.somaxconn":"4"},
"resources":{"devices":[{"allow":false,"access":"rwm"}],"memory":{"limit":-1,"swappiness":3},"cpu":{"shares":5,"burst":6,"cpus":"0","idle":1},
"pids":{"limit":7},"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":9}]},
"hugepageLimits":[{"pageSize":"2MB","limit":1}],"network":{"classID":5,"priorities":[{"name":"lo","priority":2}]},
"rdma":{"mlx":{"hcaHandles":1}},"unified":{"memory.high":"1"}},"cgroupsPath":"/a","namespaces":[{"type":"pid"},{"type":"mount","path":"/p"}],
"devices":[{"type":"c","path":"/dev/x","major":1,"minor":2,"fileMode":438,"uid":0}],
"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":18446744073709551615,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ"}]}]},
"rootfsPropagation":"slave","maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],"mountLabel":"m",
"personality":{"domain":"LINUX32","flags":["X"]},"timeOffsets":{"monotonic":{"secs":-4,"nanosecs":5}},
"intelRdt":{"closID":"gold","l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=5","schemata":["L2:0=1"],"enableMonitoring":true},
"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES"]},"netDevices":{"eth0":{"name":"inside"}}}})";

constexpr const char* kSmall = R"({"ociVersion":"1.0.2","process":{"args":["sh"],"cwd":"/"},"root":{"path":"r"},
"linux":{"namespaces":[{"type":"mount"}]}})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text) {
  auto spec = parse_spec(text, "c");
  if (!spec) return spec.error().text();
  auto valid = validate(*spec);
  return valid ? "" : valid.error().text();
}

TEST(OciParse, EveryFieldComesBackAsItWasWritten) {
  auto spec = parse_spec(kFull, "config.json");
  ASSERT_TRUE(spec) << spec.error().text();
  std::string once = json::to_text(to_json(*spec));
  auto again = parse_spec(once, "again");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(json::to_text(to_json(*again)), once);
  auto source = json::parse(kFull, "full");
  auto* resources = json::find(*json::find(*source, "linux"), "resources");
  EXPECT_EQ(json::to_text(*json::find(*json::find(to_json(*spec), "linux"), "resources")), json::to_text(*resources));
  EXPECT_EQ(spec->process.rlimits[0].hard, UINT64_MAX);
  EXPECT_EQ(spec->hooks.create_runtime[0].timeout, 3);
  EXPECT_EQ(spec->linux_.time_offsets["monotonic"].secs, -4);
}

TEST(OciParse, ASmallConfigurationIsValidAndUnknownMembersAreIgnored) {
  EXPECT_EQ(error_of(kSmall), "");
  EXPECT_EQ(error_of(replaced(kSmall, "\"root\"", "\"x-new\":{\"a\":1},\"root\"")), "");
  EXPECT_EQ(error_of(replaced(kSmall, "\"cwd\"", "\"capabilities\":null,\"cwd\"")), "");
}

struct Bad { const char *from, *to, *error; };

TEST(OciParse, ErrorsNameTheField) {
  const Bad cases[] = {
      {"\"args\":[\"sh\"]", "\"args\":\"sh\"", "c: process.args: expected an array, not a string"},
      {"\"args\":[\"sh\"]", "\"args\":[1]", "c: process.args[0]: expected a string, not 1"},
      {"\"args\":[\"sh\"]", "\"args\":[\"s\\u0000\"]", "c: process.args[0]: holds a NUL character"},
      {"\"args\":[\"sh\"]", "\"args\":[]", "process.args: no command given"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"env\":[\"A\"]", "process.env[0]: is not NAME=value"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"user\":{\"uid\":4294967296}", "c: process.user.uid: expected an integer from 0 to 4294967295, not 4294967296"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"user\":{\"uid\":-1}", "c: process.user.uid: expected an integer from 0 to 4294967295, not -1"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"user\":{\"uid\":\"0\"}", "c: process.user.uid: expected an integer from 0 to 4294967295, not a string"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"terminal\":1", "c: process.terminal: expected a boolean, not 1"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"oomScoreAdj\":1001", "process.oomScoreAdj: not from -1000 to 1000"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"scheduler\":{\"policy\":\"SCHED_FIFO\"}", "process.scheduler.priority: SCHED_FIFO needs 1 to 99"},
      {"\"args\":[\"sh\"]", "\"args\":[\"sh\"],\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"hard\":1,\"soft\":2}]", "process.rlimits: RLIMIT_AS: soft 2 is above hard 1"},
      {"\"cwd\":\"/\"", "\"cwd\":\"a\"", "process.cwd: \"a\" is not absolute"},
      {",\"cwd\":\"/\"", "", "c: process.cwd: missing"},
      {"\"ociVersion\":\"1.0.2\",", "", "c: ociVersion: missing"},
      {"1.0.2", "2.0.0", "ociVersion: 2.0.0 is not 1.x"},
      {"1.0.2", "one", "ociVersion: \"one\" is no version"},
      {"\"root\":{\"path\":\"r\"}", "\"root\":{}", "c: root.path: missing"},
      {"\"root\":{\"path\":\"r\"}", "\"root\":{\"path\":\"r\"},\"hostname\":\"h\"", "hostname: given without a uts namespace"},
      {"\"root\":{\"path\":\"r\"}", "\"root\":{\"path\":\"r\"},\"mounts\":[{\"type\":\"proc\"}]", "c: mounts[0].destination: missing"},
      {"\"root\":{\"path\":\"r\"}", "\"root\":{\"path\":\"r\"},\"hooks\":{\"poststop\":[{\"path\":\"x\"}]}", "hooks.poststop[0].path: \"x\" is not absolute"},
      {"{\"type\":\"mount\"}", "{\"type\":\"mnt\"}", "linux.namespaces[0].type: unknown \"mnt\""},
      {"{\"type\":\"mount\"}", "{\"type\":\"mount\"},{\"type\":\"mount\"}", "linux.namespaces[1].type: \"mount\" stands twice"},
      {"{\"type\":\"mount\"}]", "{\"type\":\"mount\"}],\"sysctl\":{\"kernel.panic\":\"1\"}", "linux.sysctl[\"kernel.panic\"]: belongs to no namespace"},
      {"{\"type\":\"mount\"}]", "{\"type\":\"mount\"}],\"sysctl\":{\"net.x\":\"1\"}", "linux.sysctl[\"net.x\"]: needs a network namespace"},
      {"{\"type\":\"mount\"}]", "{\"type\":\"mount\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]", "linux.uidMappings: given without a user namespace"},
      {"{\"type\":\"mount\"}]", "{\"type\":\"mount\"}],\"intelRdt\":[]", "c: linux.intelRdt: expected an object, not an array"},
      {"{\"type\":\"mount\"}]", "{\"type\":\"mount\"}],\"resources\":{\"memory\":{\"limit\":\"1m\"}}", "c: linux.resources.memory.limit: expected an integer from -9223372036854775808 to 9223372036854775807, not a string"},
      {"{\"type\":\"mount\"}]", "{\"type\":\"mount\"}],\"maskedPaths\":[\"x\"]", "linux.maskedPaths: \"x\" is not absolute"},
  };
  for (const Bad& bad : cases) EXPECT_EQ(error_of(replaced(kSmall, bad.from, bad.to)), bad.error) << bad.to;
}

}  // namespace
}  // namespace hull::oci
