// What an archive or an OCI directory holds, by name: each member copied into the staging area as a plain file whose
// digest was taken on the way. An archive is taken apart by a confined reader, in one pass, so standard input will do.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "image/digest.h"
#include "image/worker/source.h"

namespace hull::image {

struct Blob {
  std::string path;  // under staging
  Digest digest;     // of its bytes
  uint64_t size = 0;
  Compression compression = Compression::None;
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // Nothing if there is no such member.
  virtual Result<std::optional<Blob>> get(const std::string& name) = 0;
  // A small document; Invalid when it is missing.
  Result<std::string> read_document(const std::string& name);
};

// `input` is an archive, or a directory when it is one. `staging` is a directory of ours.
Result<std::unique_ptr<ImageSource>> open_source(const Fd& input, const std::string& staging);

}  // namespace hull::image
