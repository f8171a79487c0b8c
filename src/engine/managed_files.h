// The files that docker manages for a container and binds over the image's own: /etc/hosts, /etc/hostname and
// /etc/resolv.conf. Their texts are pure; writing puts them into the record's directory.
#pragma once

#include <string>
#include <string_view>

#include "engine/record.h"

namespace hull::engine {

std::string hosts_text(std::string_view hostname, std::string_view domainname);
// The host's resolv.conf; with an own net namespace without name servers on loopback, which it could not reach.
std::string resolv_conf_text(std::string_view host_text, bool own_network);

// Writes all three into `directory`.
// `shared`: the record directory of the container whose network is shared, or "": its names come first.
Result<> write_managed_files(const std::string& directory, const Record& record, const std::string& shared);

}  // namespace hull::engine
