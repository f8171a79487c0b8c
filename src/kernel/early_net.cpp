#include "kernel/early_net.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/clone.h"
#include "kernel/identity.h"
#include "kernel/namespaces.h"

namespace hull::kernel {

// The child's whole world: it may use no libc, whose state is its parent's.
struct EarlyNet::Work {
  alignas(16) char stack[kBesideStack];
  pid_t pid = 0;
  long failed = 0;           // negative errno
  const char* call = "";     // what failed
  int fd = -1;               // in the table that both share
  ifreq loopback{};
};

namespace {

#if defined(__x86_64__)
long raw(long number, long a, long b = 0, long c = 0) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
#else
long raw(long, long, long = 0, long = 0) { return -ENOSYS; }
#endif

#define NO_SANITIZER __attribute__((no_sanitize("address", "undefined")))

template <typename Work>
NO_SANITIZER int give_up(Work& work, const char* call, long error) {
  work.call = call;
  work.failed = error;
  return 1;
}

template <typename Work>
NO_SANITIZER int make_net(void* context) {
  auto& work = *static_cast<Work*>(context);
  if (long error = raw(SYS_unshare, CLONE_NEWNET); error < 0) return give_up(work, "unshare", error);
  long socket = raw(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC);
  if (socket < 0) return give_up(work, "socket", socket);
  long up = raw(SYS_ioctl, socket, SIOCSIFFLAGS, reinterpret_cast<long>(&work.loopback));
  raw(SYS_close, socket);
  if (up < 0) return give_up(work, "bring lo up", up);
  static constexpr char kPath[] = "/proc/thread-self/ns/net";
  long fd = raw(SYS_open, reinterpret_cast<long>(kPath), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return give_up(work, "open", fd);
  work.fd = static_cast<int>(fd);
  return 0;
}

}  // namespace

void EarlyNet::Destroy::operator()(Work* work) const {
  work->~Work();
  ::munmap(work, sizeof *work);
}

EarlyNet EarlyNet::start() {
  EarlyNet early;
  void* memory = ::mmap(nullptr, sizeof(Work), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return early;
  std::unique_ptr<Work, Destroy> work(new (memory) Work);
  for (const char* c = "lo", *end = c + 2; c != end; ++c) work->loopback.ifr_name[c - (end - 2)] = *c;
  work->loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  auto pid = clone_beside(work->stack, make_net<Work>, work.get());
  if (!pid) return early;
  work->pid = *pid;
  early.work_ = std::move(work);
  return early;
}

Result<Fd> EarlyNet::finish() {
  Work& work = *work_;
  reap(work.pid);
  work.pid = 0;
  Fd fd(std::exchange(work.fd, -1));
  if (fd) return fd;
  if (work.failed == 0) return fail(ErrorKind::System, "the process that made the network namespace was killed");
  Error error = Error::from_errno(static_cast<int>(-work.failed), work.call, "network namespace");
  return fail(work.failed == -ENOSPC ? std::move(error).with_remedy(kNamespacesExhausted) : std::move(error));
}

EarlyNet::~EarlyNet() {
  if (work_) (void)finish();
}

}  // namespace hull::kernel
