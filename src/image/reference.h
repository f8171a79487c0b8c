// Image references as docker reads them (distribution/reference): no domain is docker.io, no slash is library/, no
// tag is latest, name:tag@digest keeps both. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "image/digest.h"

namespace hull::image {

struct Reference {
  std::string domain;  // "docker.io", "localhost:5000"
  std::string path;    // "library/busybox"
  std::string tag;     // "latest"; empty only if a digest was given without a tag
  std::optional<Digest> digest;

  std::string name() const { return domain + "/" + path; }  // "docker.io/library/busybox"
  std::string familiar_name() const;                         // "busybox"
  std::string familiar() const;                              // "busybox:latest", "busybox@sha256:…"
  // "docker.io/library/busybox:latest"; the digest is left out. The key under which the store keeps a tag.
  std::string full_tag() const { return name() + ":" + tag; }
  std::string text() const;  // everything, normalised; parses back to an equal value
  bool operator==(const Reference&) const = default;
};

// Invalid with docker's words ("invalid reference format", "… must be lowercase", …).
Result<Reference> parse_reference(std::string_view text);

}  // namespace hull::image
