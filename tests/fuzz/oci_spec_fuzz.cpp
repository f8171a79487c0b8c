// config.json: what is accepted and written again reads as the same document, and validating never crashes.
#include <cstdint>
#include <cstdlib>

#include "oci/parse.h"
#include "oci/validate.h"
#include "oci/write.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hull;
  auto spec = oci::parse_spec({reinterpret_cast<const char*>(data), size}, "input");
  if (!spec) return 0;
  (void)oci::validate(*spec);
  std::string once = json::to_text(oci::to_json(*spec));
  auto again = oci::parse_spec(once, "again");
  if (!again || json::to_text(oci::to_json(*again)) != once) abort();
  return 0;
}
