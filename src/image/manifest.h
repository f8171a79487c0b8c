// The image-spec's descriptors, manifests and indexes as data. A document is read as exactly one thing: by the media
// type it was announced with, which its own must not contradict; one with both "layers" and "manifests" is refused
// (CVE-2021-41190). Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "image/digest.h"

namespace hull::image {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayerTar = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";

// Where a descriptor's full name stands in an index: ours and skopeo's key, and containerd's and docker's.
inline constexpr std::string_view kRefNameKey = "org.opencontainers.image.ref.name";
inline constexpr std::string_view kContainerdNameKey = "io.containerd.image.name";

struct Platform { std::string architecture, os, variant; };

struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
};

struct Index {
  std::vector<Descriptor> manifests;
};

bool is_manifest_type(std::string_view media_type);
bool is_index_type(std::string_view media_type);
bool is_layer_type(std::string_view media_type);  // tar, tar+gzip, tar+zstd of OCI and docker

// `media_type` is what the document was announced as; empty if by nothing.
Result<Manifest> parse_manifest(std::string_view text, std::string_view media_type);
Result<Index> parse_index(std::string_view text, std::string_view media_type = kOciIndex);
// Unsupported unless it is {"imageLayoutVersion": "1.0.0"}.
Result<> check_layout_marker(std::string_view text);

json::value descriptor_to_json(const Descriptor& descriptor);
std::string manifest_to_text(const Manifest& manifest);
std::string index_to_text(const Index& index);

}  // namespace hull::image
