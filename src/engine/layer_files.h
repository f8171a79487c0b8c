// Reads a file of a container that does not run yet: from the topmost directory of its layer stack that has it, with
// whiteouts and opaque directories respected. The content is the image's (class 2): bounded, regular files only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hull::engine {

constexpr size_t kMaxAccountFile = 4 << 20;

// `path` is absolute with one parent ("/etc/passwd"); nothing if no layer has it. Invalid for a pipe, a device or a
// file larger than `limit` in its place (SECURITY C9).
Result<std::optional<std::string>> read_layer_file(const std::vector<std::string>& directories, std::string_view path,
                                                   size_t limit = kMaxAccountFile);

}  // namespace hull::engine
