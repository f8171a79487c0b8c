// What the runtime-spec demands of a configuration beyond its types, and what hull cannot apply: refused here, by
// field, before anything is made. Pure. Called by runtime/ after parse.h.
#pragma once

#include "base/result.h"
#include "oci/spec.h"

namespace hull::oci {

// Invalid for a contradiction or an unknown value, Unsupported for a setting that hull cannot apply.
Result<> validate(const Spec& spec);
Result<> validate(const Process& process);
Result<> validate(const Resources& resources);

// The type of the namespace whose setting it is ("network", "ipc", "uts"); "" for one of the whole host.
std::string_view sysctl_owner(std::string_view name);

}  // namespace hull::oci
