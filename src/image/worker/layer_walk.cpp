// LayerTree's way from an entry's name to a directory handle: through this layer's own tree, and where that has
// nothing, through what the layers below would show there.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <dirent.h>
#include <memory>

#include "base/text.h"
#include "image/worker/layer_tree.h"

namespace hull::image {
namespace {

constexpr int kMaxLinks = 40;

void push_components(std::vector<std::string>& pending, std::string_view path) {
  std::vector<std::string> pieces = split(path, '/');
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
    if (!piece->empty() && *piece != ".") pending.push_back(std::move(*piece));
}

Result<std::string> link_text(int handle, std::string_view name) {
  char buffer[PATH_MAX];
  ssize_t size = ::readlinkat(handle, "", buffer, sizeof buffer);
  if (size < 0) return fail_errno("readlink", name);
  return std::string(buffer, static_cast<size_t>(size));
}

tl::unexpected<Error> not_a_directory(std::string_view entry, std::string_view name) {
  return fail(ErrorKind::Invalid, format("layer: \"{}\": \"{}\" on its way is not a directory",
                                         escape_controls(entry.substr(0, 256)), escape_controls(name)));
}

// Empties a directory that this layer itself made.
Result<> remove_children(Fd directory) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory.get()), ::closedir);
  if (!stream) return fail_errno("fdopendir", "layer");
  int raw = directory.release();
  while (dirent* entry = ::readdir(stream.get())) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(raw, name.c_str(), 0) == 0) continue;
    if (errno != EISDIR) return fail_errno("unlink", name);
    Fd child(::openat(raw, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) return fail_errno("open", name);
    TRY(remove_children(std::move(child)));
    if (::unlinkat(raw, name.c_str(), AT_REMOVEDIR) != 0) return fail_errno("rmdir", name);
  }
  return {};
}

}  // namespace

Result<const LayerTree::Directory*> LayerTree::parent_of(const LayerPath& path) {
  std::string text = path.parent_text();
  if (!cache_valid_ || text != cached_parent_) {
    cached_ = TRY(walk(path.parents, text));
    cached_parent_ = std::move(text);
    cache_valid_ = true;
  }
  return &cached_;
}

Result<LayerTree::Directory> LayerTree::walk(const std::vector<std::string>& parents, std::string_view entry) {
  Directory here;
  here.handle = TRY(root_.duplicate());
  std::vector<std::string> pending(parents.rbegin(), parents.rend());
  links_followed_ = 0;
  while (!pending.empty()) {
    std::string name = std::move(pending.back());
    pending.pop_back();
    if (name == "..") TRY(climb(here));  // only a link's text can hold one
    else TRY(step(here, name, pending, entry));
    if (here.path.size() > limits_.max_depth) return fail(Error::from_errno(ENAMETOOLONG, "resolve", entry.substr(0, 256)));
  }
  return here;
}

// ".." without asking the kernel: from the root again by plain names that were just walked.
Result<> LayerTree::climb(Directory& here) {
  if (here.path.empty()) return {};
  std::vector<std::string> path(here.path.begin(), here.path.end() - 1);
  here.handle = TRY(root_.duplicate());
  here.path.clear();
  for (const std::string& name : path) TRY(enter(here, name));
  return {};
}

