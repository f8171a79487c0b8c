#include "kernel/rootfd.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <vector>

#include "base/text.h"

namespace hull::kernel {
namespace {

constexpr int kMaxRaceRetries = 128;  // openat2 says EAGAIN when a rename raced with ".."
constexpr int kMaxLinks = 40;         // as the kernel's own limit
bool g_walk_forced = false;

tl::unexpected<Error> refuse(std::string_view path, std::string_view why) {
  return fail(ErrorKind::Unsafe, format("path \"{}\": {}", escape_controls(path), why));
}

Result<> check_text(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return refuse(path, "contains a zero byte");
  if (path.size() >= PATH_MAX) return fail(Error::from_errno(ENAMETOOLONG, "resolve", path.substr(0, 64)));
  return {};
}

// "" and "/" name the root itself.
std::string relative_text(std::string_view path) { return path.empty() ? "." : std::string(path); }

Result<Fd> resolve_by_openat2(const Fd& root, std::string_view path, int flags) {
  std::string text = relative_text(path);
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  // KERNEL: RESOLVE_IN_ROOT keeps "..", absolute paths and absolute links inside; since 5.6; openat2(2). The chroot-like
  // string checks that it replaces are the bug behind a third of all container escapes.
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < kMaxRaceRetries; ++attempt) {
    Fd fd(static_cast<int>(::syscall(SYS_openat2, root.get(), text.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno != EAGAIN && errno != EINTR) return fail_errno("openat2", path);
  }
  return fail(Error::from_errno(EAGAIN, "openat2", path));
}

// Pushes the components of `path` so that the first ends on top.
void push_components(std::vector<std::string>& pending, std::string_view path) {
  std::vector<std::string> pieces = split(path, '/');
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
    if (!piece->empty() && *piece != ".") pending.push_back(std::move(*piece));
}

Result<std::string> read_link_of(const Fd& link, std::string_view name) {
  char buffer[PATH_MAX];
  ssize_t size = ::readlinkat(link.get(), "", buffer, sizeof buffer);
  if (size < 0) return fail_errno("readlink", name);
  return std::string(buffer, static_cast<size_t>(size));
}

// KERNEL: the links of /proc/PID lead anywhere whatever their text says; those beside the PIDs (self, mounts, net) are
// plain; proc(5).
Result<> check_link(const Fd& parent, const Fd& link, std::string_view name) {
  constexpr long kProcMagic = 0x9fa0;
  constexpr ino_t kProcTop = 1;
  struct statfs fs;
  struct stat above;
  if (::fstatfs(link.get(), &fs) != 0 || ::fstat(parent.get(), &above) != 0) return fail_errno("fstat", name);
  if (fs.f_type == kProcMagic && above.st_ino != kProcTop) return fail(Error::from_errno(ELOOP, "openat", name));
  return {};
}

Result<std::string> path_of(const Fd& fd) {
  char path[PATH_MAX];
  ssize_t size = ::readlink(format("/proc/self/fd/{}", fd.get()).c_str(), path, sizeof path);
  if (size < 0) return fail_errno("readlink", "/proc/self/fd");
  return std::string(path, static_cast<size_t>(size));
}

// The walk that stands in for openat2 where a kernel or a filter refuses it: one component at a time by O_NOFOLLOW,
// ".." by going back to the handle we came from (never asked of the kernel), links spliced in as text. Its end must lie
// beneath the root (EAGAIN): a directory on the way may have been moved out meanwhile, and we with it. A root that is the
// process's own has nothing above it, and needs no /proc.
class ComponentWalk {
 public:
  explicit ComponentWalk(const Fd& root) : root_(root) {
    struct stat given, own;
    alone_ = ::fstat(root.get(), &given) == 0 && ::stat("/", &own) == 0 && given.st_dev == own.st_dev && given.st_ino == own.st_ino;
  }

  Result<Fd> run(std::string_view path, int flags) {
    push_components(pending_, path);
    bool directory_wanted = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    while (!pending_.empty()) {
      std::string name = std::move(pending_.back());
      pending_.pop_back();
      if (name == "..") {
        if (!trail_.empty()) trail_.pop_back();
        continue;
      }
      bool follow = !pending_.empty() || directory_wanted || (flags & O_NOFOLLOW) == 0;
      TRY(enter(name, follow));
    }
    Fd reached = TRY(reopen(flags | (directory_wanted ? O_DIRECTORY : 0), path));
    if (alone_) return reached;
    std::string top = TRY(path_of(root_)), end = TRY(path_of(reached));
    if (top == "/" || end == top || end.starts_with(top + "/")) return reached;
    return fail(Error::from_errno(EAGAIN, "openat", path));
  }

 private:
  const Fd& here() const { return trail_.empty() ? root_ : trail_.back(); }

  Result<> enter(const std::string& name, bool follow) {
    Fd next(::openat(here().get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return fail_errno("openat", name);
    struct stat status;
    if (::fstat(next.get(), &status) != 0) return fail_errno("fstat", name);
    if (S_ISLNK(status.st_mode) && follow) {
      if (++links_ > kMaxLinks) return fail(Error::from_errno(ELOOP, "openat", name));
      if (!alone_) TRY(check_link(here(), next, name));
      std::string target = TRY(read_link_of(next, name));
      if (target.starts_with('/')) trail_.clear();
      push_components(pending_, target);
      return {};
    }
    trail_.push_back(std::move(next));
    last_name_ = name;
    return {};
  }

  // Opens what the walk ended on with the flags wanted, by its plain name under its parent, and checks it is the same.
  Result<Fd> reopen(int flags, std::string_view path) {
    if (trail_.empty()) {
      Fd root(::openat(root_.get(), ".", flags | O_CLOEXEC));
      if (!root) return fail_errno("openat", path);
      return root;
    }
    struct stat walked, opened;
    if (::fstat(trail_.back().get(), &walked) != 0) return fail_errno("fstat", path);
    if (S_ISDIR(walked.st_mode)) {
      Fd directory(::openat(trail_.back().get(), ".", flags | O_CLOEXEC));
      if (!directory) return fail_errno("openat", path);
      return directory;
    }
    const Fd& parent = trail_.size() > 1 ? trail_[trail_.size() - 2] : root_;
    Fd fd(::openat(parent.get(), last_name_.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return fail_errno("openat", path);
    if (::fstat(fd.get(), &opened) != 0) return fail_errno("fstat", path);
    if (opened.st_ino != walked.st_ino || opened.st_dev != walked.st_dev) return refuse(path, "was exchanged while it was opened");
    return fd;
  }

  const Fd& root_;
  std::vector<Fd> trail_;             // handles from below the root to where we are
  std::vector<std::string> pending_;  // components still to go, next on top
  std::string last_name_;
  int links_ = 0;
  bool alone_ = false;
};

}  // namespace

void RootFd::force_component_walk(bool on) { g_walk_forced = on; }

Result<RootFd> RootFd::open_root(const std::string& host_path) {
  return RootFd(TRY(open_file(host_path, O_PATH | O_DIRECTORY | O_NOFOLLOW)));
}

Result<Fd> RootFd::resolve_flags(std::string_view path, int flags) const {
  TRY(check_text(path));
  if (!g_walk_forced) {
    Result<Fd> fd = resolve_by_openat2(directory_, path, flags);
    if (fd || fd.error().errno_value() != ENOSYS) return fd;
  }
  for (int attempt = 1;; ++attempt) {
    Result<Fd> fd = ComponentWalk(directory_).run(path, flags);
    if (fd || fd.error().errno_value() != EAGAIN || attempt == kMaxRaceRetries) return fd;
  }
}

Result<Fd> RootFd::resolve(std::string_view path) const { return resolve_flags(path, O_PATH); }
Result<Fd> RootFd::resolve_no_follow(std::string_view path) const { return resolve_flags(path, O_PATH | O_NOFOLLOW); }

Result<Fd> RootFd::open(std::string_view path, int flags) const {
  if ((flags & (O_CREAT | O_TMPFILE)) != 0 && (flags & O_TMPFILE) != O_DIRECTORY)
    return fail(ErrorKind::Invalid, "RootFd::open: creating is create()'s work");
  return resolve_flags(path, flags);
}

Result<RootFd::Place> RootFd::locate(std::string_view path) const {
  TRY(check_text(path));
  size_t slash = path.rfind('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return refuse(path, "has no plain last name");
  std::string_view parent = slash == std::string_view::npos ? "." : path.substr(0, slash);
  Fd directory = TRY(resolve_flags(parent, O_PATH | O_DIRECTORY));
  return Place{std::move(directory), std::string(name)};
}

Result<Fd> RootFd::create(std::string_view path, mode_t mode) const {
  Place place = TRY(locate(path));
  Fd fd(::openat(place.parent.get(), place.name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno("create", path);
  return fd;
}

// Each missing component is made under a handle that was resolved inside the root; the next one starts from there.
Result<Fd> RootFd::mkdir_p(std::string_view path, mode_t mode) const {
  std::string done;
  Fd at = TRY(resolve_flags("", O_PATH | O_DIRECTORY));
  for (const std::string& name : split(path, '/')) {
    if (name.empty() || name == ".") continue;
    done += "/" + name;
    Result<Fd> next = resolve_flags(done, O_PATH | O_DIRECTORY);
    if (!next && next.error().errno_value() == ENOENT && name != "..") {
      if (::mkdirat(at.get(), name.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("mkdir", path);
      next = resolve_flags(done, O_PATH | O_DIRECTORY);
    }
    at = TRY(std::move(next));
  }
  return at;
}

Result<> RootFd::symlink(std::string_view target, std::string_view path) const {
  Place place = TRY(locate(path));
  if (::symlinkat(std::string(target).c_str(), place.parent.get(), place.name.c_str()) != 0) return fail_errno("symlink", path);
  return {};
}

Result<> RootFd::link(std::string_view existing, std::string_view path) const {
  Place from = TRY(locate(existing)), to = TRY(locate(path));
  if (::linkat(from.parent.get(), from.name.c_str(), to.parent.get(), to.name.c_str(), 0) != 0) return fail_errno("link", path);
  return {};
}

Result<> RootFd::unlink(std::string_view path) const {
  Place place = TRY(locate(path));
  if (::unlinkat(place.parent.get(), place.name.c_str(), 0) == 0) return {};
  if (errno == EISDIR && ::unlinkat(place.parent.get(), place.name.c_str(), AT_REMOVEDIR) == 0) return {};
  return fail_errno("unlink", path);
}

Result<> RootFd::mknod(std::string_view path, mode_t mode_and_type, dev_t device) const {
  Place place = TRY(locate(path));
  if (::mknodat(place.parent.get(), place.name.c_str(), mode_and_type, device) != 0) return fail_errno("mknod", path);
  return {};
}

Result<std::string> RootFd::readlink(std::string_view path) const {
  Fd link = TRY(resolve_no_follow(path));
  return read_link_of(link, path);
}

Result<struct stat> RootFd::stat(std::string_view path) const {
  Fd fd = TRY(resolve_no_follow(path));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return fail_errno("stat", path);
  return status;
}

Result<> RootFd::set_xattr(std::string_view path, const std::string& name, std::string_view value) const {
  Fd fd = TRY(resolve_flags(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (::fsetxattr(fd.get(), name.c_str(), value.data(), value.size(), 0) != 0) return fail_errno("setxattr", path);
  return {};
}

bool RootFd::exists(std::string_view path) const { return resolve_no_follow(path).has_value(); }

Result<std::string> RootFd::read_untrusted_file(std::string_view path, size_t limit) const {
  Fd fd = TRY(resolve_flags(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return fail_errno("fstat", path);
  if (!S_ISREG(status.st_mode)) return refuse(path, "is no regular file");
  return read_all(fd, limit, path);
}

}  // namespace hull::kernel
