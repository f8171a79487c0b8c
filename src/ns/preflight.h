// Whether namespaces can be joined, decided before anything is made: the rules of setns(2) and user_namespaces(7) as one
// table over plain facts, with the reason and the least change that would allow it. check_joins() is pure;
// preflight_facts.cpp gathers what it needs. Called by the engine (run, start, --dry-run) and by nsenter.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "kernel/capabilities.h"
#include "kernel/namespaces.h"

namespace hull::ns {

struct UserNs {
  uint64_t inode = 0;
  uid_t owner = 0;  // who made it, as we see ids
};

// Who joins: this process, or one that it clones.
struct Joiner {
  uint64_t user_ns = 0;
  kernel::CapMask capabilities = 0;  // effective
  uid_t uid = 0;                     // effective
  bool threads = false;              // more than one thread
  bool shares_files = false;         // root and working directory with another process (CLONE_FS)
};

// One namespace that is to be joined.
struct Join {
  kernel::NsKind kind = kernel::NsKind::Net;
  std::string name;                // "the net namespace of container db", "/run/x/net"
  std::string with_user;           // what shares its user namespace too, "--userns=container:db"; empty: not known
  std::string error;               // it could not be opened: why; the rest is empty then
  uint64_t inode = 0;
  bool ours = false;               // we are in it already
  std::vector<UserNs> owners;      // the user namespace that owns it (of kind user: itself) and those above; ends where
                                   // we may not see any further, so it is empty when the first is above ours
  bool below_ours = true;          // pid: ours or a descendant
  bool init_lives = true;          // pid: false once its first process has ended
};

// What a container is to have besides what it joins. Absent for nsenter, which joins and makes nothing.
struct Making {
  bool new_user = false;           // a user namespace of its own
};

struct JoinRequest {
  Joiner joiner;
  std::vector<Join> joins;
  std::optional<Making> making;
};

struct JoinVerdict {
  std::optional<kernel::NsKind> refused;
  std::string rule;                // that refused, for tests
  std::string why;                 // one to three lines: what refuses, and the least change that would allow it
  uint64_t ours = 0;               // CLONE_NEW* of what a container need not join, for we are in it
  uint64_t owned = 0;              // CLONE_NEW* of joined namespaces that belong to the user namespace we end up in
  bool allowed() const { return rule.empty(); }
};

JoinVerdict check_joins(const JoinRequest& request);
// The lines of `why` as one, for errors.
std::string one_line(std::string why);

// Has `joiner` the capability (a number) in the first of `owners`? user_namespaces(7), "Capabilities".
bool has_capability_in(const Joiner& joiner, const std::vector<UserNs>& owners, int capability);

// ---- facts

Joiner gather_joiner();
Join gather_join(const Fd& ns, kernel::NsKind kind, std::string name);

}  // namespace hull::ns
