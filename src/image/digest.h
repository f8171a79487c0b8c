// Digest: a content address that cannot hold anything but "sha256:" and 64 lower-case hex digits, so that one may be
// put into a path or compared without another look. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hull::image {

class Digest {
 public:
  // "sha256:…"; Unsupported for another algorithm, Invalid for anything else.
  static Result<Digest> parse(std::string_view text);
  // The 64 hex digits alone.
  static Result<Digest> from_hex(std::string_view hex);

  std::string text() const { return "sha256:" + hex_; }
  const std::string& hex() const { return hex_; }
  std::string short_hex() const { return hex_.substr(0, 12); }
  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(std::string_view hex) : hex_(hex) {}
  std::string hex_;
};

bool is_hex64(std::string_view text);

}  // namespace hull::image
