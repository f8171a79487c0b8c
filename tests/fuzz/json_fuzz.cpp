// JSON as we accept it: what was parsed prints as text that parses again.
#include <cstdint>
#include <cstdlib>

#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto parsed = hull::json::parse({reinterpret_cast<const char*>(data), size}, "input");
  if (!parsed) return 0;
  auto again = hull::json::parse(hull::json::to_text(*parsed), "again");
  if (!again) abort();
  return 0;
}
