// hull-image's jobs: load an archive or layout, import a root file system. Each leaves either the whole result in the
// store or nothing.
#pragma once

#include <functional>
#include <vector>

#include "image/worker_client.h"

namespace hull::image {

Result<std::vector<LoadedImage>> run_load(const LoadRequest& request, const ProgressCallback& progress);
Result<LoadedImage> run_import(const ImportRequest& request, const ProgressCallback& progress);

}  // namespace hull::image
