// What a confined reader does with one layer, and what it says about it. Runs with the layer's directory as its root.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "image/digest.h"

namespace hull::image {

struct LayerInput {
  const Fd& blob;
  const std::vector<Fd>& lowers;          // topmost first
  std::function<Result<>()> wait_lowers;
  std::function<void(uint64_t)> on_progress;
  const Fd* copy = nullptr;               // gets the uncompressed tar
  bool end_marker = false;                // no digest will tell whether the tar is whole
};

struct LayerOutcome {
  Digest diff_id;
  uint64_t bytes = 0, tar_bytes = 0;
  bool root_was_set = false;
  std::vector<std::string> opaque;
};

Result<std::string> read_layer(const LayerInput& input);
Result<LayerOutcome> parse_outcome(std::string_view text);

}  // namespace hull::image
