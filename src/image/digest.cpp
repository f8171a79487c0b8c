#include "image/digest.h"

#include <algorithm>

#include "base/text.h"

namespace hull::image {

bool is_hex64(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<Digest> Digest::from_hex(std::string_view hex) {
  if (!is_hex64(hex)) return fail(ErrorKind::Invalid, format("invalid digest \"{}\"", escape_controls(hex.substr(0, 80))));
  return Digest(hex);
}

Result<Digest> Digest::parse(std::string_view text) {
  if (text.starts_with("sha256:") && is_hex64(text.substr(7))) return Digest(text.substr(7));
  if (text.starts_with("sha512:") || text.starts_with("blake3:"))
    return fail(ErrorKind::Unsupported, format("digest \"{}\": only sha256 is supported", escape_controls(text.substr(0, 80))));
  return fail(ErrorKind::Invalid, format("invalid digest \"{}\"", escape_controls(text.substr(0, 80))));
}

}  // namespace hull::image
