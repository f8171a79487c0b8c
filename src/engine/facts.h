// What to_oci may know of the host, gathered for one start: the user looked up in the container's own files, the
// namespaces that it joins, devices, limits.
#pragma once

#include "engine/records.h"
#include "engine/sharing.h"
#include "engine/to_oci.h"

namespace hull::engine {

struct StartFacts {
  OciFacts oci;
  StartNamespaces namespaces;
  uint64_t owned_namespaces = 0;  // CLONE_NEW* of joined ones that the container's user namespace owns
};

// `layers`: the directories of the container's root, topmost first. `act`: see find_namespaces.
Result<StartFacts> gather_facts(const Layout& layout, const Record& record, const std::vector<std::string>& layers, bool act);

// Looks a user up in the texts of /etc/passwd and /etc/group with `group_add`.
Result<ResolvedUser> look_up_user(std::string_view user, const std::vector<std::string>& layers,
                                  const std::vector<std::string>& group_add);

// The root of a running container as a directory for look_up_user.
std::string running_root(pid_t pid);

// The device node `path` of the host; Invalid with docker's text if it is none.
Result<oci::Device> host_device(const std::string& path);
std::vector<oci::Device> all_host_devices();

}  // namespace hull::engine
