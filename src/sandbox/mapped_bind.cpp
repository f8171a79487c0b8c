#include "sandbox/mapped_bind.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "kernel/mapping_ns.h"

namespace hull::sandbox {
namespace {

constexpr unsigned kRecursive = 0x8000;  // AT_RECURSIVE

tl::unexpected<Error> unsupported(const std::string& source) {
  return fail(ErrorKind::Unsupported, format("idmap of {}: its file system or this kernel knows no mapped mounts", source));
}

Result<> set_attributes(const Fd& tree, bool recursive, const mount_attr& attributes, const std::string& source) {
  unsigned flags = AT_EMPTY_PATH | (recursive ? kRecursive : 0);
  if (::syscall(SYS_mount_setattr, tree.get(), "", flags, &attributes, sizeof attributes) == 0) return {};
  if ((attributes.attr_set & MOUNT_ATTR_IDMAP) != 0 && (errno == EINVAL || errno == EPERM || errno == ENOSYS))
    return unsupported(source);
  return fail_errno("mount_setattr", source);
}

}  // namespace

bool can_map_binds() { return ::syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0) != 0 && errno != ENOSYS; }

Result<Fd> open_mapped_bind(const MappedBind& bind) {
  Fd user_ns = TRY_CONTEXT(kernel::make_mapping_namespace(bind.uid_map, bind.gid_map), "idmap of " + bind.source);
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (bind.recursive ? kRecursive : 0);
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, bind.source.c_str(), flags)));
  if (!tree && errno == ENOSYS) return unsupported(bind.source);
  if (!tree) return fail_errno("bind source", bind.source);
  mount_attr map{};
  map.attr_set = MOUNT_ATTR_IDMAP;
  map.userns_fd = static_cast<uint64_t>(user_ns.get());
  TRY(set_attributes(tree, bind.map_recursive, map, bind.source));
  mount_attr rest{};
  rest.attr_set = bind.set;
  rest.attr_clr = bind.clear;
  rest.propagation = bind.propagation != 0 ? bind.propagation : static_cast<uint64_t>(MS_PRIVATE);
  TRY(set_attributes(tree, bind.attributes_recursive, rest, bind.source));
  return tree;
}

}  // namespace hull::sandbox
