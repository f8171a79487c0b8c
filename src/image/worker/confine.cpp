#include "image/worker/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <csignal>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/text.h"
#include "image/limits.h"

namespace hull::image {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;  // its run time needs address space and calls that a reader does not
#else
constexpr bool kSanitized = false;
#endif

constexpr rlim_t kReaderFiles = 2 * kMaxLayers + 64;  // a handle of each layer below, twice, and its own work

// Covers "/" with the tree, or where open_tree or move_mount is refused with a copy of the working directory, and enters it.
Result<> mount_over_root(const Fd& tree) {
  bool moved = tree && ::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0;
  if (moved && ::fchdir(tree.get()) == 0) return {};
  if (moved || (tree && errno != ENOSYS)) return fail_errno(moved ? "fchdir" : "move_mount", "staging directory");
  // KERNEL: only ".." leads to what covers the root that we have; namei.c, follow_dotdot().
  if (::mount(".", "/", nullptr, MS_BIND, nullptr) != 0 || ::chdir("/..") != 0) return fail_errno("mount", "staging directory");
  return {};
}

// A copy of the directory's mount, alone in a namespace of its own, becomes "/".
Result<> pivot_into(const Fd& directory) {
  // KERNEL: a mount can only be cloned in the namespace it belongs to, so before unshare; since 5.2; open_tree(2).
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, directory.get(), ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree && errno != ENOSYS) return fail_errno("open_tree", "staging directory");
  if (::fchdir(directory.get()) != 0) return fail_errno("fchdir", "staging directory");
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) return fail_errno("unshare", "reader's namespaces");
  if (::mount("", "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) return fail_errno("mount", "/ as private");
  TRY(mount_over_root(tree));
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno("pivot_root", "staging directory");
  if (::umount2(".", MNT_DETACH) != 0) return fail_errno("umount", "old root");
  if (::chdir("/") != 0) return fail_errno("chdir", "/");
  return {};
}

Result<> add_landlock_rule(const Fd& rules, const Fd& directory, uint64_t access) {
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = access;
  beneath.parent_fd = directory.get();
  if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0) return fail_errno("landlock_add_rule", "");
  return {};
}

// Absent on a kernel without it: the namespaces above hold on their own.
Result<> apply_landlock(const std::vector<Fd>& readable) {
  constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  constexpr uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                              LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                              LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
  constexpr uint64_t kRefer = 1ULL << 13;  // LANDLOCK_ACCESS_FS_REFER: links between directories; ABI 2
  long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 2) return {};  // ABI 1 forbids every link between directories, which layers are full of
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = kRead | kWrite | kRefer | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_SOCK;
  Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0)));
  if (!rules) return fail_errno("landlock_create_ruleset", "");
  Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return fail_errno("open", "/");
  TRY(add_landlock_rule(rules, root, kRead | kWrite | kRefer));
  for (const Fd& tree : readable) TRY(add_landlock_rule(rules, tree, kRead));
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return fail_errno("landlock_restrict_self", "");
  return {};
}

Result<> limit_resources() {
  rlimit none{0, 0}, files{kReaderFiles, kReaderFiles}, space{kWorkerAddressSpace, kWorkerAddressSpace};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_errno("setrlimit", "RLIMIT_CORE");
  rlimit descriptors;
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  if (descriptors.rlim_max > files.rlim_max && ::setrlimit(RLIMIT_NOFILE, &files) != 0 && !kSanitized) return fail_errno("setrlimit", "RLIMIT_NOFILE");
  if (!kSanitized && ::setrlimit(RLIMIT_AS, &space) != 0) return fail_errno("setrlimit", "RLIMIT_AS");
  return {};
}

Result<> drop_capabilities() {
  constexpr unsigned kKept[] = {CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE, CAP_MKNOD, CAP_SETFCAP, CAP_FSETID};
  auto kept = [&](unsigned cap) { return std::find(std::begin(kKept), std::end(kKept), cap) != std::end(kKept); };
  for (unsigned cap = 0; cap < 64; ++cap)
    if (!kept(cap) && ::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno == EPERM) return fail_errno("prctl", "PR_CAPBSET_DROP");
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2]{}, data[2]{};
  if (::syscall(SYS_capget, &header, held) != 0) return fail_errno("capget", "");
  for (unsigned cap : kKept) data[cap / 32].permitted |= 1U << (cap % 32);
  for (size_t word = 0; word < 2; ++word) data[word].effective = data[word].permitted &= held[word].permitted;
  if (::syscall(SYS_capset, &header, data) != 0) return fail_errno("capset", "");
  return {};
}

// What reading a stream and writing a tree takes, and nothing that reaches another process, a socket or a program.
constexpr int kAllowedCalls[] = {
    SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_lseek, SYS_close, SYS_fcntl, SYS_dup,
    SYS_openat, SYS_openat2, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_readlinkat, SYS_getdents64, SYS_ftruncate, SYS_fallocate,
    SYS_mkdirat, SYS_mknodat, SYS_linkat, SYS_symlinkat, SYS_unlinkat, SYS_renameat2, SYS_fchmod, SYS_fchmodat, SYS_fchown,
    SYS_fchownat, SYS_utimensat, SYS_fsetxattr, SYS_fgetxattr, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk,
    SYS_futex, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_getpid, SYS_gettid, SYS_getrandom, SYS_clock_gettime,
    SYS_clock_nanosleep, SYS_nanosleep, SYS_exit, SYS_exit_group, SYS_tgkill, SYS_restart_syscall, SYS_sched_yield};

Result<> load_filter() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("prctl", "PR_SET_NO_NEW_PRIVS");
  if (kSanitized) return {};
  std::vector<sock_filter> program{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (int call : kAllowedCalls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) return fail_errno("prctl", "PR_SET_SECCOMP");
  return {};
}

void close_between(unsigned first, unsigned last) {
  constexpr unsigned kMost = 1 << 16;
  if (::syscall(SYS_close_range, first, last, 0) == 0 || errno != ENOSYS) return;
  for (unsigned fd = first; fd <= std::min(last, kMost); ++fd) ::close(static_cast<int>(fd));
}

void close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned from = 3;
  for (int fd : keep) {
    if (fd < static_cast<int>(from)) continue;
    if (fd > static_cast<int>(from)) close_between(from, static_cast<unsigned>(fd) - 1);
    from = static_cast<unsigned>(fd) + 1;
  }
  close_between(from, ~0U);
}

}  // namespace

Result<> confine(const Confinement& plan) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  std::vector<int> keep = plan.keep;
  keep.push_back(plan.directory.get());
  for (const Fd& tree : plan.readable) keep.push_back(tree.get());
  close_all_but(std::move(keep));
  TRY(pivot_into(plan.directory));
  TRY(apply_landlock(plan.readable));
  TRY(limit_resources());
  TRY(drop_capabilities());
  return load_filter();
}

}  // namespace hull::image
