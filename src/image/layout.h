// Where things stand under HULL_ROOT, the store's lock, index.json as a list of named images, and the small record a
// start reads. Private to this room.
//
//   images/oci-layout, images/index.json, images/blobs/sha256/HEX   the OCI image layout
//   images/resolved/HEX                                             ImageRecord by image id
//   layers/CHAIN/fs, layers/CHAIN/layer.json                        an unpacked layer over its parents
//   snapshots/CONTAINER/{upper,work,lower}                          a container's writable layer
//   staging/…                                                       work in progress and trash (staging.h)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "image/config.h"
#include "image/manifest.h"

namespace hull::image {

struct StorePaths {
  std::string root;
  std::string images() const { return root + "/images"; }
  std::string index() const { return root + "/images/index.json"; }
  std::string blobs() const { return root + "/images/blobs/sha256"; }
  std::string blob(const Digest& digest) const { return blobs() + "/" + digest.hex(); }
  std::string records() const { return root + "/images/resolved"; }
  std::string record(const Digest& id) const { return records() + "/" + id.hex(); }
  std::string layers() const { return root + "/layers"; }
  std::string layer(const std::string& chain) const { return root + "/layers/" + chain; }
  std::string layer_tree(const std::string& chain) const { return root + "/layers/" + chain + "/fs"; }
  std::string snapshots() const { return root + "/snapshots"; }
  std::string snapshot(std::string_view container) const { return root + "/snapshots/" + std::string(container); }
  std::string staging() const { return root + "/staging"; }
};

// One entry of index.json: an image under one name, or under none (dangling).
struct NamedImage {
  Digest id;            // of the configuration
  Descriptor manifest;  // without our annotations
  std::string name;     // "docker.io/library/busybox:latest" or empty
};

Result<std::vector<NamedImage>> read_index(const StorePaths& paths);
Result<> write_index(const StorePaths& paths, const std::vector<NamedImage>& images);

struct ImageRecord {
  Digest id, manifest;
  std::string created, architecture, os, variant;
  uint64_t size = 0;
  std::vector<std::string> chain_ids;  // bottom first
  ImageConfig config;
};

std::string record_to_text(const ImageRecord& record);
Result<ImageRecord> parse_record(std::string_view text);
Result<ImageRecord> read_record(const StorePaths& paths, const Digest& id);

// Held while index.json, layers/ or blobs/ change; shared while a snapshot pins its layers. An open-file-description
// lock: it dies with its holder.
class StoreLock {
 public:
  enum class Mode { Shared, Exclusive };
  static Result<StoreLock> take(const StorePaths& paths, Mode mode);

 private:
  explicit StoreLock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

// Takes an open-file-description lock on a file that it makes if needed; with `wait` false, no descriptor when another
// holds it.
Result<std::optional<Fd>> lock_file(const std::string& path, bool exclusive, bool wait);

// Makes the directories of a fresh store. Cheap when they are there.
Result<> ensure_layout(const StorePaths& paths);

// Moves what nothing names into staging's trash and deletes it: layers, blobs, records. Call with the lock held.
Result<std::vector<std::string>> sweep_unreferenced(const StorePaths& paths, const std::vector<NamedImage>& images);

}  // namespace hull::image
