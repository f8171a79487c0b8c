// Manifests and indexes from a stranger: what is accepted is one of the two, never both, and reads back as itself.
#include <cstdint>
#include <cstdlib>

#include "image/manifest.h"

using namespace hull::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto manifest = parse_manifest(text, "");
  auto index = parse_index(text, "");
  if (manifest && index) abort();
  if (manifest) {
    auto again = parse_manifest(manifest_to_text(*manifest), kOciManifest);
    if (!again || manifest_to_text(*again) != manifest_to_text(*manifest)) abort();
  }
  if (index && !parse_index(index_to_text(*index), kOciIndex)) abort();
  return 0;
}
