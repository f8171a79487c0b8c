#include "kernel/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <algorithm>
#include <bit>

#include "base/fd.h"

namespace hull::kernel {

TEST(Capabilities, TheTableFollowsTheKernelsNumbers) {
  EXPECT_EQ(kCapabilityCount, CAP_LAST_CAP + 1);
  EXPECT_EQ(cap_number("CAP_CHOWN"), CAP_CHOWN);
  EXPECT_EQ(cap_number("net_admin"), CAP_NET_ADMIN);
  EXPECT_EQ(cap_number("Cap_Sys_Admin"), CAP_SYS_ADMIN);
  EXPECT_EQ(cap_number("SETFCAP"), CAP_SETFCAP);
  EXPECT_EQ(cap_number("AUDIT_WRITE"), CAP_AUDIT_WRITE);
  EXPECT_EQ(cap_number("CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
  EXPECT_EQ(cap_number("WAKE_ALARM"), CAP_WAKE_ALARM);
  for (int number = 0; number < kCapabilityCount; ++number) EXPECT_EQ(cap_number(cap_name(number)), number);
  for (const char* bad : {"", "ALL", "CAP_", "CAP_FOO", "CHOWN ", "CAP_CAP_CHOWN"}) EXPECT_FALSE(cap_number(bad)) << bad;
  EXPECT_EQ(cap_name(41), "");
  EXPECT_EQ(cap_name(-1), "");
}

TEST(Capabilities, DefaultSetsArePodmansElevenAndDockersFourteen) {
  EXPECT_EQ(std::popcount(kPodmanDefaultCapabilities), 11);
  EXPECT_EQ(std::popcount(kDockerDefaultCapabilities), 14);
  EXPECT_EQ(kPodmanDefaultCapabilities, 0x800405fbu);  // as CapEff shows in a podman container
  EXPECT_EQ(kDockerDefaultCapabilities, 0xa80425fbu);  // as CapEff shows in a docker container
}

TEST(Capabilities, NamesAndMasksConvertBothWays) {
  EXPECT_EQ(cap_names(0x3), (std::vector<std::string>{"CAP_CHOWN", "CAP_DAC_OVERRIDE"}));
  EXPECT_EQ(*cap_mask(cap_names(kAllCapabilities)), kAllCapabilities);
  EXPECT_EQ(cap_mask({"CAP_CHOWN", "bogus"}).error().text(), "unknown capability: \"CAP_BOGUS\"");
}

TEST(ApplyCapChanges, FollowsDockersOrderAndItsMeaningOfAll) {
  constexpr CapMask base = kDockerDefaultCapabilities;
  EXPECT_EQ(*apply_cap_changes(base, {}, {}), base);
  EXPECT_EQ(*apply_cap_changes(base, {"NET_ADMIN"}, {}), base | cap_bit(CAP_NET_ADMIN));
  EXPECT_EQ(*apply_cap_changes(base, {}, {"chown"}), base & ~cap_bit(CAP_CHOWN));
  EXPECT_EQ(*apply_cap_changes(base, {"chown"}, {"cap_chown"}), base);  // dropped, then added
  EXPECT_EQ(*apply_cap_changes(base, {}, {"ALL"}), 0u);
  EXPECT_EQ(*apply_cap_changes(base, {"KILL"}, {"all"}), cap_bit(CAP_KILL));
  EXPECT_EQ(*apply_cap_changes(base, {"ALL"}, {"SYS_ADMIN"}), kAllCapabilities & ~cap_bit(CAP_SYS_ADMIN));
  EXPECT_EQ(*apply_cap_changes(base, {"ALL"}, {"ALL"}), kAllCapabilities);
  EXPECT_EQ(*apply_cap_changes(base, {"ALL"}, {}, 0xff), 0xffu);
}

TEST(ApplyCapChanges, NamesAnUnknownCapabilityAsDockerDoes) {
  EXPECT_EQ(apply_cap_changes(0, {"foo"}, {}).error().text(), "invalid CapAdd: unknown capability: \"CAP_FOO\"");
  EXPECT_EQ(apply_cap_changes(0, {}, {"CAP_FOO"}).error().text(), "invalid CapDrop: unknown capability: \"CAP_FOO\"");
  EXPECT_EQ(apply_cap_changes(0, {"BPF"}, {}, 0xff).error().kind(), ErrorKind::Invalid);
}

TEST(HostCapabilities, HoldsAtLeastTheOldOnes) {
  CapMask mask = host_capabilities();
  EXPECT_TRUE(mask & cap_bit(CAP_AUDIT_READ));
  EXPECT_EQ(std::bit_width(mask), std::min<int>(kCapabilityCount, std::stoi(*read_file("/proc/sys/kernel/cap_last_cap")) + 1));
}

}  // namespace hull::kernel
