#include "image/worker/layer_path.h"

#include "base/text.h"

namespace hull::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.", kMeta = ".wh..wh.", kOpaque = ".wh..wh..opq";

tl::unexpected<Error> unsafe(std::string_view path, std::string_view why) {
  return fail(ErrorKind::Unsafe, format("layer: \"{}\" {}", escape_controls(path.substr(0, 256)), why));
}

}  // namespace

std::string LayerPath::parent_text() const { return join(parents, "/"); }

Result<LayerPath> parse_layer_path(std::string_view path, const TarLimits& limits) {
  LayerPath result;
  for (std::string& component : split(path, '/')) {
    if (component.empty() || component == ".") continue;
    if (component == "..") return unsafe(path, "climbs with \"..\"");
    if (component.size() > limits.max_name_bytes) return unsafe(path, format("has a name beyond {} bytes", limits.max_name_bytes));
    if (component.find('\0') != std::string::npos) return unsafe(path, "has a zero byte");
    result.parents.push_back(std::move(component));
  }
  if (result.parents.size() > limits.max_depth) return unsafe(path, format("is deeper than {} directories", limits.max_depth));
  if (result.parents.empty()) return result;
  result.name = std::move(result.parents.back());
  result.parents.pop_back();
  for (const std::string& parent : result.parents)
    if (parent.starts_with(kWhiteout)) return unsafe(path, "lies below a whiteout");
  if (!result.name.starts_with(kWhiteout)) return result;
  if (result.name == kOpaque) {
    result.kind = LayerName::Opaque;
    result.name.clear();
  } else if (result.name == ".wh..wh.plnk" || result.name == ".wh..wh.aufs" || result.name == ".wh..wh.orph") {
    result.kind = LayerName::Ignored;  // aufs' own books
  } else {
    if (result.name.starts_with(kMeta)) return unsafe(path, "is an unknown kind of whiteout");
    result.kind = LayerName::Whiteout;
    result.name.erase(0, kWhiteout.size());
    if (result.name.empty() || result.name == "." || result.name == "..") return unsafe(path, "is a whiteout of nothing");
  }
  return result;
}

bool xattr_allowed(std::string_view name) {
  if (name == "security.capability") return true;
  return name.starts_with("user.") && name.size() > 5 && !name.starts_with("user.overlay.");
}

}  // namespace hull::image
