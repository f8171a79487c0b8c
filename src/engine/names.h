// Container names and ids: what is a valid name, made-up names, matching an id by its beginning.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hull::engine {

// [a-zA-Z0-9][a-zA-Z0-9_.-]+ and at most 255 bytes.
bool is_valid_name(std::string_view name);
// Fails with docker's "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed".
Result<> check_name(std::string_view name);
// "adjective_surname" from 32 random bits or so; with attempt > 0 a digit is added.
std::string generate_name(unsigned attempt = 0);
// Whether `prefix` (1 to 64 lower-case hex digits) begins `id`.
bool id_has_prefix(std::string_view id, std::string_view prefix);
bool is_id_prefix(std::string_view text);
// The 12 digits that are shown.
inline std::string_view short_id(std::string_view id) { return id.substr(0, 12); }

}  // namespace hull::engine
