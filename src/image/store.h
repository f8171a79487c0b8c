// The image store: an OCI image layout at ROOT/images that other tools can read, unpacked layers at ROOT/layers,
// writable snapshots at ROOT/snapshots. index.json is the truth about names; images/resolved/<id>.json says in one
// small file what a start needs. Reading takes no lock; changes hold one short lock, never while content is read.
// Fetching and unpacking is hull-image's work (image/worker_client.h).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "image/config.h"
#include "image/digest.h"
#include "image/reference.h"

namespace hull::image {

// What a container start takes from an image.
struct ResolvedImage {
  Digest id;                            // digest of the image's configuration: docker's image id
  std::string reference;                // familiar "busybox:latest" if found by name, else empty
  ImageConfig config;
  std::vector<std::string> chain_ids;   // hex, bottom layer first
  std::vector<std::string> lower_dirs;  // absolute, topmost first: overlay's lowerdir order
};

struct ImageSummary {  // one row of `images`: an image under one name
  Digest id;
  Digest manifest;
  std::string repository;  // familiar name, "<none>" when dangling
  std::string tag;         // "<none>" when dangling
  std::string created;     // RFC 3339 as in the image, may be empty
  uint64_t size = 0;       // bytes of all unpacked layers
  std::map<std::string, std::string> labels;
};

// A container's writable layer over an image.
struct Snapshot {
  std::string upper_dir, work_dir;
  std::vector<std::string> lower_dirs;  // topmost first
};

struct ImageUser {  // a container that uses an image
  std::string container_id;
  bool running = false;
};
// Says which containers use an image id; the engine knows, this room does not.
using ImageUsers = std::function<std::vector<ImageUser>(const Digest& id)>;

// What `rmi` prints: "Untagged: …" and "Deleted: …" lines in order.
struct RemoveReport { std::vector<std::string> lines; };

class ImageStore {
 public:
  // ROOT is HULL_ROOT; directories that are missing are made. Denied if ROOT is writable by others.
  static Result<ImageStore> open(const std::string& root);
  const std::string& root() const { return root_; }

  // By name (docker rules), id or unique id prefix (with or without "sha256:"), or name@digest. Names win. NotFound:
  // "No such image: busybox:latest" (docker's text; the caller adds its prefix).
  Result<ResolvedImage> resolve(std::string_view name_or_id) const;
  // As resolve; when the store lacks it, looks at the layouts installed with hull (installed_layouts()) and loads the
  // image from there through hull-image, once. NotFound when it is in neither.
  Result<ResolvedImage> resolve_or_load(std::string_view name_or_id) const;

  // Every name of every image, newest first; dangling ones have "<none>".
  Result<std::vector<ImageSummary>> list() const;
  // Docker's inspect object for one image.
  Result<json::value> inspect(std::string_view name_or_id) const;
  // docker rmi: untags, and deletes the image with its last name. Conflict when a container uses it (docker's text).
  Result<RemoveReport> remove(std::string_view name_or_id, bool force, const ImageUsers& users) const;
  Result<> tag(std::string_view source, std::string_view target) const;

  // Makes ROOT/snapshots/<container id>/{upper,work}; upper's root has the mode and owner of the image's.
  Result<Snapshot> create_snapshot(std::string_view container_id, const ResolvedImage& image) const;
  Result<Snapshot> find_snapshot(std::string_view container_id) const;
  // Renames it away and deletes it; missing is success. It must be unmounted.
  Result<> remove_snapshot(std::string_view container_id) const;

  // Removes staging left by dead processes and layers and blobs that nothing names.
  Result<> collect_garbage() const;

 private:
  explicit ImageStore(std::string root) : root_(std::move(root)) {}
  std::string root_;
};

// Directories that hold image layouts installed with hull: $HULL_IMAGES, or beside the executable (images/,
// ../share/hull/images). Each subdirectory is one OCI layout.
std::vector<std::string> installed_layouts();

}  // namespace hull::image
