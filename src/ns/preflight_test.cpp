#include "ns/preflight.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace hull::ns {
namespace {

using kernel::NsKind;

constexpr uint64_t kHost = 100, kMine = 200, kOther = 300, kNested = 400;
constexpr uid_t kUser = 1000;
const UserNs kHostNs{kHost, 0}, kMineNs{kMine, kUser}, kOtherNs{kOther, 2000}, kNestedNs{kNested, kUser};

Joiner root() { return {kHost, kernel::kAllCapabilities, 0, false, false}; }
Joiner ordinary() { return {kHost, 0, kUser, false, false}; }

Join join(NsKind kind, std::vector<UserNs> owners) {
  Join join;
  join.kind = kind;
  join.name = "the namespace";
  join.inode = kind == NsKind::User && !owners.empty() ? owners.front().inode : 7;
  join.owners = std::move(owners);
  return join;
}

std::string rule(Joiner joiner, std::vector<Join> joins, std::optional<Making> making = Making{}) {
  JoinVerdict verdict = check_joins({joiner, std::move(joins), std::move(making)});
  EXPECT_EQ(verdict.allowed(), verdict.why.empty());
  EXPECT_LE(split_lines(verdict.why).size(), 3u);
  return verdict.rule;
}

const Making kNewUser{true};
const std::vector<UserNs> kOfHost{kHostNs}, kOfMine{kMineNs, kHostNs}, kOfOther{kOtherNs, kHostNs}, kOfNested{kNestedNs, kMineNs, kHostNs};

TEST(HasCapabilityIn, IsOurOwnOrTheMakersOrInherited) {
  EXPECT_TRUE(has_capability_in(root(), kOfHost, 21));
  EXPECT_TRUE(has_capability_in(root(), kOfNested, 21)) << "from an ancestor downwards";
  EXPECT_FALSE(has_capability_in(ordinary(), kOfHost, 21));
  EXPECT_TRUE(has_capability_in(ordinary(), kOfMine, 21)) << "who made it";
  EXPECT_TRUE(has_capability_in(ordinary(), kOfNested, 21)) << "what is below what he made";
  EXPECT_FALSE(has_capability_in(ordinary(), kOfOther, 21));
  EXPECT_FALSE(has_capability_in(root(), {}, 21)) << "above ours";
  Joiner few = root();
  few.capabilities = kernel::cap_bit(18);
  EXPECT_FALSE(has_capability_in(few, kOfHost, 21));
  EXPECT_TRUE(has_capability_in(few, kOfHost, 18));
}

TEST(Preflight, RootJoinsWhatTheHostOwns) {
  for (NsKind kind : {NsKind::Cgroup, NsKind::Ipc, NsKind::Uts, NsKind::Net, NsKind::Pid, NsKind::Time}) {
    EXPECT_EQ(rule(root(), {join(kind, kOfHost)}), "");
    EXPECT_EQ(rule(root(), {join(kind, kOfHost)}, std::nullopt), "") << "nsenter";
    EXPECT_EQ(rule(root(), {join(kind, kOfMine)}), "") << "below it as well";
  }
}

TEST(Preflight, AnOrdinaryUserJoinsNothingOfTheHosts) {
  for (NsKind kind : {NsKind::Cgroup, NsKind::Ipc, NsKind::Uts, NsKind::Net, NsKind::Pid, NsKind::Mnt})
    EXPECT_EQ(rule(ordinary(), {join(kind, kOfHost)}, kNewUser), "no-right");
  EXPECT_EQ(rule(ordinary(), {join(NsKind::Net, kOfHost)}, std::nullopt), "no-right") << "nsenter";
  EXPECT_EQ(rule(ordinary(), {join(NsKind::Net, kOfOther)}, kNewUser), "no-right");
}

TEST(Preflight, HisOwnHeJoinsWithItsUserNamespace) {
  EXPECT_EQ(rule(ordinary(), {join(NsKind::Net, kOfMine)}, kNewUser), "user-must-come-too");
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfMine), join(NsKind::Net, kOfMine)}), "");
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfMine), join(NsKind::Net, kOfMine)}, std::nullopt), "");
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfMine), join(NsKind::Net, kOfNested)}), "") << "and what is below it";
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfNested), join(NsKind::Net, kOfMine)}), "user-must-come-too") << "but not what is above";
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfOther)}), "user-no-right");
}

TEST(Preflight, WithoutARightToMakeTheUserNamespaceHasToBeNewOrJoined) {
  EXPECT_EQ(rule(ordinary(), {}), "make-no-right");
  EXPECT_EQ(rule(ordinary(), {}, kNewUser), "");
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfMine)}), "");
  EXPECT_EQ(rule(root(), {}), "");
  EXPECT_EQ(rule(ordinary(), {}, std::nullopt), "") << "nsenter makes nothing";
}

TEST(Preflight, OurOwnUserNamespaceIsNoJoinForAContainerAndAnErrorForNsenter) {
  Join ours = join(NsKind::User, kOfHost);
  ours.ours = true;
  EXPECT_EQ(rule(root(), {ours}), "");
  EXPECT_EQ(rule(root(), {ours}, std::nullopt), "user-ours");
  EXPECT_EQ(rule(root(), {ours, join(NsKind::Time, kOfHost)}), "") << "it is as if it were not joined";
  EXPECT_EQ(check_joins({root(), {ours}, Making{}}).ours, uint64_t{CLONE_NEWUSER});
}

