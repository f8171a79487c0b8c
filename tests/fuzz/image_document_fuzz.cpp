// Image configurations from a stranger: no crash, and what is accepted survives being written and read.
#include <cstdint>
#include <cstdlib>

#include "image/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto document = hull::image::parse_image_document({reinterpret_cast<const char*>(data), size});
  if (!document) return 0;
  auto again = hull::image::parse_image_config(hull::image::image_config_to_json(document->config));
  if (!again) abort();
  return 0;
}
