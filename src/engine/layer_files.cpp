#include "engine/layer_files.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/text.h"
#include "kernel/rootfd.h"

namespace hull::engine {
namespace {

bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0); }

bool is_opaque(const kernel::RootFd& root, std::string_view directory) {
  auto handle = root.resolve_no_follow(directory);
  if (!handle) return false;
  char value = 0;
  std::string self = format("/proc/self/fd/{}", handle->get());
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"})
    if (::getxattr(self.c_str(), name, &value, 1) == 1 && value == 'y') return true;
  return false;
}

// Whether layers below this one are hidden at `path`.
bool hides(const kernel::RootFd& root, std::string_view path) {
  auto own = root.stat(path);
  if (own && is_whiteout(*own)) return true;
  std::string_view parent = path.substr(0, path.rfind('/'));
  if (parent.empty()) return false;
  auto above = root.stat(parent);
  return above && (is_whiteout(*above) || !S_ISDIR(above->st_mode) || is_opaque(root, parent));
}

}  // namespace

Result<std::optional<std::string>> read_layer_file(const std::vector<std::string>& directories, std::string_view path,
                                                   size_t limit) {
  for (const std::string& directory : directories) {
    kernel::RootFd root = TRY(kernel::RootFd::open_root(directory));
    auto content = root.read_untrusted_file(path, limit);
    if (content) return std::optional<std::string>(std::move(*content));
    if (hides(root, path)) return std::optional<std::string>();
    ErrorKind kind = content.error().kind();
    if (kind != ErrorKind::NotFound && content.error().errno_value() != ENOTDIR)
      return fail(std::move(content).error().with_context(format("read the container's {}", path)));
  }
  return std::optional<std::string>();
}

}  // namespace hull::engine
