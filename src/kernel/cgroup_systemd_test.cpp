#include "kernel/cgroup_systemd.h"

#include <gtest/gtest.h>

namespace hull::kernel {
namespace {

TEST(SystemdPath, IsSlicePrefixName) {
  struct { const char* path; bool user; const char* name; const char* slice; } cases[] = {
      {"", false, "runc-x.scope", "system.slice"},
      {"", true, "runc-x.scope", "user.slice"},
      {"a-b.slice:cri:1", false, "cri-1.scope", "a-b.slice"},
      {":cri:1", true, "cri-1.scope", "user.slice"},
      {"a.slice:cri:a-c.slice", false, "a-c.slice", "a.slice"},
      {"-.slice:p:n", false, "p-n.scope", "-.slice"},
  };
  for (const auto& one : cases) {
    auto unit = parse_systemd_path(one.path, "x", one.user);
    ASSERT_TRUE(unit) << unit.error().text();
    EXPECT_EQ(unit->name, one.name);
    EXPECT_EQ(unit->slice, one.slice);
  }
  for (const char* bad : {"/a/b", "a:b", "a:b:c:d", "system.slice:x:", "system.slice:x:a/b", "system:x:y", "a--b.slice:x:y", ".slice:x:y", "-a.slice:x:y",
                          "a.slice:x:b c"})
    EXPECT_FALSE(parse_systemd_path(bad, "x", false)) << bad;
}

TEST(Slices, Expand) {
  EXPECT_EQ(*expand_slice("-.slice"), "");
  EXPECT_EQ(*expand_slice("a.slice"), "/a.slice");
  EXPECT_EQ(*expand_slice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  for (const char* bad : {"", "a", ".slice", "a-.slice", "a/b.slice"}) EXPECT_FALSE(expand_slice(bad)) << bad;
}

TEST(SystemdLimits, OfV2) {
  oci::Resources r;
  r.memory.limit = 64 << 20;
  r.memory.swap = -1;
  r.cpu.shares = 1024;
  r.cpu.quota = 25001;
  r.cpu.period = 50000;
  r.cpu.cpus = "0-2,9";
  r.pids_limit = -1;
  r.unified = {{"memory.high", "4096"}, {"memory.max", "max"}};
  std::vector<DbusProperty> wanted{{"MemorySwapMax", UINT64_MAX},       {"CPUWeight", uint64_t{100}},
                                   {"CPUQuotaPeriodUSec", uint64_t{50000}}, {"CPUQuotaPerSecUSec", uint64_t{510000}},
                                   {"AllowedCPUs", std::vector<uint8_t>{7, 2}}, {"TasksMax", UINT64_MAX},
                                   {"MemoryHigh", uint64_t{4096}},      {"MemoryMax", UINT64_MAX}};
  EXPECT_EQ(*systemd_limits(r, CgroupMode::V2), wanted);
  r.memory.swap = 1;
  EXPECT_FALSE(systemd_limits(r, CgroupMode::V2));
}

TEST(SystemdLimits, OfV1TellTheDevices) {
  oci::Resources r;
  r.memory.limit = 4096;
  r.cpu.shares = 512;
  r.cpu.quota = -1;
  r.devices = {{false, "", {}, {}, "rwm"}, {true, "c", 1, 3, "rw"}, {true, "b", {}, {}, "m"}, {true, "c", 136, {}, "rw"}, {true, "b", 136, {}, "rw"}};
  std::vector<DbusProperty> wanted{{"MemoryLimit", uint64_t{4096}}, {"CPUShares", uint64_t{512}}, {"CPUQuotaPerSecUSec", UINT64_MAX},
                                   {"DevicePolicy", std::string("strict")},
                                   {"DeviceAllow", DbusPairs{{"/dev/char/1:3", "rw"}, {"block-*", "m"}, {"char-pts", "rw"}}}};
  EXPECT_EQ(*systemd_limits(r, CgroupMode::Hybrid, "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  7 loop\n"), wanted);
}

TEST(SystemdAnnotations, AreProperties) {
  auto one = [](const char* text) { return systemd_annotations({{"org.systemd.property.Xyz", text}, {"other", "'"}}); };
  auto is = [&](const char* text, DbusValue value) {
    auto got = one(text);
    ASSERT_TRUE(got) << text;
    EXPECT_EQ(*got, (std::vector<DbusProperty>{{"Xyz", value}})) << text;
  };
  is("true", true);
  is("'it\\'s'", std::string("it's"));
  is("\"x\"", std::string("x"));
  is("7", int32_t{7});
  is("-7", int32_t{-7});
  is("uint64 18446744073709551615", UINT64_MAX);
  is("['a', 'b']", std::vector<std::string>{"a", "b"});
  is("[]", std::vector<std::string>{});
  for (const char* bad : {"", "x", "'x", "'x' y", "['a'", "['a' 'b']", "[1]", "uint64 -1", "99999999999"}) EXPECT_FALSE(one(bad)) << bad;
  EXPECT_EQ(*systemd_annotations({{"org.systemd.property.TimeoutStopSec", "2"}}),
            (std::vector<DbusProperty>{{"TimeoutStopUSec", uint64_t{2000000}}}));
  EXPECT_FALSE(systemd_annotations({{"org.systemd.property.TimeoutStopSec", "'2'"}}));
  EXPECT_FALSE(systemd_annotations({{"org.systemd.property.A b", "2"}}));
}

TEST(DbusLabels, EscapeWhatIsNoLetter) {
  EXPECT_EQ(dbus_label("runc-1.scope"), "runc_2d1_2escope");
  EXPECT_EQ(dbus_label("1a"), "_31a");
}

}  // namespace
}  // namespace hull::kernel
