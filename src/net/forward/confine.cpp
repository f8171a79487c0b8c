// What hull-port gives up before it serves: every capability, what others may do to it, and all system calls but those of
// its loop. A call that is not on the list ends it.
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/forward/forward.h"

namespace hull::net::forward {
namespace {

// As linux/filter.h, linux/seccomp.h and linux/capability.h have them; musl's headers come without the kernel's.
struct Instruction { uint16_t code; uint8_t if_true, if_false; uint32_t k; };
struct Program { uint16_t size; const Instruction* first; };
constexpr uint16_t kLoad = 0x20, kJumpEqual = 0x15, kReturn = 0x06;
constexpr uint32_t kAllow = 0x7fff0000, kKillProcess = 0x80000000, kArchX8664 = 0xc000003e;
constexpr uint32_t kOffsetNumber = 0, kOffsetArch = 4, kOffsetArgument0 = 16, kOffsetArgument1 = 24;
struct CapabilityHeader { uint32_t version; int pid; };
struct CapabilityData { uint32_t effective, permitted, inheritable; };
constexpr uint32_t kCapabilityVersion3 = 0x20080522;

constexpr uint32_t kAllowed[] = {
    SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl, SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_accept4, SYS_bind, SYS_connect,
    SYS_shutdown, SYS_close, SYS_getsockopt, SYS_setsockopt, SYS_clock_gettime, SYS_restart_syscall, SYS_exit, SYS_exit_group};
constexpr int kAllowedCount = sizeof kAllowed / sizeof *kAllowed;
constexpr int kFilterSize = 3 + 1 + 2 * kAllowedCount + 6 + 5;

struct Filter {
  Instruction code[kFilterSize] = {};
  int size = 0;
  constexpr void add(uint16_t op, uint32_t k, uint8_t if_true = 0, uint8_t if_false = 0) { code[size++] = {op, if_true, if_false, k}; }
};

constexpr Filter make_filter() {
  Filter f;
  f.add(kLoad, kOffsetArch);
  f.add(kJumpEqual, kArchX8664, 1, 0);
  f.add(kReturn, kKillProcess);
  f.add(kLoad, kOffsetNumber);
  for (uint32_t number : kAllowed) {
    f.add(kJumpEqual, number, 0, 1);
    f.add(kReturn, kAllow);
  }
  f.add(kJumpEqual, SYS_socket, 0, 5);  // of the Internet's families alone
  f.add(kLoad, kOffsetArgument0);
  f.add(kJumpEqual, AF_INET, 2, 0);
  f.add(kJumpEqual, AF_INET6, 1, 0);
  f.add(kReturn, kKillProcess);
  f.add(kReturn, kAllow);
  f.add(kJumpEqual, SYS_ioctl, 0, 3);   // which addresses there are
  f.add(kLoad, kOffsetArgument1);
  f.add(kJumpEqual, SIOCGIFCONF, 0, 1);
  f.add(kReturn, kAllow);
  f.add(kReturn, kKillProcess);
  return f;
}
constexpr Filter kFilter = make_filter();

void drop_capabilities() {
  syscall(SYS_setgroups, 0, nullptr);  // refused in a user namespace where it is denied: there it gives no rights
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {}
}

}  // namespace

const char* confine() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  drop_capabilities();
  CapabilityHeader header{kCapabilityVersion3, 0};
  CapabilityData nothing[2] = {};
  if (syscall(SYS_capset, &header, nothing) != 0) return "capset";
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return "prctl PR_SET_DUMPABLE";
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "prctl PR_SET_NO_NEW_PRIVS";
  Program program{static_cast<uint16_t>(kFilter.size), kFilter.code};
  constexpr unsigned long kModeFilter = 2;
  if (prctl(PR_SET_SECCOMP, kModeFilter, &program, 0, 0) != 0) return "prctl PR_SET_SECCOMP";
  return nullptr;
}

}  // namespace hull::net::forward
