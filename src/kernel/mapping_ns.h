// A user namespace that exists only for its id maps: what mount_setattr(2) takes for a mapped mount.
#pragma once

#include <vector>

#include "base/fd.h"
#include "oci/spec.h"

namespace hull::kernel {

Result<Fd> make_mapping_namespace(const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids);
// The lines of uid_map or gid_map.
std::string id_map_text(const std::vector<oci::IdMapping>& map);

}  // namespace hull::kernel
