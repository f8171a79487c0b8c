// The doctor's look at network links: of containers that nothing reaches, and of this host into containers that are gone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/doctor.h"
#include "engine/layout.h"

namespace hull::engine {

// `known` are the ids that have a record. Links of hull's own making there are none yet: what is told of was made by
// others, for containers of hull.
std::vector<Finding> examine_links(const Layout& layout, const std::set<std::string>& known);

}  // namespace hull::engine
