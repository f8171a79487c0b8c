#include "image/lookup.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace hull::image {
namespace {

std::optional<Match> find_by_name(const std::vector<NamedImage>& images, const Reference& reference) {
  for (const NamedImage& image : images) {
    if (image.name.empty()) continue;
    bool hit = reference.digest ? (*reference.digest == image.manifest.digest || *reference.digest == image.id) &&
                                      image.name.starts_with(reference.name() + ":")
                                : image.name == reference.full_tag();
    if (hit) return Match{image.id, familiar_of(image.name), image.name};
  }
  return std::nullopt;
}

bool is_hex(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::optional<Match>> find_by_id(const std::vector<NamedImage>& images, std::string_view text) {
  if (text.starts_with("sha256:")) text.remove_prefix(7);
  std::optional<Match> match;
  if (!is_hex(text)) return match;
  for (const NamedImage& image : images) {
    if (!image.id.hex().starts_with(text)) continue;
    if (match && match->id != image.id)
      return fail(ErrorKind::Invalid, format("multiple IDs found with provided prefix: {}; give more digits", text));
    match = Match{image.id, "", ""};
  }
  return match;
}

}  // namespace

Result<Match> find_image(const std::vector<NamedImage>& images, std::string_view name_or_id) {
  Result<Reference> reference = parse_reference(name_or_id);
  if (reference)
    if (std::optional<Match> match = find_by_name(images, *reference)) return *match;
  if (std::optional<Match> match = TRY(find_by_id(images, name_or_id))) return *match;
  bool id_like = is_hex64(name_or_id) || name_or_id.starts_with("sha256:");
  if (!reference && !id_like) return fail(std::move(reference).error());
  return fail(ErrorKind::NotFound,
              format("No such image: {}", id_like || !reference ? std::string(name_or_id) : reference->familiar()));
}

std::string familiar_of(const std::string& full_name) {
  Result<Reference> reference = parse_reference(full_name);
  return reference ? reference->familiar() : full_name;
}

std::optional<Reference> reference_of(const Descriptor& entry) {
  for (std::string_view key : {kContainerdNameKey, kRefNameKey}) {
    auto found = entry.annotations.find(std::string(key));
    if (found == entry.annotations.end() || found->second.empty()) continue;
    Result<Reference> reference = parse_reference(found->second);
    if (reference) return *reference;
  }
  return std::nullopt;
}

bool descriptor_names(const Descriptor& entry, const Reference& reference) {
  std::optional<Reference> own = reference_of(entry);
  if (!own || own->name() != reference.name()) return false;
  return reference.digest ? *reference.digest == entry.digest : own->tag == reference.tag;
}

std::optional<Digest> assign_name(std::vector<NamedImage>& images, NamedImage image, const std::string& full_name) {
  auto holder = std::find_if(images.begin(), images.end(), [&](const NamedImage& one) { return one.name == full_name; });
  std::optional<Digest> replaced;
  if (!full_name.empty() && holder != images.end()) {
    if (holder->id == image.id) return std::nullopt;
    replaced = holder->id;
    remove_name(images, full_name);
  }
  bool known = std::any_of(images.begin(), images.end(), [&](const NamedImage& one) { return one.id == image.id; });
  if (full_name.empty() && known) return std::nullopt;
  // A dangling entry of the same image gives way to the named one.
  std::erase_if(images, [&](const NamedImage& one) { return one.id == image.id && one.name.empty(); });
  image.name = full_name;
  images.push_back(std::move(image));
  return replaced;
}

void remove_name(std::vector<NamedImage>& images, const std::string& full_name) {
  auto holder = std::find_if(images.begin(), images.end(), [&](const NamedImage& one) { return one.name == full_name; });
  if (full_name.empty() || holder == images.end()) return;
  if (names_of(images, holder->id).size() > 1) images.erase(holder);
  else holder->name.clear();
}

std::vector<std::string> names_of(const std::vector<NamedImage>& images, const Digest& id) {
  std::vector<std::string> names;
  for (const NamedImage& image : images)
    if (image.id == id && !image.name.empty()) names.push_back(image.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace hull::image
