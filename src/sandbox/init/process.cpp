// The steps that shape the process itself: namespaces made late, identity, capabilities, seccomp, limits.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <net/if.h>
#include <unistd.h>

#include "sys.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

namespace hull::init {

static int write_text(const char* path, const char* text, size_t size) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fail("open", path);
  ssize_t put = write(fd, text, size);
  if (put < 0) fail("write", path);
  close(fd);
  return put < 0 ? -1 : 0;
}

// KERNEL: a process that moves itself ("0") into a v1 group takes 0.3 ms for nine controllers; moving another waits
// for an RCU grace period, 11-15 ms when cold; cgroup_attach_task. So the process enters by itself.
int enter_cgroup(const StepView& step) {
  bool came = step.number(0) == 0;
  if (came && step.number(1) > g_state.group_file_count) return fail_as(EPROTO, "descriptors", "cgroup of the container");
  for (uint64_t i = 0; i < step.number(1); ++i) {
    int fd = came ? g_state.group_files[i] : static_cast<int>(step.number(0) + i);
    if (write(fd, "0", 1) != 1) return fail("write", "cgroup of the container");
    close(fd);
  }
  for (uint32_t i = 0; i < step.count(); ++i)
    if (write_text(step.text(i), "0", 1) != 0) return -1;
  return 0;
}

// KERNEL: joining a time namespace is refused (EUSERS) while any other process shares our memory, so hull's clone
// cannot do it before exec; setns(2).
int enter_time_ns(const StepView& step) {
  auto fd = static_cast<int>(step.number(0));
  if (setns(fd, CLONE_NEWTIME) != 0) return fail("setns", "time namespace");
  return close(fd);
}

int new_net_ns(const StepView&) {
  if (unshare(CLONE_NEWNET) != 0) return fail("unshare", "network namespace");
  return 0;
}

// KERNEL: a cgroup namespace is rooted where its maker stands; cgroup_namespaces(7). It can be made only after the
// process has entered its groups, so not by clone.
int new_cgroup_ns(const StepView&) {
  if (unshare(CLONE_NEWCGROUP) != 0) return fail("unshare", "cgroup namespace");
  return 0;
}

// KERNEL: the offsets of a time namespace freeze when the first process enters it; time_namespaces(7). clone3 would
// enter at once, so it is made here, given its offsets, then entered.
int new_time_ns(const StepView& step) {
  if (unshare(CLONE_NEWTIME) != 0) return fail("unshare", "time namespace");
  for (uint32_t i = 0; i < step.count(); ++i)
    if (write_text("/proc/self/timens_offsets", step.text(i), step.text_size(i)) != 0) return -1;
  int ns = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
  if (ns < 0) return fail("open", "/proc/self/ns/time_for_children");
  if (setns(ns, CLONE_NEWTIME) != 0) return fail("setns", "time namespace");
  return close(ns);
}

// Others in a pid namespace see a process from its first moment: what may not be seen or traced comes before (SECURITY A2).
// KERNEL: CLONE_PARENT_SETTID writes the number before the child runs, so that who made it may be killed at any moment: a
// child whose number nobody learnt would wait for its release for good; fork.c, kernel_clone().
int be_born(const StepView& step) {
  *g_state.born_pid = 0;  // the page is there, whatever signal is pending
  long pid = syscall(SYS_clone, step.number(0) | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, nullptr, g_state.born_pid, nullptr, 0ul);
  if (pid < 0) return fail("clone", "the process in its namespaces");
  if (pid == 0) return 0;
  _exit(0);
}

int new_session(const StepView& step) {
  if (setsid() < 0) return fail("setsid", "");
  if (step.number(0) != 0 && ioctl(0, TIOCSCTTY, 0) != 0) return fail("ioctl", "TIOCSCTTY");
  return 0;
}

int become_root(const StepView&) {
  if (setresgid(0, 0, 0) != 0) return fail("setresgid", "0 in the new user namespace");
  if (setgroups(0, nullptr) != 0 && errno != EPERM) return fail("setgroups", "");
  if (setresuid(0, 0, 0) != 0) return fail("setresuid", "0 in the new user namespace");
  return 0;
}

int loopback_up(const StepView&) {
  int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return fail("socket", "AF_INET");
  struct ifreq request = {};
  memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  int result = ioctl(socket_fd, SIOCSIFFLAGS, &request);
  if (result != 0) fail("ioctl", "bring lo up");
  close(socket_fd);
  return result;
}

int set_hostname(const StepView& step) {
  if (sethostname(step.text(0), step.text_size(0)) != 0) return fail("sethostname", step.text(0));
  return 0;
}

int set_domainname(const StepView& step) {
  if (setdomainname(step.text(0), step.text_size(0)) != 0) return fail("setdomainname", step.text(0));
  return 0;
}

// Written before pivot_root through the host's /proc, which no container can have replaced; the kernel takes the
// caller's own net, ipc and uts namespaces whichever mount of proc it is.
int write_sysctl(const StepView& step) {
  char path[256];
  snprintf(path, sizeof path, "/proc/sys/%s", step.text(0));
  return write_text(path, step.text(1), step.text_size(1));
}

int set_rlimit(const StepView& step) {
  struct rlimit limit = {step.number(1), step.number(2)};
  if (setrlimit(static_cast<int>(step.number(0)), &limit) != 0) {
    char name[48];
    snprintf(name, sizeof name, "resource %u to %llu:%llu", static_cast<unsigned>(step.number(0)),
             static_cast<unsigned long long>(limit.rlim_cur), static_cast<unsigned long long>(limit.rlim_max));
    return fail("setrlimit", name);
  }
  return 0;
}

