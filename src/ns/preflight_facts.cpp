// The facts of preflight.h, from /proc/self and nsfs. Opens nothing but what leads upwards from the descriptors given.
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/text.h"
#include "ns/preflight.h"

#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(0xb7, 6, int)
#endif

namespace hull::ns {
namespace {

using kernel::NsKind;

constexpr int kDeepest = 33;  // levels of user and pid namespaces; MAX_PID_NS_LEVEL is 32

// From a user namespace upwards, as far as we may see.
std::vector<UserNs> chain_from(Fd user) {
  std::vector<UserNs> chain;
  for (int level = 0; user && level < kDeepest; ++level) {
    auto identity = kernel::identify_ns(user);
    if (!identity) break;
    chain.push_back({identity->inode, kernel::ns_owner_uid(user).value_or(static_cast<uid_t>(-1))});
    auto parent = kernel::ns_parent(user);
    user = parent ? std::move(*parent) : Fd();
  }
  return chain;
}

bool is_below_ours(const Fd& pid_ns, uint64_t ours) {
  auto first = pid_ns.duplicate();
  Fd at = first ? std::move(*first) : Fd();
  for (int level = 0; at && level < kDeepest; ++level) {
    auto identity = kernel::identify_ns(at);
    if (identity && identity->inode == ours) return true;
    auto parent = kernel::ns_parent(at);
    at = parent ? std::move(*parent) : Fd();
  }
  return false;
}

// KERNEL: NS_GET_PID_FROM_PIDNS since 6.11; before, a dead one is told from a living one by fork alone.
bool first_process_lives(const Fd& pid_ns) { return ::ioctl(pid_ns.get(), NS_GET_PID_FROM_PIDNS, 1) > 0 || errno != ESRCH; }

}  // namespace

Joiner gather_joiner() {
  Joiner joiner;
  joiner.user_ns = kernel::ns_inode(0, NsKind::User).value_or(0);
  joiner.uid = ::geteuid();
  std::string status = read_file("/proc/self/status").value_or("");
  for (std::string_view line : split_lines(status)) {
    std::vector<std::string_view> words = split_words(line);
    if (words.size() < 2) continue;
    if (words[0] == "Threads:") joiner.threads = words[1] != "1";
    if (words[0] == "CapEff:") std::from_chars(words[1].data(), words[1].data() + words[1].size(), joiner.capabilities, 16);
  }
  return joiner;
}

Join gather_join(const Fd& ns, NsKind kind, std::string name) {
  Join join;
  join.kind = kind;
  join.name = std::move(name);
  auto identity = kernel::identify_ns(ns);
  if (!identity) {
    join.error = identity.error().text();
    return join;
  }
  join.inode = identity->inode;
  auto ours = kernel::ns_inode(0, kind);
  join.ours = ours == join.inode;
  auto owner = kind == NsKind::User ? ns.duplicate() : kernel::ns_owner(ns);
  if (owner) join.owners = chain_from(std::move(*owner));
  if (kind != NsKind::Pid || join.ours) return join;
  join.below_ours = is_below_ours(ns, ours.value_or(0));
  join.init_lives = !join.below_ours || first_process_lives(ns);
  return join;
}

}  // namespace hull::ns
