// Id maps of user namespaces: written, and a namespace that exists only for them (what mount_setattr(2) takes).
#pragma once

#include <vector>

#include "base/fd.h"
#include "oci/spec.h"

namespace hull::kernel {

Result<Fd> make_mapping_namespace(const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids);
// The lines of uid_map or gid_map.
std::string id_map_text(const std::vector<oci::IdMapping>& map);
// Writes both maps of a process in a new user namespace. What an ordinary user may not write himself goes through
// newuidmap and newgidmap (setuid, /etc/subuid). `deny_setgroups`: an unprivileged writer of gid_map must.
Result<> write_id_maps(pid_t process, const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids, bool deny_setgroups);

}  // namespace hull::kernel
