#include "kernel/namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/text.h"

#ifndef NS_GET_ID
#define NS_GET_ID _IOR(0xb7, 13, uint64_t)
#endif
#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

namespace hull::kernel {

std::optional<NsKind> ns_kind_from_name(std::string_view name) {
  for (const NsInfo& info : kNamespaces)
    if (name == info.name || name == info.oci_name) return info.kind;
  return std::nullopt;
}

std::optional<NsKind> ns_kind_from_flag(uint64_t clone_flag) {
  for (const NsInfo& info : kNamespaces)
    if (info.clone_flag == clone_flag) return info.kind;
  return std::nullopt;
}

static std::string ns_path(pid_t pid, NsKind kind, bool for_children) {
  const NsInfo& info = ns_info(kind);
  std::string process = pid == 0 ? "self" : std::to_string(pid);
  return "/proc/" + process + "/ns/" + (for_children ? info.children_link : info.name);
}

Result<Fd> open_ns(pid_t pid, NsKind kind, bool for_children) {
  return open_file(ns_path(pid, kind, for_children), O_RDONLY);
}

Result<Fd> open_ns_file(const std::string& path, std::optional<NsKind> kind) {
  Fd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  struct statfs fs;
  if (::fstatfs(fd.get(), &fs) != 0) return fail_errno("fstatfs", path);
  if (fs.f_type != NSFS_MAGIC) return fail(ErrorKind::Invalid, path + ": not a namespace file");
  NsIdentity identity = TRY(identify_ns(fd));
  if (kind && identity.kind != *kind)
    return fail(ErrorKind::Invalid, format("{}: holds a {} namespace, not a {} namespace", path,
                                           ns_info(identity.kind).name, ns_info(*kind).name));
  return fd;
}

Result<NsIdentity> identify_ns(const Fd& ns) {
  int type = ::ioctl(ns.get(), NS_GET_NSTYPE);
  if (type < 0) return fail_errno("ioctl", "NS_GET_NSTYPE");
  std::optional<NsKind> kind = ns_kind_from_flag(static_cast<uint64_t>(static_cast<unsigned>(type)));
  if (!kind) return fail(ErrorKind::Unsupported, format("namespace type {:#x} is not known to this build", type));
  struct stat status;
  if (::fstat(ns.get(), &status) != 0) return fail_errno("fstat", "namespace");
  NsIdentity identity{*kind, status.st_ino, status.st_dev, 0};
  // KERNEL: NS_GET_ID answers ENOTTY before Linux 6.18; the id then stays 0 and the inode stands alone.
  if (::ioctl(ns.get(), NS_GET_ID, &identity.id) != 0) identity.id = 0;
  return identity;
}

std::optional<uint64_t> ns_inode(pid_t pid, NsKind kind) {
  char link[64];
  ssize_t size = ::readlink(ns_path(pid, kind, false).c_str(), link, sizeof link);
  if (size <= 0) return std::nullopt;
  std::string_view text(link, static_cast<size_t>(size));
  size_t open = text.find('[');
  if (open == std::string_view::npos || text.back() != ']') return std::nullopt;
  return parse_uint(text.substr(open + 1, text.size() - open - 2));
}

uint64_t host_ns_inode(NsKind kind) {
  std::optional<uint64_t> first = ns_inode(1, kind);
  return first ? *first : ns_inode(0, kind).value_or(0);
}

// KERNEL: the first namespaces have fixed inodes, PROC_IPC_INIT_INO 0xEFFFFFFF downwards (include/linux/proc_ns.h); those
// of mount and net since 6.17.
bool is_host_ns(NsKind kind, uint64_t inode) {
  constexpr uint64_t kFirst = 0xEFFFFFF8, kLast = 0xEFFFFFFF;
  return (inode >= kFirst && inode <= kLast) || inode == host_ns_inode(kind);
}

Result<Fd> ns_owner(const Fd& ns) {
  Fd owner(::ioctl(ns.get(), NS_GET_USERNS));
  if (!owner) return fail_errno("ioctl", "NS_GET_USERNS");
  return owner;
}

Result<Fd> ns_parent(const Fd& ns) {
  Fd parent(::ioctl(ns.get(), NS_GET_PARENT));
  if (!parent) return fail_errno("ioctl", "NS_GET_PARENT");
  return parent;
}

Result<uid_t> ns_owner_uid(const Fd& user_ns) {
  uid_t uid = 0;
  if (::ioctl(user_ns.get(), NS_GET_OWNER_UID, &uid) != 0) return fail_errno("ioctl", "NS_GET_OWNER_UID");
  return uid;
}

Result<> join_ns(const Fd& ns, NsKind kind) {
  if (::setns(ns.get(), static_cast<int>(ns_info(kind).clone_flag)) != 0)
    return fail_errno("setns", ns_info(kind).name);
  return {};
}

namespace {
struct HandleBuffer {
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes); }
};
}  // namespace

