// Puts staged layers, blobs and documents into the store under its lock: synced, renamed, then named in index.json.
// Never reads a layer's bytes.
#pragma once

#include <string>
#include <vector>

#include "image/layout.h"
#include "image/worker/image_plan.h"
#include "image/worker_client.h"

namespace hull::image {

// Conflict when a layer that was there before has gone meanwhile: unpack again.
Result<std::vector<LoadedImage>> commit_images(const StorePaths& paths, const std::string& staging,
                                               const std::vector<ImagePlan>& plans, bool keep_existing_names);

}  // namespace hull::image