Result<> LayerTree::enter(Directory& here, const std::string& name) {
  Fd next(::openat(here.handle.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!next) return fail_errno("openat", name);
  here.handle = std::move(next);
  here.path.push_back(name);
  return {};
}

Result<> LayerTree::step(Directory& here, const std::string& name, std::vector<std::string>& pending, std::string_view entry) {
  Fd next(::openat(here.handle.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!next && errno == ENOENT) return step_missing(here, name, pending, entry);
  if (!next) return fail_errno("openat", name);
  struct stat status;
  if (::fstat(next.get(), &status) != 0) return fail_errno("fstat", name);
  if (S_ISDIR(status.st_mode)) {
    here.handle = std::move(next);
    here.path.push_back(name);
    return {};
  }
  if (S_ISLNK(status.st_mode)) {
    if (++links_followed_ > kMaxLinks) return fail(Error::from_errno(ELOOP, "resolve", entry.substr(0, 256)));
    std::string target = TRY(link_text(next.get(), name));
    if (target.starts_with('/')) {
      here.handle = TRY(root_.duplicate());
      here.path.clear();
    }
    push_components(pending, target);
    return {};
  }
  if (!is_whiteout(status)) return not_a_directory(entry, name);
  // This layer hid the name and now puts something below it: a new directory that hides what was there.
  TRY(clear_place(here, name));
  if (::mkdirat(here.handle.get(), name.c_str(), 0755) != 0) return fail_errno("mkdir", name);
  TRY(enter(here, name));
  opaque_.insert(join(here.path, "/"));
  return {};
}

// This layer's tree has no such name yet: take what the lower layers show there, or make a plain directory.
Result<> LayerTree::step_missing(Directory& here, const std::string& name, std::vector<std::string>& pending, std::string_view entry) {
  std::vector<std::string> path = here.path;
  path.push_back(name);
  bool hidden = false;
  for (std::string prefix; const std::string& component : here.path) {
    prefix += (prefix.empty() ? "" : "/") + component;
    hidden = hidden || opaque_.contains(prefix);
  }
  std::optional<LowerEntry> lower;
  if (!hidden && !opaque_.contains("")) lower = TRY(lowers_.find(path));
  if (lower && S_ISLNK(lower->status.st_mode)) {
    if (++links_followed_ > kMaxLinks) return fail(Error::from_errno(ELOOP, "resolve", entry.substr(0, 256)));
    std::string target = TRY(link_text(lower->handle.get(), name));
    if (target.starts_with('/')) {
      here.handle = TRY(root_.duplicate());
      here.path.clear();
    }
    push_components(pending, target);
    return {};
  }
  if (lower && !S_ISDIR(lower->status.st_mode)) return not_a_directory(entry, name);
  if (::mkdirat(here.handle.get(), name.c_str(), 0755) != 0) return fail_errno("mkdir", name);
  TRY(enter(here, name));
  if (!lower) return {};
  if (::fchownat(here.handle.get(), "", lower->status.st_uid, lower->status.st_gid, AT_EMPTY_PATH) != 0) return fail_errno("chown", name);
  Fd directory(::openat(here.handle.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno("open", name);
  if (::fchmod(directory.get(), lower->status.st_mode & 07777) != 0) return fail_errno("chmod", name);
  directory_times_[join(here.path, "/")] = PaxTime{lower->status.st_mtim.tv_sec, static_cast<uint32_t>(lower->status.st_mtim.tv_nsec)};
  return {};
}

Result<bool> LayerTree::clear_place(const Directory& parent, const std::string& name) {
  struct stat status;
  if (::fstatat(parent.handle.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    return fail_errno("stat", name);
  }
  if (S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode)) cache_valid_ = false;  // the cached way may lead through it
  if (S_ISDIR(status.st_mode)) {
    Fd child(::openat(parent.handle.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) return fail_errno("open", name);
    TRY(remove_children(std::move(child)));
    if (::unlinkat(parent.handle.get(), name.c_str(), AT_REMOVEDIR) != 0) return fail_errno("rmdir", name);
    std::vector<std::string> path = parent.path;
    path.push_back(name);
    std::string gone = join(path, "/"), below = gone + "/";
    std::erase_if(opaque_, [&](const std::string& one) { return one == gone || one.starts_with(below); });
    std::erase_if(directory_times_, [&](const auto& one) { return one.first == gone || one.first.starts_with(below); });
    return false;
  }
  if (::unlinkat(parent.handle.get(), name.c_str(), 0) != 0) return fail_errno("unlink", name);
  return is_whiteout(status);
}

// A hard link to a file of a lower layer: this layer gets its own copy first, as overlay would make one.
Result<> LayerTree::copy_up(const LowerEntry& from, const Directory& parent, const std::string& name) {
  if (!S_ISREG(from.status.st_mode))
    return fail(ErrorKind::Unsupported, format("layer: a hard link to \"{}\" of another layer, which is no regular file", escape_controls(name)));
  Fd source(::openat(from.parent.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!source) return fail_errno("open", name);
  Fd target(::openat(parent.handle.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!target) return fail_errno("create", name);
  std::vector<char> buffer(128 << 10);
  for (ssize_t got; (got = ::read(source.get(), buffer.data(), buffer.size())) != 0;) {
    if (got < 0) return fail_errno("read", name);
    TRY(write_all(target, {buffer.data(), static_cast<size_t>(got)}, name));
  }
  if (::fchown(target.get(), from.status.st_uid, from.status.st_gid) != 0) return fail_errno("chown", name);
  if (::fchmod(target.get(), from.status.st_mode & 07777) != 0) return fail_errno("chmod", name);
  timespec times[2] = {from.status.st_atim, from.status.st_mtim};
  if (::futimens(target.get(), times) != 0) return fail_errno("utimensat", name);
  return {};
}

}  // namespace hull::image
