// The one table of the eight namespaces: names, clone flags, /proc links. Everything that goes through kinds reads
// it; nothing else may list them. Also: opening and identifying a namespace by descriptor.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace hull::kernel {

// What ENOSPC means where a namespace is made; user_namespaces(7).
inline constexpr std::string_view kNamespacesExhausted = "a limit of namespaces is reached; raise the one of /proc/sys/user/max_*_namespaces";

enum class NsKind : uint8_t { User, Cgroup, Ipc, Uts, Net, Pid, Mnt, Time };
constexpr size_t kNsKinds = 8;

struct NsInfo {
  NsKind kind;
  const char* name;           // as in /proc/PID/ns/NAME and lsns
  const char* oci_name;       // as in the runtime-spec ("mount", "network", …)
  const char* children_link;  // /proc/PID/ns link that children get, or name itself
  uint64_t clone_flag;        // CLONE_NEW*
};

// In the order of safe joining: the user namespace first, the mount namespace after those found through paths.
inline constexpr std::array<NsInfo, kNsKinds> kNamespaces{{
    {NsKind::User, "user", "user", "user", CLONE_NEWUSER},
    {NsKind::Cgroup, "cgroup", "cgroup", "cgroup", CLONE_NEWCGROUP},
    {NsKind::Ipc, "ipc", "ipc", "ipc", CLONE_NEWIPC},
    {NsKind::Uts, "uts", "uts", "uts", CLONE_NEWUTS},
    {NsKind::Net, "net", "network", "net", CLONE_NEWNET},
    {NsKind::Pid, "pid", "pid", "pid_for_children", CLONE_NEWPID},
    {NsKind::Mnt, "mnt", "mount", "mnt", CLONE_NEWNS},
    {NsKind::Time, "time", "time", "time_for_children", CLONE_NEWTIME},
}};

constexpr const NsInfo& ns_info(NsKind kind) { return kNamespaces[static_cast<size_t>(kind)]; }
// By any of its names: "mnt", "mount", "net", "network", …
std::optional<NsKind> ns_kind_from_name(std::string_view name);
std::optional<NsKind> ns_kind_from_flag(uint64_t clone_flag);

// What identifies a namespace. `id` is the 64-bit id that is never reused (NS_GET_ID, Linux 6.18), 0 where unknown.
struct NsIdentity {
  NsKind kind;
  uint64_t inode = 0;
  uint64_t device = 0;
  uint64_t id = 0;
  bool operator==(const NsIdentity& other) const { return inode == other.inode && device == other.device; }
};

// Opens /proc/PID/ns/KIND (pid 0: our own). With `for_children`, the link that children get.
Result<Fd> open_ns(pid_t pid, NsKind kind, bool for_children = false);
// Opens a namespace file (an nsfs bind mount or a /proc link); fails with Invalid if it is none or of another kind.
Result<Fd> open_ns_file(const std::string& path, std::optional<NsKind> kind);
Result<NsIdentity> identify_ns(const Fd& ns);
// readlink of /proc/PID/ns/KIND without opening: the inode, or nothing if the process is gone or unreadable.
std::optional<uint64_t> ns_inode(pid_t pid, NsKind kind);
// Of the namespace that the host's first process is in; one who may not look there takes his own for it.
uint64_t host_ns_inode(NsKind kind);
// Whether it is the host's, as far as we can tell.
bool is_host_ns(NsKind kind, uint64_t inode);

Result<Fd> ns_owner(const Fd& ns);              // NS_GET_USERNS: the owning user namespace; Denied beyond our own
Result<Fd> ns_parent(const Fd& ns);             // NS_GET_PARENT: user and pid only
Result<uid_t> ns_owner_uid(const Fd& user_ns);  // NS_GET_OWNER_UID
Result<> join_ns(const Fd& ns, NsKind kind);    // setns(2)

// A file handle as "TYPE:HEX": it finds the namespace again without holding it, and is stale once it is gone.
// Unsupported before Linux 6.18; name_to_handle_at(2).
Result<std::string> ns_handle(const Fd& ns);
Result<Fd> open_ns_handle(std::string_view handle);  // NotFound when it is stale

// By its 64-bit id; NotFound or System where it is gone or the kernel has no such handles.
Result<Fd> open_ns_by_id(NsKind kind, uint64_t id, uint64_t inode);

// Every namespace that is alive and that we may see, by kind and id. Unsupported before Linux 6.19.
struct ListedNs { NsKind kind; uint64_t id; };
Result<std::vector<ListedNs>> list_namespaces();

}  // namespace hull::kernel
