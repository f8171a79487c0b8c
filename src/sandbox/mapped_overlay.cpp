#include "sandbox/mapped_overlay.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/text.h"
#include "kernel/clone.h"
#include "kernel/identity.h"
#include "kernel/namespaces.h"

namespace hull::sandbox {
namespace {

Result<Fd> open_mapped_layer(const std::string& directory, const Fd& user_ns) {
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree) return fail_errno("open_tree", directory);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(user_ns.get());
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    return fail(Error::from_errno("mount_setattr", "map ids of " + directory)
                    .with_remedy("its file system must support id-mapped mounts; keep HULL_ROOT on ext4, xfs, btrfs or tmpfs"));
  return tree;
}

Result<> set_option(const Fd& fs, const char* key, const std::string& value) {
  if (::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0) return fail_errno("fsconfig", format("{}={}", key, value));
  return {};
}

// Acts on files as `uid`:`gid` with every capability, while it lives.
// KERNEL: overlayfs works with the credentials of its mounter, and an id of the host that the layers' map does not
// know cannot own a file there (EOVERFLOW); so the mounter acts as the container's root. setfsuid(2) takes the file
// capabilities away, capset gives them back.
class ActingAs {
 public:
  ActingAs(uid_t uid, gid_t gid) {
    ::setfsgid(gid);
    ::setfsuid(uid);
    struct { uint32_t version; int pid; } header{0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } data[2] = {};
    if (::syscall(SYS_capget, &header, data) != 0) return;
    for (auto& word : data) word.effective = word.permitted;
    ::syscall(SYS_capset, &header, data);
  }
  ~ActingAs() {
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
  }
};

// Of the lines "inside outside count" of uid_map or gid_map.
Result<uint32_t> host_id_of_root(pid_t process, const char* map) {
  std::string text = TRY(read_file(format("/proc/{}/{}", process, map)));
  for (std::string_view line : split_lines(text)) {
    auto words = split_words(line);
    if (words.size() == 3 && words[0] == "0") return static_cast<uint32_t>(parse_uint(words[1], 0, UINT32_MAX).value_or(0));
  }
  return fail(ErrorKind::Invalid, format("the user namespace to be joined has no id 0 in its {}; map it", map));
}

// How this kernel wants the layers.
struct Way {
  bool in_one_line;  // KERNEL: before 6.5, and any unknown option is taken, to fail at the mount; init/mounts.cpp
  bool attached;     // KERNEL: before 6.15 overlay takes no layer from a mount that is attached nowhere; clone_private_mount()
};

Way way_of_this_kernel() {
  constexpr long kOpenTreeAttr = 467;  // came with 6.15
  Fd probe(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
  bool takes_anything = ::syscall(SYS_fsconfig, probe.get(), FSCONFIG_SET_FLAG, "hull", nullptr, 0) == 0;
  return {takes_anything, ::syscall(kOpenTreeAttr, -1, "", 0, nullptr, 0) < 0 && errno == ENOSYS};
}

class MappedOverlay {
 public:
  MappedOverlay(const Step& step, pid_t process, Way way) : step_(step), process_(process), way_(way) {}

  Result<Fd> make() {
    user_ns_ = TRY(kernel::open_ns(process_, kernel::NsKind::User));
    fs_ = Fd(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    if (!fs_) return fail_errno("fsopen", "overlay");
    TRY(add_lowers());
    if (!step_.texts[1].empty()) TRY(add_upper());
    if (step_.numbers[0] != 0) ::syscall(SYS_fsconfig, fs_.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0);
    TRY(set_option(fs_, "source", "overlay"));
    uint32_t uid = TRY(host_id_of_root(process_, "uid_map")), gid = TRY(host_id_of_root(process_, "gid_map"));
    ActingAs container_root(uid, gid);
    if (::syscall(SYS_fsconfig, fs_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return fail_errno("mount overlay", step_.texts[3]);
    Fd mount(static_cast<int>(::syscall(SYS_fsmount, fs_.get(), FSMOUNT_CLOEXEC, 0)));
    if (!mount) return fail_errno("fsmount", "overlay");
    return mount;
  }

 private:
  Result<std::string> open_layer(const std::string& directory) {
    layers_.push_back(TRY(open_mapped_layer(directory, user_ns_)));
    if (way_.attached) {
      std::string place = format("{}/{}", step_.texts[0], layers_.size());
      if (::mkdir(place.c_str(), 0700) != 0) return fail_errno("mkdir", place);
      if (::syscall(SYS_move_mount, layers_.back().get(), "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) return fail_errno("move_mount", place);
    }
    return format("/proc/self/fd/{}", layers_.back().get());
  }

  Result<> add_lowers() {
    constexpr size_t kLongestValue = 255;  // of fsconfig(2)
    std::string line;
    for (size_t i = 3; i < step_.texts.size(); ++i) {
      std::string layer = TRY(open_layer(step_.texts[i]));
      if (!way_.in_one_line) TRY(set_option(fs_, "lowerdir+", layer));
      line += format("{}{}", line.empty() ? "" : ":", layers_.back().get());  // as seen from /proc/self/fd
    }
    if (!way_.in_one_line) return {};
    if (line.size() > kLongestValue)
      return fail(ErrorKind::Unsupported, format("an image of {} layers in a user namespace of its own needs Linux 6.7", layers_.size()));
    return set_option(fs_, "lowerdir", line);
  }

  // KERNEL: upperdir and workdir must come from one mount, else EXDEV-like refusal (EINVAL); overlayfs.rst. So the
  // directory that holds both is mapped, and both are named beneath it.
  Result<> add_upper() {
    const std::string &upper = step_.texts[1], &work = step_.texts[2];
    std::string parent = upper.substr(0, upper.rfind('/'));
    if (work.substr(0, work.rfind('/')) != parent) return fail(ErrorKind::Invalid, format("{} and {} must stand in one directory", upper, work));
    std::string layer = TRY(open_layer(parent));
    TRY(set_option(fs_, "upperdir", layer + upper.substr(parent.size())));
    return set_option(fs_, "workdir", layer + work.substr(parent.size()));
  }

  const Step& step_;
  pid_t process_;
  Way way_;
  Fd user_ns_, fs_;
  std::vector<Fd> layers_;
};

struct Apart {
  MappedOverlay& overlay;
  const std::string& place;
  Result<Fd> made;
};

// In a child with our memory and descriptors and a mount namespace of its own, where the layers are attached meanwhile.
int make_apart(void* context) {
  auto& apart = *static_cast<Apart*>(context);
  bool ready = ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", apart.place.c_str(), "tmpfs", 0, "mode=0700,size=64k") == 0 && ::chdir("/proc/self/fd") == 0;
  apart.made = ready ? apart.overlay.make() : fail_errno("prepare a mount namespace", apart.place);
  return 0;
}

Result<Fd> make_overlay(const Step& step, pid_t process) {
  Way way = way_of_this_kernel();
  MappedOverlay overlay(step, process, way);
  if (!way.attached) return overlay.make();
  Apart apart{overlay, step.texts[0], Fd()};
  auto child = TRY(kernel::clone_sharing_memory({CLONE_NEWNS | CLONE_FILES, -1, false}, make_apart, &apart));
  kernel::reap(child.pid);
  return std::move(apart.made);
}

}  // namespace

Result<Fd> make_mapped_overlay(const Step& step, pid_t process) {
  auto made = make_overlay(step, process);
  // Nothing stands in for a mount whose ids are mapped.
  if (!made && made.error().errno_value() == ENOSYS)
    return fail(ErrorKind::Unsupported, format("an image in a user namespace of its own needs mapped mounts, which this kernel has not ({})", made.error().text()));
  return made;
}

}  // namespace hull::sandbox
