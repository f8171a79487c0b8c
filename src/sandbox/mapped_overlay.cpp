#include "sandbox/mapped_overlay.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
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

std::string descriptor_path(const Fd& fd) { return format("/proc/self/fd/{}", fd.get()); }

// KERNEL: upperdir and workdir must come from one mount, else EXDEV-like refusal (EINVAL); overlayfs.rst. So the
// directory that holds both is mapped, and both are named beneath it.
Result<> set_writable(const Fd& fs, const Step& step, const Fd& user_ns, std::vector<Fd>& layers) {
  const std::string &upper = step.texts[1], &work = step.texts[2];
  std::string parent = upper.substr(0, upper.rfind('/'));
  if (work.substr(0, work.rfind('/')) != parent) return fail(ErrorKind::Invalid, format("{} and {} must stand in one directory", upper, work));
  layers.push_back(TRY(open_mapped_layer(parent, user_ns)));
  TRY(set_option(fs, "upperdir", descriptor_path(layers.back()) + upper.substr(parent.size())));
  return set_option(fs, "workdir", descriptor_path(layers.back()) + work.substr(parent.size()));
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

}  // namespace

Result<Fd> make_mapped_overlay(const Step& step, pid_t process) {
  Fd user_ns = TRY(kernel::open_ns(process, kernel::NsKind::User));
  Fd fs(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
  if (!fs) return fail_errno("fsopen", "overlay");
  std::vector<Fd> layers;
  for (size_t i = 3; i < step.texts.size(); ++i) {
    layers.push_back(TRY(open_mapped_layer(step.texts[i], user_ns)));
    TRY(set_option(fs, "lowerdir+", descriptor_path(layers.back())));
  }
  if (!step.texts[1].empty()) TRY(set_writable(fs, step, user_ns, layers));
  if (step.numbers[0] != 0) ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0);
  TRY(set_option(fs, "source", "overlay"));
  uint32_t uid = TRY(host_id_of_root(process, "uid_map")), gid = TRY(host_id_of_root(process, "gid_map"));
  ActingAs container_root(uid, gid);
  if (::syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return fail_errno("mount overlay", step.texts[3]);
  Fd mount(static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, 0)));
  if (!mount) return fail_errno("fsmount", "overlay");
  return mount;
}

}  // namespace hull::sandbox
