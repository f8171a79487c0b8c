#include "ns/group.h"

#include <algorithm>
#include <vector>

#include "base/fd.h"
#include "base/text.h"

namespace hull::ns {

std::string find_group(std::string_view mountinfo, std::string_view controllers, std::string_view path) {
  std::string found;
  for (std::string_view line : split_lines(mountinfo)) {
    size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::vector<std::string_view> fields = split_words(line.substr(0, dash)), source = split_words(line.substr(dash + 3));
    if (fields.size() < 5 || source.size() < 3 || source[0] != (controllers.empty() ? "cgroup2" : "cgroup")) continue;
    std::vector<std::string> options = split(source[2], ',');
    for (const std::string& controller : split(controllers, ','))
      if (!controller.empty() && std::find(options.begin(), options.end(), controller) == options.end()) options.clear();
    std::string_view root = fields[3] == "/" ? "" : fields[3];
    bool below = path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
    std::string directory = unescape_octal(fields[4]) + std::string(below ? path.substr(root.size()) : "");
    if (!options.empty() && below && path_exists(directory)) found = directory;
  }
  return found;
}

}  // namespace hull::ns
