// Golden tests of the defaults: a configuration in, tests/golden/oci/NAME.json out. HULL_GOLDEN=write renews them.
#include "engine/to_oci.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/fd.h"
#include "engine/managed_files.h"
#include "oci/write.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

void expect_golden(const std::string& name, const Record& record, const OciFacts& facts) {
  auto spec = to_oci(record, facts);
  ASSERT_TRUE(spec) << spec.error().text();
  std::string text = json::to_pretty_text(oci::to_json(*spec), 2) + "\n";
  std::string path = std::string(HULL_SOURCE_DIR) + "/tests/golden/oci/" + name + ".json";
  if (std::getenv("HULL_GOLDEN") != nullptr) {
    ASSERT_TRUE(make_directories(path.substr(0, path.rfind('/')), 0755));
    ASSERT_TRUE(replace_file(path, text, Durability::Volatile, 0644));
  }
  auto expected = read_file(path);
  ASSERT_TRUE(expected) << expected.error().text();
  EXPECT_EQ(text, *expected) << path;
}

Record plain() {
  Record record;
  record.id = std::string(64, 'c');
  record.hostname = "cccccccccccc";
  record.process.args = {"nginx", "-g", "daemon off;"};
  record.process.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=cccccccccccc"};
  record.config.ns(NsKind::User).mode = NsMode::Host;
  record.config.ns(NsKind::Time).mode = NsMode::Host;
  record.config.limits.pids = 2048;
  return record;
}

OciFacts host() {
  OciFacts facts;
  facts.user = {0, 0, {0}, "/root"};
  facts.rootfs = "/root-of-the-container";
  facts.hosts_path = "/state/hosts";
  facts.hostname_path = "/state/hostname";
  facts.resolv_conf_path = "/state/resolv.conf";
  return facts;
}

TEST(ToOci, Default) { expect_golden("default", plain(), host()); }

TEST(ToOci, Privileged) {
  Record record = plain();
  record.config.privileged = true;
  OciFacts facts = host();
  facts.devices = {{"c", "/dev/kvm", 10, 232, 0660, 0, 106}};
  facts.device_access = {"rwm"};
  expect_golden("privileged", record, facts);
}

TEST(ToOci, LimitsAndUser) {
  Record record = plain();
  Limits& limits = record.config.limits;
  limits.memory = 64 << 20;
  limits.nano_cpus = 1500000000;
  limits.cpuset_cpus = "0-1";
  limits.blkio_weight = 300;
  record.config.ulimits = {{"nofile", 100, 200}, {"core", 0, UINT64_MAX}};
  record.config.tty = true;
  record.config.read_only = true;
  record.config.no_new_privileges = true;
  record.config.cap_add = {"CAP_NET_ADMIN"};
  record.config.cap_drop = {"CAP_CHOWN"};
  record.process.workdir = "/srv";
  OciFacts facts = host();
  facts.user = {1000, 100, {100, 27}, "/home/me"};
  facts.rows = 24, facts.columns = 80;
  expect_golden("limits", record, facts);
}

TEST(ToOci, SharedNamespaces) {
  Record record = plain();
  record.config.ns(NsKind::Net) = {NsMode::Container, "db", "container:db"};
  record.config.ns(NsKind::Ipc) = {NsMode::Host, "", "host"};
  record.config.ns(NsKind::Uts) = {NsMode::Path, "/run/uts", "ns:/run/uts"};
  record.config.ns(NsKind::Time) = {NsMode::Private, "", "+1d"};
  record.config.time_offsets = TimeOffsets{86400, 86400};
  OciFacts facts = host();
  facts.join_paths[static_cast<size_t>(NsKind::Net)] = "/proc/42/ns/net";
  facts.join_paths[static_cast<size_t>(NsKind::Uts)] = "/run/uts";
  expect_golden("sharing", record, facts);
}

TEST(ToOci, UserNamespaceAndMounts) {
  Record record = plain();
  record.config.ns(NsKind::User) = {NsMode::Private, "", "private"};
  record.config.uid_map = {{0, 200000, 1000}};
  MountSpec deep, volume, scratch, own_shm;
  deep.source = "/data/deep", deep.target = "/srv/a/b", deep.read_only = true;
  volume.source = "/data", volume.target = "/srv", volume.propagation = "rslave";
  scratch.kind = MountKind::Tmpfs, scratch.target = "/scratch", scratch.options = {"size=1m", "exec"};
  own_shm.source = "/dev/shm", own_shm.target = "/dev/shm";
  record.config.mounts = {deep, volume, scratch, own_shm};
  expect_golden("userns", record, host());
}

TEST(ToOci, APromisedNetworkIsNewAndLooksLikeAnOwnOne) {
  Record record = plain();
  auto own = to_oci(record, host());
  record.config.ns(NsKind::Net) = {NsMode::Container, "db", "container:db"};
  auto promised = to_oci(record, host());
  ASSERT_TRUE(own && promised);
  EXPECT_EQ(own->linux_.sysctl, promised->linux_.sysctl);
  auto net = std::find_if(promised->linux_.namespaces.begin(), promised->linux_.namespaces.end(), [](const auto& ns) { return ns.type == "network"; });
  ASSERT_NE(net, promised->linux_.namespaces.end());
  EXPECT_EQ(net->path, "");
}

TEST(ToOci, NobodyHasInheritableOrAmbientCapabilities) {
  for (uint32_t uid : {0u, 1000u}) {
    oci::Capabilities sets = capability_sets(kernel::kDockerDefaultCapabilities, uid);
    EXPECT_TRUE(sets.inheritable.empty() && sets.ambient.empty());
    EXPECT_EQ(sets.effective.empty(), uid != 0);
    EXPECT_EQ(sets.permitted.empty(), uid != 0);
    EXPECT_EQ(sets.bounding.size(), 14u);
  }
}

TEST(ToOci, NeverAsksForMoreFilesThanWeMayGive) {
  OciFacts facts = host();
  facts.nofile_hard_limit = 512;
  auto spec = to_oci(plain(), facts);
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->process.rlimits[0].hard, 512u);
  EXPECT_EQ(spec->process.rlimits[0].soft, 512u);
}

TEST(ManagedFiles, ResolvConfDropsLoopbackServersInAnOwnNetwork) {
  const char* text = "search lan\nnameserver 127.0.0.53\nnameserver 10.0.0.1\noptions ndots:2\nnameserver ::1\n";
  EXPECT_EQ(resolv_conf_text(text, true), "search lan\nnameserver 10.0.0.1\noptions ndots:2\n");
  EXPECT_EQ(resolv_conf_text(text, false), text);
}

TEST(ManagedFiles, HostsNamesTheContainer) {
  EXPECT_NE(hosts_text("web", "").find("127.0.1.1\tweb\n"), std::string::npos);
  EXPECT_NE(hosts_text("web", "lan").find("127.0.1.1\tweb.lan web\n"), std::string::npos);
}

}  // namespace
}  // namespace hull::engine
