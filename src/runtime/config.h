// What a caller asks of a bundle before it is run.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "oci/spec.h"

namespace hull::runtime {

// Of a config.json: read and checked. Errors begin with "config.json: ".
Result<oci::Spec> parse_config(std::string_view text);
// Whether the descriptors of --preserve-fds are open; before we open any of our own.
Result<> check_preserved(uint32_t count);

}  // namespace hull::runtime
