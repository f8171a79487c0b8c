// Id maps for a new user namespace as unshare(1) takes them: parsing, subordinate ids, and fitting in the one id that
// --map-user adds. Pure but for load_subordinate_ids.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hull::ns {

struct IdRange {
  uint32_t outer = 0;                 // first id outside
  std::optional<uint32_t> inner = 0;  // first id inside; absent: where the single mapping leaves room
  uint32_t count = 0;
};

// "OUTER,INNER,COUNT" (util-linux 2.38) or "INNER:OUTER:COUNT" (2.39 and later).
Result<IdRange> parse_id_range(std::string_view text);

// The first range of `user` (by name or number) in the text of /etc/subuid or /etc/subgid.
std::optional<IdRange> find_subordinate_range(std::string_view text, std::string_view name, uid_t uid);
Result<IdRange> load_subordinate_ids(const std::string& path, uid_t uid);

// All ids of the current namespace, unchanged, from the text of /proc/self/uid_map.
std::vector<IdRange> identity_ranges(std::string_view current_map);

struct SingleId { uint32_t outer, inner; };

// The lines of uid_map: `single` first, then each range with room made for it.
std::string id_map_text(const std::vector<IdRange>& ranges, std::optional<SingleId> single);

// A user or group by name or number, from /etc/passwd or /etc/group (never NSS: nothing is loaded).
Result<uint32_t> find_id(const std::string& database, std::string_view name_or_number);
// The name of a uid, or nothing.
std::optional<std::string> find_user_name(uid_t uid);

}  // namespace hull::ns
