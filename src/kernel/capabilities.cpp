#include "kernel/capabilities.h"

#include <sys/prctl.h>

#include <array>

#include "base/text.h"

namespace hull::kernel {

static constexpr std::array<std::string_view, kCapabilityCount> kNames{
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};

static constexpr std::string_view kPrefix = "CAP_";

std::string_view cap_name(int number) {
  return number >= 0 && number < kCapabilityCount ? kNames[number] : std::string_view{};
}

// Upper case with the prefix: how docker names a capability in its messages.
static std::string normalized(std::string_view name) {
  std::string upper = to_upper(name);
  if (!upper.starts_with(kPrefix)) upper.insert(0, kPrefix);
  return upper;
}

std::optional<int> cap_number(std::string_view name) {
  std::string wanted = normalized(name);
  for (int number = 0; number < kCapabilityCount; ++number)
    if (kNames[number] == wanted) return number;
  return std::nullopt;
}

std::vector<std::string> cap_names(CapMask mask) {
  std::vector<std::string> names;
  for (int number = 0; number < kCapabilityCount; ++number)
    if (mask & cap_bit(number)) names.emplace_back(kNames[number]);
  return names;
}

Result<CapMask> cap_mask(const std::vector<std::string>& names) {
  CapMask mask = 0;
  for (const std::string& name : names) {
    std::optional<int> number = cap_number(name);
    if (!number) return fail(ErrorKind::Invalid, format("unknown capability: \"{}\"", normalized(name)));
    mask |= cap_bit(*number);
  }
  return mask;
}

namespace {
struct CapList {
  CapMask mask = 0;
  bool all = false;
};
}  // namespace

static Result<CapList> parse_list(const std::vector<std::string>& names, std::string_view field, CapMask available) {
  CapList list;
  for (const std::string& name : names) {
    if (to_upper(name) == "ALL") {
      list.all = true;
      continue;
    }
    std::optional<int> number = cap_number(name);
    if (!number) return fail(ErrorKind::Invalid, format("invalid {}: unknown capability: \"{}\"", field, normalized(name)));
    if (!(available & cap_bit(*number)))
      return fail(ErrorKind::Invalid,
                  format("invalid {}: capability not supported by your kernel or not available in the current "
                         "environment: \"{}\"", field, normalized(name)));
    list.mask |= cap_bit(*number);
  }
  return list;
}

Result<CapMask> apply_cap_changes(CapMask defaults, const std::vector<std::string>& add,
                                  const std::vector<std::string>& drop, CapMask available) {
  CapList added = TRY(parse_list(add, "CapAdd", available));
  CapList dropped = TRY(parse_list(drop, "CapDrop", available));
  if (added.all) return available & ~dropped.mask;
  if (dropped.all) return added.mask;
  return (defaults & ~dropped.mask) | added.mask;
}

// KERNEL: EINVAL says that it has no such capability; capabilities(7), PR_CAPBSET_READ of prctl(2).
static CapMask ask_for_capabilities() {
  int count = kCapabilityCount;
  while (count > 0 && ::prctl(PR_CAPBSET_READ, count - 1, 0, 0, 0) < 0) --count;
  return cap_bit(count) - 1;
}

CapMask host_capabilities() {
  static const CapMask known = ask_for_capabilities();
  return known;
}

}  // namespace hull::kernel