int set_oom_score_adj(const StepView& step) {
  return write_text("/proc/self/oom_score_adj", step.text(0), step.text_size(0));
}

int new_keyring(const StepView&) {
  constexpr int kJoinSessionKeyring = 1;
  if (syscall(SYS_keyctl, kJoinSessionKeyring, nullptr) < 0 && errno != ENOSYS) return fail("keyctl", "new session keyring");
  return 0;
}

int set_umask(const StepView& step) {
  umask(static_cast<mode_t>(step.number(0)));
  return 0;
}

int set_personality(const StepView& step) {
  if (personality(step.number(0)) == -1) return fail("personality", "");
  return 0;
}

int drop_bounding(const StepView& step) {
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((step.number(0) >> capability & 1) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // past the last capability of this kernel
    char name[24];
    snprintf(name, sizeof name, "capability %u", capability);
    return fail("prctl", name);
  }
  return 0;
}

struct CapHeader { uint32_t version; int pid; };
struct CapData { uint32_t effective, permitted, inheritable; };

static int cap_set(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  CapHeader header{0x20080522, 0};
  auto low = [](uint64_t mask) { return static_cast<uint32_t>(mask); };
  auto high = [](uint64_t mask) { return static_cast<uint32_t>(mask >> 32); };
  CapData data[2] = {{low(effective), low(permitted), low(inheritable)}, {high(effective), high(permitted), high(inheritable)}};
  return static_cast<int>(syscall(SYS_capset, &header, data));
}

static int cap_permitted(uint64_t* permitted) {
  CapHeader header{0x20080522, 0};
  CapData data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  *permitted = data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
  return 0;
}

// The new user may write to its own standard streams by path (/dev/stdout): pipes change their owner.
static void own_streams(uid_t uid) {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && status.st_uid != uid) (void)!fchown(fd, uid, static_cast<gid_t>(-1));
  }
}

// Keeps every permitted capability over the change of user, effective again: what follows (seccomp without
// no_new_privs, SetCaps) needs them; SetCaps then drops all that the plan does not give.
int set_user(const StepView& step) {
  auto uid = static_cast<uid_t>(step.number(0));
  auto gid = static_cast<gid_t>(step.number(1));
  own_streams(uid);
  if (step.number(2) != 0) find_home(uid);
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail("prctl", "PR_SET_KEEPCAPS");
  auto* groups = reinterpret_cast<const gid_t*>(step.text(0));
  size_t count = step.text_size(0) / sizeof(gid_t);
  // KERNEL: EPERM in a user namespace whose maker gave setgroups up (user_namespaces(7)); nothing is lost if there is but
  // the group that is set below.
  bool only_own = count == 0 || (count == 1 && groups[0] == gid);
  bool refused = step.number(3) == 0 && setgroups(count, groups) != 0;
  if (refused && !(errno == EPERM && only_own)) return fail("setgroups", "");
  char id[24];
  if (setresgid(gid, gid, gid) != 0) {
    snprintf(id, sizeof id, "%u", gid);
    return fail("setresgid", id);
  }
  if (setresuid(uid, uid, uid) != 0) {
    snprintf(id, sizeof id, "%u", uid);
    return fail("setresuid", id);
  }
  uint64_t permitted;
  if (cap_permitted(&permitted) != 0 || cap_set(permitted, permitted, 0) != 0) return fail("capset", "keep across setuid");
  return 0;
}

int set_caps(const StepView& step) {
  uint64_t permitted;
  if (cap_permitted(&permitted) != 0) return fail("capget", "");
  uint64_t wanted = step.number(1) & permitted;
  if (cap_set(step.number(0) & wanted, wanted, step.number(2)) != 0) return fail("capset", "");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (unsigned capability = 0; capability < 64; ++capability)
    if ((step.number(3) >> capability & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
      return fail("prctl", "PR_CAP_AMBIENT_RAISE");
  return 0;
}

int no_new_privs(const StepView&) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("prctl", "PR_SET_NO_NEW_PRIVS");
  return 0;
}

int load_seccomp(const StepView& step) {
  struct { unsigned short count; const void* filter; } program;
  constexpr size_t kInstructionSize = 8;
  program.count = static_cast<unsigned short>(step.text_size(0) / kInstructionSize);
  program.filter = step.text(0);
  constexpr unsigned kSetModeFilter = 1;
  auto listener = static_cast<int>(syscall(SYS_seccomp, kSetModeFilter, static_cast<unsigned>(step.number(0)), &program));
  if (listener < 0) return fail("seccomp", "load the filter");
  if (step.number(1) == 0) return 0;
  auto agent = static_cast<int>(step.number(1));
  size_t size;
  const char* state = with_pid(step.text(1), g_state.host_pid, &size);
  if (state == nullptr || send_descriptor(agent, listener, state, size) != 0) return fail("sendmsg", "seccomp listener");
  close(agent);
  return close(listener);
}

// After pivot_root, so "/" is the container's. A directory outside of it ("(unreachable)…") is never accepted: that
// was CVE-2024-21626.
int change_directory(const StepView& step) {
  if (chdir(step.text(0)) != 0) return fail("chdir", step.text(0));
  char here[4096];
  long size = syscall(SYS_getcwd, here, sizeof here);
  if (size <= 0 || here[0] != '/') return fail_as(ELOOP, "chdir leads outside of the root", step.text(0));
  return 0;
}

}  // namespace hull::init
