// The one table of capability names and numbers (capabilities(7)), sets as 64-bit masks, the default sets of Podman
// and Docker, and Docker's rules for --cap-add and --cap-drop. Pure but for host_capabilities().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hull::kernel {

using CapMask = uint64_t;  // bit N is capability number N

constexpr int kCapabilityCount = 41;  // CAP_CHOWN (0) to CAP_CHECKPOINT_RESTORE (40)
constexpr CapMask kAllCapabilities = (CapMask{1} << kCapabilityCount) - 1;
constexpr CapMask cap_bit(int number) { return CapMask{1} << number; }

// Podman's 11: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP.
// hull's default (SECURITY §5); ping works through net.ipv4.ping_group_range.
constexpr CapMask kPodmanDefaultCapabilities = cap_bit(0) | cap_bit(1) | cap_bit(3) | cap_bit(4) | cap_bit(5) |
                                               cap_bit(6) | cap_bit(7) | cap_bit(8) | cap_bit(10) | cap_bit(18) |
                                               cap_bit(31);
// Docker's 14: those and NET_RAW, MKNOD, AUDIT_WRITE.
constexpr CapMask kDockerDefaultCapabilities = kPodmanDefaultCapabilities | cap_bit(13) | cap_bit(27) | cap_bit(29);

// "CAP_CHOWN" for 0; empty beyond the table.
std::string_view cap_name(int number);
// "CAP_NET_ADMIN", "net_admin", "Cap_Net_Admin"; nothing for an unknown name ("ALL" is none).
std::optional<int> cap_number(std::string_view name);

// Names in order of number, as the runtime-spec writes them.
std::vector<std::string> cap_names(CapMask mask);
// The mask of names; fails with Invalid, naming the first unknown one.
Result<CapMask> cap_mask(const std::vector<std::string>& names);

// What --cap-add and --cap-drop make of `defaults`, by Docker's rules: add ALL gives `available` without the dropped;
// drop ALL gives the added alone; otherwise drop, then add (so a name in both is added). An unknown name fails with
// docker's text: `invalid CapAdd: unknown capability: "CAP_FOO"`; one that is not in `available` likewise.
Result<CapMask> apply_cap_changes(CapMask defaults, const std::vector<std::string>& add,
                                  const std::vector<std::string>& drop, CapMask available = kAllCapabilities);

// Every capability this kernel has, limited to those that hull knows.
CapMask host_capabilities();

}  // namespace hull::kernel
