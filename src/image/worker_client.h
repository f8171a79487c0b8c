// Runs hull-image (the program with the heavy libraries) for one job and relays what it reports. Called by load,
// import and by the first use of an installed image. hull itself never reads an archive.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "image/digest.h"

namespace hull::image {

struct LoadedImage {
  Digest id;
  std::string reference;               // familiar; empty for an image without a name
  std::optional<Digest> replaced;      // the image that lost this name
};

// One line of progress: a layer (short id), bytes done, bytes in all (0: unknown) and "Unpacking", "Done", ….
struct WorkerProgress {
  std::string layer, state;
  uint64_t done = 0, total = 0;
};
using ProgressCallback = std::function<void(const WorkerProgress&)>;

struct LoadRequest {
  std::string root;                  // HULL_ROOT
  std::string input;                 // archive file or OCI layout directory; "-" for standard input
  std::vector<std::string> only;     // names to take; empty: all
  bool keep_existing_names = false;  // a name that exists already stays as it is (first use of installed images)
};
Result<std::vector<LoadedImage>> load_images(const LoadRequest& request, const ProgressCallback& progress);

struct ImportRequest {
  std::string root;
  std::string input;                 // rootfs tar, "-" for standard input
  std::string reference;             // may be empty
  std::string message;
  std::vector<std::string> changes;  // Dockerfile instructions: CMD, ENV, EXPOSE, …
};
Result<LoadedImage> import_image(const ImportRequest& request, const ProgressCallback& progress);

// $HULL_IMAGE_PROGRAM for tests, beside the running executable, or in ../libexec/hull.
Result<std::string> find_worker_program();

}  // namespace hull::image
