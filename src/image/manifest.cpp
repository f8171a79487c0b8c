#include "image/manifest.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "image/limits.h"

namespace hull::image {
namespace {

constexpr std::array<std::string_view, 8> kLayerTypes{
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
};

tl::unexpected<Error> invalid(std::string_view what, std::string_view why) {
  return fail(ErrorKind::Invalid, format("{}: {}", what, why));
}

Result<std::map<std::string, std::string>> parse_annotations(const json::value& object, std::string_view what) {
  std::map<std::string, std::string> annotations;
  const json::value* member = json::find(object, "annotations");
  if (member == nullptr || member->is_null()) return annotations;
  if (!member->is_object()) return invalid(what, "annotations is no object");
  for (const auto& entry : member->get_object()) {
    if (!entry.value().is_string()) return invalid(what, "an annotation is no string");
    annotations.emplace(std::string(entry.key()), std::string(entry.value().get_string()));
  }
  return annotations;
}

Result<Descriptor> parse_descriptor(const json::value* object, std::string_view what) {
  if (object == nullptr || !object->is_object()) return invalid(what, "a descriptor is missing or no object");
  Digest digest = TRY_CONTEXT(Digest::parse(json::get_string(*object, "digest")), what);
  int64_t size = json::get_int(*object, "size", -1);
  if (size < 0) return invalid(what, format("the size of {} is missing or negative", digest.text()));
  Descriptor descriptor{std::string(json::get_string(*object, "mediaType")), digest, static_cast<uint64_t>(size), {}, {}};
  if (descriptor.media_type.empty()) return invalid(what, format("the media type of {} is missing", digest.text()));
  descriptor.annotations = TRY(parse_annotations(*object, what));
  if (const json::value* platform = json::find(*object, "platform"); platform != nullptr && platform->is_object())
    descriptor.platform = Platform{std::string(json::get_string(*platform, "architecture")),
                                   std::string(json::get_string(*platform, "os")),
                                   std::string(json::get_string(*platform, "variant"))};
  return descriptor;
}

Result<json::value> parse_document(std::string_view text, std::string_view what) {
  if (text.size() > kMaxDocumentBytes) return invalid(what, "larger than 4 MiB");
  json::value document = TRY(json::parse(text, what));
  if (!document.is_object()) return invalid(what, "not a JSON object");
  if (json::get_int(document, "schemaVersion", 0) != 2) return invalid(what, "schemaVersion is not 2");
  if (json::find(document, "fsLayers") != nullptr || json::find(document, "history") != nullptr)
    return invalid(what, "mixes an old docker schema with this one");
  return document;
}

// The type the document was announced with and the one it claims must be one and the same.
Result<> check_media_type(const json::value& document, std::string_view announced, std::string_view what) {
  const json::value* member = json::find(document, "mediaType");
  if (member == nullptr) return {};
  if (!member->is_string()) return invalid(what, "mediaType is no string");
  std::string_view own = json::get_string(document, "mediaType");
  if (!announced.empty() && own != announced)
    return invalid(what, format("announced as {}, but calls itself {}", announced, escape_controls(own)));
  return {};
}

}  // namespace

bool is_manifest_type(std::string_view type) { return type == kOciManifest || type == kDockerManifest; }
bool is_index_type(std::string_view type) { return type == kOciIndex || type == kDockerIndex; }
bool is_layer_type(std::string_view type) {
  return std::find(kLayerTypes.begin(), kLayerTypes.end(), type) != kLayerTypes.end();
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view media_type) {
  constexpr std::string_view kWhat = "image manifest";
  json::value document = TRY(parse_document(text, kWhat));
  TRY(check_media_type(document, media_type, kWhat));
  std::string_view type = media_type.empty() ? json::get_string(document, "mediaType", kOciManifest) : media_type;
  if (!is_manifest_type(type)) return invalid(kWhat, format("of the unknown type {}", escape_controls(type)));
  if (json::find(document, "manifests") != nullptr) return invalid(kWhat, "has both layers and manifests");
  Manifest manifest{TRY(parse_descriptor(json::find(document, "config"), kWhat)), {}};
  if (manifest.config.media_type != kOciConfig && manifest.config.media_type != kDockerConfig)
    return fail(ErrorKind::Unsupported, format("image manifest: not a container image but {}",
                                               escape_controls(manifest.config.media_type)));
  const json::value* layers = json::find(document, "layers");
  if (layers == nullptr || !layers->is_array()) return invalid(kWhat, "layers is missing");
  if (layers->get_array().size() > kMaxLayers) return invalid(kWhat, format("more than {} layers", kMaxLayers));
  for (const json::value& layer : layers->get_array()) {
    manifest.layers.push_back(TRY(parse_descriptor(&layer, kWhat)));
    if (!is_layer_type(manifest.layers.back().media_type))
      return fail(ErrorKind::Unsupported, format("image manifest: layer type {} is not supported",
                                                 escape_controls(manifest.layers.back().media_type)));
  }
  return manifest;
}

Result<Index> parse_index(std::string_view text, std::string_view media_type) {
  constexpr std::string_view kWhat = "image index";
  json::value document = TRY(parse_document(text, kWhat));
  TRY(check_media_type(document, media_type, kWhat));
  if (json::find(document, "layers") != nullptr || json::find(document, "config") != nullptr)
    return invalid(kWhat, "has both layers and manifests");
  const json::value* manifests = json::find(document, "manifests");
  if (manifests == nullptr || !manifests->is_array()) return invalid(kWhat, "manifests is missing");
  Index index;
  for (const json::value& entry : manifests->get_array()) index.manifests.push_back(TRY(parse_descriptor(&entry, kWhat)));
  return index;
}

Result<> check_layout_marker(std::string_view text) {
  json::value marker = TRY(json::parse(text, "oci-layout"));
  std::string_view version = json::get_string(marker, "imageLayoutVersion");
  if (version != "1.0.0")
    return fail(ErrorKind::Unsupported, format("oci-layout: version \"{}\" is not 1.0.0", escape_controls(version)));
  return {};
}

json::value descriptor_to_json(const Descriptor& descriptor) {
  json::object object;
  object["mediaType"] = descriptor.media_type;
  object["digest"] = descriptor.digest.text();
  object["size"] = descriptor.size;
  if (!descriptor.annotations.empty()) {
    json::object annotations;
    for (const auto& [key, text] : descriptor.annotations) annotations[key] = text;
    object["annotations"] = std::move(annotations);
  }
  if (descriptor.platform) {
    json::object platform{{"architecture", descriptor.platform->architecture}, {"os", descriptor.platform->os}};
    if (!descriptor.platform->variant.empty()) platform["variant"] = descriptor.platform->variant;
    object["platform"] = std::move(platform);
  }
  return object;
}

std::string manifest_to_text(const Manifest& manifest) {
  json::array layers;
  for (const Descriptor& layer : manifest.layers) layers.push_back(descriptor_to_json(layer));
  return json::to_text(json::object{{"schemaVersion", 2},
                                    {"mediaType", std::string(kOciManifest)},
                                    {"config", descriptor_to_json(manifest.config)},
                                    {"layers", std::move(layers)}});
}

std::string index_to_text(const Index& index) {
  json::array manifests;
  for (const Descriptor& manifest : index.manifests) manifests.push_back(descriptor_to_json(manifest));
  return json::to_text(json::object{
      {"schemaVersion", 2}, {"mediaType", std::string(kOciIndex)}, {"manifests", std::move(manifests)}});
}

}  // namespace hull::image
