// The filters of `images`: dangling, label, before, since, reference. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/store.h"

namespace hull::cli {

// "key=value" each; different keys all hold, of one key any. Invalid for an unknown key or a missing image, in docker's words.
Result<std::vector<image::ImageSummary>> filter_images(std::vector<image::ImageSummary> rows, const std::vector<std::string>& filters);

}  // namespace hull::cli
