// Finding an image among the store's names, and what happens to names when one is given or taken. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/layout.h"
#include "image/reference.h"

namespace hull::image {

inline constexpr size_t kMaxInstalledIndexBytes = 1 << 20;

struct Match {
  Digest id;
  std::string reference;  // familiar name; empty when found by id
  std::string full_name;  // the name in the index; empty when found by id
};

// Names win over ids; NotFound with docker's "No such image: X:latest", Invalid for an ambiguous prefix.
Result<Match> find_image(const std::vector<NamedImage>& images, std::string_view name_or_id);
// "docker.io/library/busybox:latest" as "busybox:latest".
std::string familiar_of(const std::string& full_name);

// Does this entry of a foreign index carry the name? Understands containerd's, docker's, skopeo's and our annotations.
bool descriptor_names(const Descriptor& entry, const Reference& reference);
// The names that an entry of a foreign index carries, parsed.
std::optional<Reference> reference_of(const Descriptor& entry);

// Gives `image` the name. An image that had it becomes dangling unless it has another; returns its id if it was another.
std::optional<Digest> assign_name(std::vector<NamedImage>& images, NamedImage image, const std::string& full_name);
// Takes the name away; the image stays as dangling if that was its last.
void remove_name(std::vector<NamedImage>& images, const std::string& full_name);
// Every full name of the image, sorted.
std::vector<std::string> names_of(const std::vector<NamedImage>& images, const Digest& id);

}  // namespace hull::image
