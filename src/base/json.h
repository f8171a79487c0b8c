// JSON access: Boost.JSON behind functions that return errors which name the path of the offending value.
// Parsing refuses duplicate keys, depth over 64 and trailing text; library exceptions stop here.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hull::json {

using boost::json::array;
using boost::json::object;
using boost::json::string;
using boost::json::value;

// `name` stands in the error ("config.json: …").
Result<value> parse(std::string_view text, std::string_view name);
std::string to_text(const value& v);                  // compact, one line
std::string to_pretty_text(const value& v, int indent = 4);  // as `docker inspect` indents

// A member of an object, or null when it is absent or `v` is no object.
const value* find(const value& v, std::string_view key);
std::string_view get_string(const value& v, std::string_view key, std::string_view fallback = {});
bool get_bool(const value& v, std::string_view key, bool fallback = false);
int64_t get_int(const value& v, std::string_view key, int64_t fallback = 0);

}  // namespace hull::json
