#include "image/worker/layer_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace hull::image {
namespace {

std::string shown(std::string_view path) { return escape_controls(path.substr(0, 256)); }

tl::unexpected<Error> unsafe(const TarEntry& entry, std::string_view why) {
  return fail(ErrorKind::Unsafe, format("layer: \"{}\" {}", shown(entry.path), why));
}

timespec to_timespec(const PaxTime& time) {
  return {static_cast<time_t>(time.seconds), static_cast<long>(time.nanoseconds)};
}

// Owner first: chown clears the set-id bits and the capabilities that mode and attributes then set.
Result<> set_attributes(const Fd& file, const TarEntry& entry) {
  if (::fchown(file.get(), entry.uid, entry.gid) != 0) return fail_errno("chown", shown(entry.path));
  if (::fchmod(file.get(), entry.mode) != 0) return fail_errno("chmod", shown(entry.path));
  for (const auto& [name, value] : entry.xattrs) {
    if (!xattr_allowed(name)) continue;
    if (::fsetxattr(file.get(), name.c_str(), value.data(), value.size(), 0) == 0) continue;
    if (errno != EOPNOTSUPP) return fail_errno("setxattr", shown(entry.path));
  }
  return {};
}

// Of something that cannot be opened: a link, a device. One plain name under a handle, never followed.
Result<> set_attributes_at(const Fd& parent, const std::string& name, const TarEntry& entry) {
  if (::fchownat(parent.get(), name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("chown", shown(entry.path));
  timespec times[2] = {to_timespec(entry.mtime), to_timespec(entry.mtime)};
  if (::utimensat(parent.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("utimensat", shown(entry.path));
  return {};
}

std::string joined(const std::vector<std::string>& path, const std::string& name) {
  std::string text = join(path, "/");
  return text.empty() ? name : text + "/" + name;
}

Result<> pwrite_all(const Fd& file, std::span<const unsigned char> data, uint64_t offset, std::string_view name) {
  while (!data.empty()) {
    ssize_t put = ::pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write", shown(name));
    data = data.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return {};
}

// The stored bytes go where the segments say; everything else stays a hole.
Result<> write_sparse(const Fd& file, const TarEntry& entry, TarReader& reader) {
  std::span<const unsigned char> data;
  for (SparseSegment segment : entry.segments) {
    while (segment.length > 0) {
      if (data.empty()) data = TRY(reader.read_data());
      if (data.empty()) return fail(ErrorKind::Corrupt, format("tar: \"{}\" ends early", shown(entry.path)));
      size_t part = static_cast<size_t>(std::min<uint64_t>(segment.length, data.size()));
      TRY(pwrite_all(file, data.first(part), segment.offset, entry.path));
      data = data.subspan(part);
      segment.offset += part;
      segment.length -= part;
    }
  }
  if (::ftruncate(file.get(), static_cast<off_t>(entry.apparent_size)) != 0) return fail_errno("ftruncate", shown(entry.path));
  return {};
}

Result<> write_data(const Fd& file, const TarEntry& entry, TarReader& reader) {
  if (entry.sparse) return write_sparse(file, entry, reader);
  for (;;) {
    std::span<const unsigned char> data = TRY(reader.read_data());
    if (data.empty()) return {};
    TRY(write_all(file, {reinterpret_cast<const char*>(data.data()), data.size()}, shown(entry.path)));
  }
}

}  // namespace

Result<> LayerTree::apply_all(TarReader& reader) {
  while (std::optional<TarEntry> entry = TRY(reader.next())) TRY(apply(*entry, reader));
  for (const auto& [path, time] : directory_times_) {
    Fd here = TRY(root_.duplicate());
    for (const std::string& name : split(path, '/')) {
      if (name.empty()) continue;
      here = Fd(::openat(here.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!here) return fail_errno("openat", path);
    }
    timespec times[2] = {to_timespec(time), to_timespec(time)};
    if (::utimensat(here.get(), "", times, AT_EMPTY_PATH) != 0) return fail_errno("utimensat", path);
  }
  return {};
}

Result<> LayerTree::apply(const TarEntry& entry, TarReader& reader) {
  LayerPath path = TRY(parse_layer_path(entry.path, limits_));
  if (path.kind == LayerName::Ignored) return {};
  if (path.kind != LayerName::Plain) return apply_whiteout(path);
  if (path.name.empty()) return apply_root(entry);
  const Directory* parent = TRY(parent_of(path));
  switch (entry.type) {
    case EntryType::Directory: return make_directory(entry, *parent, path.name);
    case EntryType::File: return make_file(entry, reader, *parent, path.name);
    case EntryType::Symlink: return make_symlink(entry, *parent, path.name);
    case EntryType::HardLink: return make_hard_link(entry, path);
    case EntryType::CharDevice: case EntryType::BlockDevice: case EntryType::Fifo: return make_node(entry, *parent, path.name);
  }
  return {};
}

Result<> LayerTree::apply_root(const TarEntry& entry) {
  if (entry.type != EntryType::Directory) return unsafe(entry, "would replace the root directory");
  Fd root(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return fail_errno("open", "layer root");
  TRY(set_attributes(root, entry));
  directory_times_[""] = entry.mtime;
  root_set_ = true;
  return {};
}

// A whiteout hides the lower layers' name; what this same layer has under that name stays (image-spec, layer.md).
Result<> LayerTree::apply_whiteout(const LayerPath& path) {
  if (lowers_.empty()) return {};
  const Directory* parent = TRY(parent_of(path));
  if (path.kind == LayerName::Opaque) {
    opaque_.insert(join(parent->path, "/"));
    return {};
  }
  struct stat status;
  if (::fstatat(parent->handle.get(), path.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(status.st_mode)) opaque_.insert(joined(parent->path, path.name));
    return {};
  }
  if (errno != ENOENT) return fail_errno("stat", path.name);
  // KERNEL: a character device 0:0 is overlay's whiteout and needs no CAP_MKNOD; since 5.8; mknod(2).
  if (::mknodat(parent->handle.get(), path.name.c_str(), S_IFCHR, 0) != 0) return fail_errno("mknod", path.name);
  return {};
}

Result<> LayerTree::make_directory(const TarEntry& entry, const Directory& parent, const std::string& name) {
  std::string path = joined(parent.path, name);
  if (::mkdirat(parent.handle.get(), name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return fail_errno("mkdir", shown(entry.path));
    struct stat status;
    if (::fstatat(parent.handle.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("stat", shown(entry.path));
    if (!S_ISDIR(status.st_mode)) {
      // A new directory where this layer hid or replaced a name shows nothing of the layers below.
      bool hid = TRY(clear_place(parent, name));
      if (::mkdirat(parent.handle.get(), name.c_str(), 0700) != 0) return fail_errno("mkdir", shown(entry.path));
      if (hid) opaque_.insert(path);
    }
  }
  Fd directory(::openat(parent.handle.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return fail_errno("open", shown(entry.path));
  TRY(set_attributes(directory, entry));
  directory_times_[std::move(path)] = entry.mtime;
  return {};
}

Result<> LayerTree::make_file(const TarEntry& entry, TarReader& reader, const Directory& parent, const std::string& name) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Fd file(::openat(parent.handle.get(), name.c_str(), kFlags, 0600));
  if (!file && errno == EEXIST) {
    TRY(clear_place(parent, name));
    file = Fd(::openat(parent.handle.get(), name.c_str(), kFlags, 0600));
  }
  if (!file) return fail_errno("create", shown(entry.path));
  TRY(write_data(file, entry, reader));
  TRY(set_attributes(file, entry));
  timespec times[2] = {to_timespec(entry.mtime), to_timespec(entry.mtime)};
  if (::futimens(file.get(), times) != 0) return fail_errno("utimensat", shown(entry.path));
  bytes_ += entry.stored_size;
  return {};
}

Result<> LayerTree::make_symlink(const TarEntry& entry, const Directory& parent, const std::string& name) {
  if (entry.link_target.empty()) return unsafe(entry, "is a link to nothing");
  TRY(clear_place(parent, name));
  if (::symlinkat(entry.link_target.c_str(), parent.handle.get(), name.c_str()) != 0) return fail_errno("symlink", shown(entry.path));
  return set_attributes_at(parent.handle, name, entry);
}

Result<> LayerTree::make_node(const TarEntry& entry, const Directory& parent, const std::string& name) {
  mode_t kind = entry.type == EntryType::Fifo ? S_IFIFO : entry.type == EntryType::CharDevice ? S_IFCHR : S_IFBLK;
  dev_t device = kind == S_IFIFO ? 0 : ::makedev(entry.device_major, entry.device_minor);
  // SECURITY D5: a layer may not smuggle in overlay's own whiteout.
  if (kind == S_IFCHR && device == 0) return unsafe(entry, "is the character device 0:0");
  TRY(clear_place(parent, name));
  if (::mknodat(parent.handle.get(), name.c_str(), kind | 0600, device) != 0) return fail_errno("mknod", shown(entry.path));
  TRY(set_attributes_at(parent.handle, name, entry));
  // The name was made just now in a tree that only this process can reach, and is no link.
  if (::fchmodat(parent.handle.get(), name.c_str(), entry.mode, 0) != 0) return fail_errno("chmod", shown(entry.path));
  return {};
}

Result<> LayerTree::make_hard_link(const TarEntry& entry, const LayerPath& path) {
  LayerPath target = TRY(parse_layer_path(entry.link_target, limits_));
  if (target.kind != LayerName::Plain || target.name.empty()) return unsafe(entry, "is a hard link to no plain name");
  Directory from = TRY(walk(target.parents, entry.link_target));
  struct stat status{}, own{};
  if (::fstatat(from.handle.get(), target.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) return fail_errno("stat", shown(entry.link_target));
    std::vector<std::string> full = from.path;
    full.push_back(target.name);
    std::optional<LowerEntry> lower = TRY(lowers_.find(full));
    if (!lower) return fail(ErrorKind::Invalid, format("layer: \"{}\" is a hard link to \"{}\", which does not exist", shown(entry.path), shown(entry.link_target)));
    TRY(copy_up(*lower, from, target.name));
  } else if (S_ISDIR(status.st_mode) || is_whiteout(status)) {
    return unsafe(entry, "is a hard link to a directory or a whiteout");
  }
  const Directory* parent = TRY(parent_of(path));
  if (::fstatat(parent->handle.get(), path.name.c_str(), &own, AT_SYMLINK_NOFOLLOW) == 0) {
    bool same = own.st_ino == status.st_ino && own.st_dev == status.st_dev;
    if (same) return {};  // linked to itself: nothing to do, and clearing the place would lose it
    TRY(clear_place(*parent, path.name));
  }
  // Flags 0: the target itself is linked, a symbolic link is not followed.
  if (::linkat(from.handle.get(), target.name.c_str(), parent->handle.get(), path.name.c_str(), 0) != 0)
    return fail_errno("link", shown(entry.path));
  return {};
}

}  // namespace hull::image
