// The Dockerfile instructions that import's --change takes. Pure.
#pragma once

#include <string>
#include <vector>

#include "image/config.h"

namespace hull::image {

// CMD ENTRYPOINT ENV EXPOSE LABEL USER VOLUME WORKDIR STOPSIGNAL; Invalid for another, with docker's words.
Result<ImageConfig> apply_changes(const std::vector<std::string>& changes);

}  // namespace hull::image