TEST(Preflight, AContainerStaysInWhatItIsInAlready) {
  Join time = join(NsKind::Time, kOfHost);
  time.ours = true;
  EXPECT_EQ(rule(ordinary(), {time}, kNewUser), "");
  EXPECT_EQ(rule(ordinary(), {time}, std::nullopt), "no-right") << "setns asks nevertheless";
}

TEST(Preflight, ATimeNamespaceIsEnteredFromTheUserNamespaceThatTheContainerHas) {
  EXPECT_EQ(rule(root(), {join(NsKind::Time, kOfHost)}, kNewUser), "time-from-new-user");
  EXPECT_EQ(rule(root(), {join(NsKind::User, kOfMine), join(NsKind::Time, kOfHost)}), "time-from-other-user");
  EXPECT_EQ(rule(root(), {join(NsKind::User, kOfMine), join(NsKind::Time, kOfMine)}), "");
}

TEST(Preflight, APidNamespaceHasToBeAliveBelowUsAndWithAProcThatMayBeMounted) {
  Join pid = join(NsKind::Pid, kOfHost);
  EXPECT_EQ(rule(root(), {pid}, kNewUser), "pid-without-proc");
  EXPECT_EQ(rule(root(), {join(NsKind::User, kOfMine), pid}), "pid-without-proc");
  EXPECT_EQ(rule(root(), {join(NsKind::User, kOfMine), join(NsKind::Pid, kOfMine)}), "");
  pid.init_lives = false;
  EXPECT_EQ(rule(root(), {pid}), "pid-ended");
  pid.below_ours = false;
  EXPECT_EQ(rule(root(), {pid}), "pid-not-below");
}

TEST(Preflight, AMountNamespaceTakesTwoCapabilities) {
  Joiner few = root();
  few.capabilities = kernel::cap_bit(21);
  EXPECT_EQ(rule(few, {join(NsKind::Mnt, kOfHost)}, std::nullopt), "mnt-no-chroot");
  EXPECT_EQ(rule(few, {join(NsKind::Net, kOfHost)}, std::nullopt), "");
  EXPECT_EQ(rule(root(), {join(NsKind::Mnt, kOfHost)}, std::nullopt), "");
  EXPECT_EQ(rule(ordinary(), {join(NsKind::User, kOfMine), join(NsKind::Mnt, kOfMine)}, std::nullopt), "");
}

TEST(Preflight, ThreadsAndASharedRootAreInTheWay) {
  Joiner threads = root(), sharer = root();
  threads.threads = sharer.shares_files = true;
  EXPECT_EQ(rule(threads, {join(NsKind::Time, kOfHost)}), "threads");
  EXPECT_EQ(rule(threads, {join(NsKind::User, kOfMine)}), "threads");
  EXPECT_EQ(rule(threads, {join(NsKind::Net, kOfHost)}), "");
  EXPECT_EQ(rule(sharer, {join(NsKind::User, kOfMine)}), "shares-files");
  EXPECT_EQ(rule(sharer, {join(NsKind::Mnt, kOfHost)}), "shares-files");
}

TEST(Preflight, WhatCannotBeOpenedOrIsAboveUsIsSaid) {
  Join closed;
  closed.error = "open /x: Permission denied";
  EXPECT_EQ(rule(root(), {closed}), "open");
  EXPECT_EQ(rule(root(), {join(NsKind::Net, {})}), "above-ours");
}

TEST(Preflight, SaysWhatOurUserNamespaceOwns) {
  EXPECT_EQ(check_joins({root(), {join(NsKind::Net, kOfHost)}, Making{}}).owned, uint64_t{CLONE_NEWNET});
  EXPECT_EQ(check_joins({root(), {join(NsKind::Net, kOfHost)}, kNewUser}).owned, 0u);
  EXPECT_EQ(check_joins({root(), {join(NsKind::User, kOfMine), join(NsKind::Net, kOfHost), join(NsKind::Ipc, kOfMine)}, Making{}}).owned,
            uint64_t{CLONE_NEWIPC});
}

TEST(Preflight, NamesTheLeastChange) {
  Join net = join(NsKind::Net, kOfMine);
  net.name = "the net namespace of container db";
  net.with_user = "--userns=container:db";
  EXPECT_EQ(check_joins({ordinary(), {net}, kNewUser}).why,
            "the net namespace of container db is owned by user:[200], of uid 1000, which has to be entered first: in our own, user:[100], we lack CAP_SYS_ADMIN\n"
            "share its user namespace as well (--userns=container:db)");
  EXPECT_EQ(one_line("a\nb\nc"), "a; b; c");
}

TEST(PreflightFacts, OfOurOwnNamespaces) {
  Joiner joiner = gather_joiner();
  EXPECT_EQ(joiner.user_ns, kernel::ns_inode(0, NsKind::User));
  auto pid = kernel::open_ns(0, NsKind::Pid), user = kernel::open_ns(0, NsKind::User);
  ASSERT_TRUE(pid && user);
  Join ours = gather_join(*pid, NsKind::Pid, "ours");
  EXPECT_TRUE(ours.ours && ours.below_ours && ours.init_lives);
  EXPECT_EQ(gather_join(*user, NsKind::User, "ours").owners.front().inode, joiner.user_ns);
}

}  // namespace
}  // namespace hull::ns
