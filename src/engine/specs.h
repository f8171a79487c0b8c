// Parsers of the small languages inside run's flags: volumes, mounts, tmpfs, devices, limits, users, namespaces.
// Pure and strict: the whole string or an error with docker's words; never a silent default (SECURITY N1, C1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"

namespace hull::engine {

// "SOURCE:TARGET[:ro,rprivate,…]". `working_directory` resolves "./x".
Result<MountSpec> parse_volume(std::string_view text, std::string_view working_directory);
// "type=bind,source=…,target=…[,readonly…]", "type=tmpfs,target=…[,tmpfs-size=…]" (one CSV line).
Result<MountSpec> parse_mount(std::string_view text);
// "PATH[:options]".
Result<MountSpec> parse_tmpfs(std::string_view text);
// "HOST[:PATH[:rwm]]".
Result<DeviceSpec> parse_device(std::string_view text);
// "NAME=SOFT[:HARD]", -1 unlimited.
Result<Ulimit> parse_ulimit(std::string_view text);
// "CONTAINER:HOST:SIZE".
Result<IdMap> parse_id_map(std::string_view text);
// docker's capability spellings ("net_admin", "CAP_NET_ADMIN", "ALL") to "CAP_…" or "ALL".
Result<std::string> parse_capability(std::string_view text);

// One SPEC of `--ns KIND=SPEC`, --net, --pid, …; `flag` names it in errors ("--network"). For time also "+1d", "-2h".
Result<NamespaceSpec> parse_namespace(kernel::NsKind kind, std::string_view spec, std::string_view flag);
// "+1d", "-90", "2h30m": seconds, for the offsets of a time namespace.
Result<int64_t> parse_time_offset(std::string_view text);

// USER[:GROUP]. Digits only are a number up to 2^32-2; anything else is a name; an empty half is "not given".
struct UserSpec {
  std::optional<uint32_t> uid, gid;
  std::string user, group;  // names where no number was given
};
Result<UserSpec> parse_user(std::string_view text);

struct ResolvedUser {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> additional_gids;
  std::string home = "/";
};
// Looks names up in the container's own /etc/passwd and /etc/group (class 2 text: malformed lines are skipped).
// Fails with "unable to find user NAME: no matching entries in passwd file" (or group); never falls back to 0.
Result<ResolvedUser> resolve_user(const UserSpec& spec, std::string_view passwd, std::string_view group,
                                  const std::vector<std::string>& group_add = {});

// Lexical clean-up of an absolute path: no "//", ".", "..", trailing slash. Not for opening anything.
std::string clean_path(std::string_view path);

}  // namespace hull::engine