Result<std::string> ns_handle(const Fd& ns) {
  HandleBuffer buffer;
  file_handle* handle = buffer.get();
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(ns.get(), "", handle, &mount_id, AT_EMPTY_PATH) != 0) return fail_errno("name_to_handle_at", "namespace");
  return format("{}:{}", handle->handle_type, to_hex(reinterpret_cast<const unsigned char*>(buffer.bytes + sizeof(file_handle)), handle->handle_bytes));
}

Result<Fd> open_ns_handle(std::string_view text) {
  size_t colon = text.find(':');
  auto type = parse_uint(text.substr(0, colon), 0, INT32_MAX);
  std::string_view hex = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (!type || hex.empty() || hex.size() % 2 != 0 || hex.size() / 2 > MAX_HANDLE_SZ)
    return fail(ErrorKind::Invalid, format("namespace handle \"{}\": not TYPE:HEX", escape_controls(text)));
  HandleBuffer buffer;
  file_handle* handle = buffer.get();
  handle->handle_type = static_cast<int>(*type);
  handle->handle_bytes = static_cast<unsigned>(hex.size() / 2);
  auto* bytes = reinterpret_cast<unsigned char*>(buffer.bytes + sizeof(file_handle));
  for (size_t i = 0; i < hex.size() / 2; ++i)
    if (std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, bytes[i], 16).ptr != hex.data() + 2 * i + 2)
      return fail(ErrorKind::Invalid, format("namespace handle \"{}\": not TYPE:HEX", escape_controls(text)));
  Fd any = TRY(open_ns(0, NsKind::Net));  // any file of nsfs tells the kernel which file system is meant
  Fd ns(::open_by_handle_at(any.get(), handle, O_RDONLY | O_CLOEXEC));
  if (!ns && errno == ESTALE) return fail(ErrorKind::NotFound, "the namespace is gone: its handle is stale");
  if (!ns) return fail_errno("open_by_handle_at", "namespace");
  return ns;
}

// KERNEL: nsfs file handles, since 6.18 (include/uapi/linux/nsfs.h): id, type and inode, below the pseudo descriptor
// FD_NSFS_ROOT; an inode of 0 matches any since 6.19.
Result<Fd> open_ns_by_id(NsKind kind, uint64_t id, uint64_t inode) {
  constexpr int kNsfsRoot = -10003, kNsfsHandle = 241;
  struct Content { uint64_t id; uint32_t type, inode; } content{id, static_cast<uint32_t>(ns_info(kind).clone_flag), static_cast<uint32_t>(inode)};
  alignas(file_handle) char buffer[sizeof(file_handle) + sizeof content] = {};
  auto* handle = reinterpret_cast<file_handle*>(buffer);
  handle->handle_bytes = sizeof content;
  handle->handle_type = kNsfsHandle;
  std::memcpy(handle->f_handle, &content, sizeof content);
  Fd fd(::open_by_handle_at(kNsfsRoot, handle, O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open_by_handle_at", std::to_string(id));
  return fd;
}

// KERNEL: listns(2), since 6.19 (include/uapi/linux/nsfs.h): ids in ascending order, from the one after `after` on; of one
// kind at a time, as the answer does not say which.
Result<std::vector<ListedNs>> list_namespaces() {
  constexpr long kListns = 470;
  constexpr size_t kBatch = 512;
  struct Request { uint32_t size, spare; uint64_t after; uint32_t kinds, spare2; uint64_t owner; };
  static_assert(sizeof(Request) == 32);
  std::vector<ListedNs> found;
  for (const NsInfo& info : kNamespaces) {
    Request request{sizeof request, 0, 0, static_cast<uint32_t>(info.clone_flag), 0, 0};
    for (uint64_t ids[kBatch];;) {
      long count = ::syscall(kListns, &request, ids, kBatch, 0);
      if (count < 0 && errno == ENOSYS) return fail(ErrorKind::Unsupported, "this kernel has no listns; since Linux 6.19");
      if (count < 0 && errno == ENOENT) break;  // the last one told has ended: what comes after it is told at the next look
      if (count < 0) return fail_errno("listns", info.name);
      for (long i = 0; i < count; ++i) found.push_back({info.kind, ids[i]});
      if (count < static_cast<long>(kBatch)) break;
      request.after = ids[count - 1];
    }
  }
  return found;
}

}  // namespace hull::kernel
