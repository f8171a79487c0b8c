#include "image/worker/lower_stack.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <cerrno>

namespace hull::image {
namespace {

bool is_opaque(const Fd& parent, const std::string& name) {
  Fd directory(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  char value = 0;
  return directory && ::fgetxattr(directory.get(), kOpaqueXattr, &value, 1) == 1 && value == 'y';
}

}  // namespace

Result<std::optional<LowerEntry>> LowerStack::find(const std::vector<std::string>& path) {
  if (layers_.empty() || path.empty()) return std::optional<LowerEntry>();
  if (!waited_) TRY(wait_());
  waited_ = true;
  LowerEntry found;
  for (const Fd& layer : layers_) {
    switch (TRY(find_in(layer, path, found))) {
      case Verdict::Found: return std::optional<LowerEntry>(std::move(found));
      case Verdict::Hidden: return std::optional<LowerEntry>();
      case Verdict::Absent: break;
    }
  }
  return std::optional<LowerEntry>();
}

Result<LowerStack::Verdict> LowerStack::find_in(const Fd& layer, const std::vector<std::string>& path, LowerEntry& found) const {
  Fd held;
  bool opaque = false;
  for (size_t at = 0; at < path.size(); ++at) {
    const Fd& here = held ? held : layer;
    Fd next(::openat(here.get(), path[at].c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next && errno == ENOENT) return opaque ? Verdict::Hidden : Verdict::Absent;
    if (!next) return fail_errno("openat", path[at]);
    if (::fstat(next.get(), &found.status) != 0) return fail_errno("fstat", path[at]);
    if (is_whiteout(found.status)) return Verdict::Hidden;
    bool last = at + 1 == path.size();
    if (!last && !S_ISDIR(found.status.st_mode)) return Verdict::Hidden;
    if (!last && is_opaque(here, path[at])) opaque = true;
    if (last) {
      found.parent = held ? std::move(held) : TRY(layer.duplicate());
      found.handle = std::move(next);
    } else {
      held = std::move(next);
    }
  }
  return Verdict::Found;
}

}  // namespace hull::image
