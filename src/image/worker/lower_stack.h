// The layers below the one that is being unpacked, seen as overlay would show them. Asked only when a layer names
// something without its parents, or links to a file of another layer; waits until those layers are complete.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace hull::image {

struct LowerEntry {
  Fd parent;  // O_PATH; the entry's own name under it leads to `handle`
  Fd handle;  // O_PATH|O_NOFOLLOW
  struct stat status;
};

class LowerStack {
 public:
  // Topmost first. `wait` returns when all of them are complete, or an error when one of them failed.
  LowerStack(std::vector<Fd> layers, std::function<Result<>()> wait) : layers_(std::move(layers)), wait_(std::move(wait)) {}
  bool empty() const { return layers_.empty(); }

  // `path` has no links on its way: plain components. Nothing if no layer has it or one hides it.
  Result<std::optional<LowerEntry>> find(const std::vector<std::string>& path);

 private:
  enum class Verdict { Found, Absent, Hidden };
  Result<Verdict> find_in(const Fd& layer, const std::vector<std::string>& path, LowerEntry& found) const;

  std::vector<Fd> layers_;
  std::function<Result<>()> wait_;
  bool waited_ = false;
};

inline bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

inline constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";

}  // namespace hull::image
