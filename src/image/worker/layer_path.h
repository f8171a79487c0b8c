// What an entry's name in a layer means: its plain components, and whether it is a whiteout. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/limits.h"
#include "base/result.h"

namespace hull::image {

enum class LayerName { Plain, Whiteout, Opaque, Ignored };

struct LayerPath {
  LayerName kind = LayerName::Plain;
  std::vector<std::string> parents;
  std::string name;  // what is hidden, for a whiteout; empty for the root itself and for Opaque
  std::string parent_text() const;
};

// Leading slashes and "." are dropped. Unsafe: a ".." anywhere, a whiteout of nothing, "." or "..", anything below a
// whiteout's name (CVE class of SECURITY D4); or beyond the limits.
Result<LayerPath> parse_layer_path(std::string_view path, const TarLimits& limits);

// May this attribute of a layer be set? user.* and security.capability; never overlay's own (SECURITY D5).
bool xattr_allowed(std::string_view name);

}  // namespace hull::image
