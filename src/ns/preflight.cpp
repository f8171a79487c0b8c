#include "ns/preflight.h"

#include <algorithm>

#include "base/text.h"

namespace hull::ns {
namespace {

using kernel::NsKind;

constexpr int kSysChroot = 18, kSysAdmin = 21;

// ---- what the rules ask

struct Case {
  const JoinRequest& request;
  const Join& join;

  const Joiner& joiner() const { return request.joiner; }
  bool container() const { return request.making.has_value(); }
  bool is(NsKind kind) const { return join.kind == kind; }

  // The user namespace that is entered: not ours, which a container that names it simply stays in.
  const Join* user() const {
    for (const Join& other : request.joins)
      if (other.kind == NsKind::User && !other.ours && other.error.empty()) return &other;
    return nullptr;
  }
  bool admin_at_home() const { return (joiner().capabilities & kernel::cap_bit(kSysAdmin)) != 0; }
  bool admin_in_owner() const { return has_capability_in(joiner(), join.owners, kSysAdmin); }
  bool owned_by(const Join& user) const {
    return std::any_of(join.owners.begin(), join.owners.end(), [&](const UserNs& owner) { return owner.inode == user.inode; });
  }
  // From where we are; setns asks for the capability at home too.
  bool from_outside() const { return admin_at_home() && admin_in_owner(); }
  // After the user namespace has been entered, in which we then have every capability.
  bool from_inside() const { return user() != nullptr && owned_by(*user()); }
  bool ends_in_new_user() const { return container() && request.making->new_user; }
  bool ends_at_home() const { return !ends_in_new_user() && user() == nullptr; }
};

std::string owner_text(const Case& c) {
  if (c.join.owners.empty()) return "a user namespace above ours";
  const UserNs& owner = c.join.owners.front();
  return format("user:[{}], of uid {}", owner.inode, owner.owner);
}

// How the user says that the user namespace is to be joined too.
std::string join_user_text(const Case& c) {
  if (!c.container()) return "enter that user namespace too (--user)";
  return format("share its user namespace as well ({})", c.join.with_user.empty() ? "--userns=container:NAME or --userns=ns:PATH" : c.join.with_user);
}

std::string drop_new_user(const Case& c) { return (c.admin_at_home() ? "add --userns=host, or " : "") + join_user_text(c); }

// ---- the rules, in the order in which they are tried

struct Rule {
  const char* name;
  bool (*refuses)(const Case&);
  std::string (*why)(const Case&);
};

const Rule kRules[] = {
    {"open", [](const Case& c) { return !c.join.error.empty(); },
     [](const Case& c) { return c.join.error; }},

    // KERNEL: userns_install() gives EINVAL for the user namespace that one is in; setns(2).
    {"user-ours", [](const Case& c) { return c.is(NsKind::User) && c.join.ours && !c.container(); },
     [](const Case& c) { return format("we are in user:[{}] already, and nobody enters his own user namespace\nleave --user out", c.join.inode); }},

    // KERNEL: who shares root and directory, or has threads, may not change user or mount namespace (EINVAL); setns(2).
    {"shares-files", [](const Case& c) { return (c.is(NsKind::User) || c.is(NsKind::Mnt)) && !c.join.ours && c.joiner().shares_files; },
     [](const Case& c) { return format("this process shares its root directory with another (CLONE_FS), and could not join a {} namespace\njoin it from a process of its own", kernel::ns_info(c.join.kind).name); }},

    // KERNEL: timens_install() gives EUSERS, userns_install() EINVAL with more than one thread.
    {"threads", [](const Case& c) { return (c.is(NsKind::User) || c.is(NsKind::Time)) && !c.join.ours && c.joiner().threads; },
     [](const Case& c) { return format("this process has several threads, and could not join a {} namespace\njoin it from one that has a single thread", kernel::ns_info(c.join.kind).name); }},

    {"user-no-right", [](const Case& c) { return c.is(NsKind::User) && !c.join.ours && !c.admin_in_owner(); },
     [](const Case& c) {
       return format("{} is not ours to enter: that takes CAP_SYS_ADMIN in it ({})\n{}run as root, or as the user who made it",
                     c.join.name, owner_text(c), c.container() ? "add --userns=private, or " : "");
     }},

    // KERNEL: a pid namespace takes no process any more once its first one has ended (ENOMEM from fork); pid_namespaces(7).
    {"pid-ended", [](const Case& c) { return c.is(NsKind::Pid) && !c.join.ours && c.join.below_ours && !c.join.init_lives; },
     [](const Case& c) { return format("the first process of {} has ended, and with it the namespace takes no other\nstart its owner again, and join what it has then", c.join.name); }},

    // KERNEL: pidns_install() gives EINVAL for what is no descendant of the active pid namespace; setns(2).
    {"pid-not-below", [](const Case& c) { return c.is(NsKind::Pid) && !c.join.below_ours; },
     [](const Case& c) { return format("{} is not below ours, and processes only go down\nrun hull in that pid namespace, or above it", c.join.name); }},

    // KERNEL: mntns_install() asks for CAP_SYS_CHROOT and CAP_SYS_ADMIN at home besides; setns(2).
    {"mnt-no-chroot", [](const Case& c) {
       return c.is(NsKind::Mnt) && !c.from_inside() && (c.joiner().capabilities & kernel::cap_bit(kSysChroot)) == 0 && c.from_outside();
     },
     [](const Case& c) { return format("{} takes CAP_SYS_CHROOT in our own user namespace, user:[{}]\nrun as root, or {}", c.join.name, c.joiner().user_ns, join_user_text(c)); }},

    // hull-init enters it, the only process of a start that shares no memory; it is in the new user namespace then.
    {"time-from-new-user", [](const Case& c) { return c.is(NsKind::Time) && c.ends_in_new_user(); },
     [](const Case& c) {
       return format("{} is owned by {}, and a container in a user namespace of its own may not enter it\n{}", c.join.name, owner_text(c), drop_new_user(c));
     }},
    {"time-from-other-user", [](const Case& c) { return c.is(NsKind::Time) && c.container() && c.user() != nullptr && !c.from_inside(); },
     [](const Case& c) {
       return format("{} is owned by {}, and a container in {} may not enter it\n{}", c.join.name, owner_text(c), c.user()->name,
                     drop_new_user(c));
     }},

    {"above-ours", [](const Case& c) { return !c.is(NsKind::User) && c.join.owners.empty() && !c.from_inside(); },
     [](const Case& c) { return format("{} is owned by a user namespace above ours, where we have no CAP_SYS_ADMIN\nrun it from there (as root on the host)", c.join.name); }},

    // The ordinary user's own: he has every right in its owner, but not the one that setns asks for at home.
    {"user-must-come-too", [](const Case& c) { return !c.is(NsKind::User) && !c.from_outside() && !c.from_inside() && c.admin_in_owner(); },
     [](const Case& c) {
       return format("{} is owned by {}, which has to be entered first: in our own, user:[{}], we lack CAP_SYS_ADMIN\n{}", c.join.name, owner_text(c),
                     c.joiner().user_ns, join_user_text(c));
     }},

    {"no-right", [](const Case& c) { return !c.is(NsKind::User) && !c.from_outside() && !c.from_inside(); },
     [](const Case& c) {
       bool home = !c.join.owners.empty() && c.join.owners.front().inode == c.joiner().user_ns;
       return format("{} is owned by {}, in which we lack {}\n{}", c.join.name, owner_text(c), c.is(NsKind::Mnt) ? "CAP_SYS_ADMIN and CAP_SYS_CHROOT" : "CAP_SYS_ADMIN",
                     home ? std::string("run as root") : join_user_text(c) + ", or run as root on the host");
     }},

    // KERNEL: procfs shows the pid namespace of who mounts it and refuses who does not own that (EPERM). The host's
    // /proc in its place would show the host's processes.
    {"pid-without-proc", [](const Case& c) {
       return c.is(NsKind::Pid) && c.container() && !c.ends_at_home() && (c.ends_in_new_user() || !c.from_inside());
     },
     [](const Case& c) {
       return format("{} is owned by {}; from another user namespace its /proc cannot be mounted\n{}", c.join.name, owner_text(c), drop_new_user(c));
     }},
};

bool belongs(const Case& c) {
  if (c.is(NsKind::User) || c.ends_in_new_user()) return false;
  return c.ends_at_home() || c.from_inside();
}

}  // namespace

bool has_capability_in(const Joiner& joiner, const std::vector<UserNs>& owners, int capability) {
  for (size_t i = 0; i < owners.size(); ++i) {
    if (owners[i].inode == joiner.user_ns) return (joiner.capabilities & kernel::cap_bit(capability)) != 0;
    bool child = i + 1 < owners.size() && owners[i + 1].inode == joiner.user_ns;
    if (child && owners[i].owner == joiner.uid) return true;
  }
  return false;
}

std::string one_line(std::string why) {
  for (size_t at = 0; (at = why.find('\n', at)) != std::string::npos; at += 2) why.replace(at, 1, "; ");
  return why;
}

JoinVerdict check_joins(const JoinRequest& request) {
  JoinVerdict verdict;
  for (const Join& join : request.joins) {
    Case c{request, join};
    if (c.container() && join.error.empty() && join.ours) {
      verdict.ours |= kernel::ns_info(join.kind).clone_flag;
      continue;
    }
    for (const Rule& rule : kRules) {
      if (!rule.refuses(c)) continue;
      verdict.refused = join.kind;
      verdict.rule = rule.name;
      verdict.why = rule.why(c);
      return verdict;
    }
    if (belongs(c)) verdict.owned |= kernel::ns_info(join.kind).clone_flag;
  }
  if (!request.making || request.making->new_user) return verdict;
  Case c{request, Join{}};
  if (c.user() != nullptr || c.admin_at_home()) return verdict;
  verdict.rule = "make-no-right";
  verdict.why = format("a container needs namespaces of its own, and making them takes CAP_SYS_ADMIN, which we lack in user:[{}]\nadd --userns=private, or run as root",
                       request.joiner.user_ns);
  return verdict;
}

}  // namespace hull::ns
