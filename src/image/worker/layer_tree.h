// Applies a layer's entries to a directory, as overlay's upper would have recorded them: whiteouts become character
// devices 0:0, opaque marks are collected for the committer (they need a privilege this process gave up). Nothing is
// ever resolved by string: each component is opened by its plain name under a handle, links are followed as text
// inside the root, and the last component is created O_EXCL|O_NOFOLLOW. Runs inside the confined reader.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "image/worker/layer_path.h"
#include "image/worker/lower_stack.h"
#include "image/worker/tar_reader.h"

namespace hull::image {

class LayerTree {
 public:
  LayerTree(Fd root, LowerStack lowers, TarLimits limits) : root_(std::move(root)), lowers_(std::move(lowers)), limits_(limits) {}

  // Applies every entry that `reader` gives, then the directories' times.
  Result<> apply_all(TarReader& reader);

  const std::set<std::string>& opaque_directories() const { return opaque_; }  // "a/b", "" is the root
  bool root_was_set() const { return root_set_; }
  uint64_t bytes_written() const { return bytes_; }

 private:
  struct Directory {  // where an entry goes: a handle and the real components that lead there
    Fd handle;
    std::vector<std::string> path;
  };

  Result<> apply(const TarEntry& entry, TarReader& reader);
  Result<> apply_root(const TarEntry& entry);
  Result<> apply_whiteout(const LayerPath& path);
  Result<> make_directory(const TarEntry& entry, const Directory& parent, const std::string& name);
  Result<> make_file(const TarEntry& entry, TarReader& reader, const Directory& parent, const std::string& name);
  Result<> make_symlink(const TarEntry& entry, const Directory& parent, const std::string& name);
  Result<> make_node(const TarEntry& entry, const Directory& parent, const std::string& name);
  Result<> make_hard_link(const TarEntry& entry, const LayerPath& path);

  // layer_walk.cpp: finding places.
  Result<const Directory*> parent_of(const LayerPath& path);
  Result<Directory> walk(const std::vector<std::string>& parents, std::string_view entry);
  Result<> step(Directory& here, const std::string& name, std::vector<std::string>& pending, std::string_view entry);
  Result<> step_missing(Directory& here, const std::string& name, std::vector<std::string>& pending, std::string_view entry);
  Result<> enter(Directory& here, const std::string& name);
  Result<> climb(Directory& here);
  Result<> copy_up(const LowerEntry& from, const Directory& parent, const std::string& name);
  // Removes whatever has the name, a whole tree of ours if need be. True if it was a whiteout.
  Result<bool> clear_place(const Directory& parent, const std::string& name);

  Fd root_;
  LowerStack lowers_;
  TarLimits limits_;
  std::set<std::string> opaque_;
  std::map<std::string, PaxTime> directory_times_;
  std::string cached_parent_;
  Directory cached_;
  bool cache_valid_ = false, root_set_ = false;
  int links_followed_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace hull::image
