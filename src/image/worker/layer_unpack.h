// Unpacks layers into staging, several at once, each in a confined reader. A layer that refers to those below it waits
// for them; otherwise all run side by side. What a reader may not do itself is finished here: opaque marks, the root's
// attributes, layer.json.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "image/layout.h"
#include "image/worker/image_source.h"

namespace hull::image {

struct LayerJob {
  std::string chain;                      // its chain id
  Digest diff_id;                         // what its bytes must add up to
  Blob blob;
  std::vector<std::string> lower_chains;  // bottom first
};

using UnpackProgress = std::function<void(const LayerJob& job, uint64_t done, bool complete)>;

// Jobs in an order in which each stands after those below it. Makes STAGING/layers/<chain>/{fs,layer.json}.
Result<> unpack_layers(const StorePaths& paths, const std::string& staging, const std::vector<LayerJob>& jobs,
                       const UnpackProgress& progress);

// The size that layer.json of an unpacked layer states.
Result<uint64_t> layer_size(const std::string& layer_directory);

// A root file system's tar as the only layer of an image: unpacked, and kept uncompressed as a blob.
struct ImportedLayer { Digest diff_id; std::string blob_path; uint64_t blob_size = 0; };
// Makes STAGING/layers/<diff id>/{fs,layer.json}.
Result<ImportedLayer> unpack_import(const std::string& staging, const Fd& input);

}  // namespace hull::image
