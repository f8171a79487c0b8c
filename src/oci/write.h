// oci::Spec as the runtime-spec's config.json: members in the spec's order, absent what is not given. Pure.
#pragma once

#include "base/json.h"
#include "oci/spec.h"

namespace hull::oci {

json::value to_json(const Spec& spec);
json::value to_json(const Process& process);

}  // namespace hull::oci
