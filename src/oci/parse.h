// config.json, and the parts of it that travel alone, as runtime-spec data. Types are strict, null counts as absent,
// unknown members are ignored (runtime-spec, "Extensibility"). Pure. Errors name the field: "config.json:
// process.user.uid: expected an integer from 0 to 4294967295, not a string".
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "oci/spec.h"

namespace hull::oci {

// `name` stands in errors. Invalid for a malformed document, Unsupported for a facility that hull does not have.
Result<Spec> parse_spec(std::string_view text, std::string_view name);
Result<Process> parse_process(std::string_view text, std::string_view name);      // exec --process
Result<Resources> parse_resources(std::string_view text, std::string_view name);  // update --resources

}  // namespace hull::oci
