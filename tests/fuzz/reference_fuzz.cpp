// Image references: what is accepted has one canonical form, and that form is its own.
#include <cstdint>
#include <cstdlib>

#include "image/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto reference = hull::image::parse_reference({reinterpret_cast<const char*>(data), size});
  if (!reference) return 0;
  auto again = hull::image::parse_reference(reference->text());
  if (!again || !(*again == *reference)) abort();
  return 0;
}
