#include "ns/unshare.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "ns/process.h"

namespace hull::ns {
namespace {

using kernel::NsKind;

// A child that stays in the caller's namespaces and acts on the parent from there, once told to.
//
//   parent                         helper
//     |-- fork ----------------------->|  waits
//     |   unshare()                    |
//     |-- one byte ------------------->|  does its work
//     |<- exit code, error text -------|
class Helper {
 public:
  template <typename Work>
  static Result<Helper> start(Work work) {
    Helper helper;
    Pipe orders = TRY(make_pipe()), answers = TRY(make_pipe());
    pid_t parent = ::getpid();
    helper.pid_ = ::fork();
    if (helper.pid_ < 0) return fail_errno("fork", "failed");
    if (helper.pid_ == 0) {
      orders.write.reset();
      char byte;
      // End of file: the parent failed before it needed us.
      if (::read(orders.read.get(), &byte, 1) != 1) ::_exit(0);
      Result<> done = work(parent);
      if (!done) (void)write_all(answers.write, done.error().text());
      ::_exit(done ? 0 : 1);
    }
    helper.orders_ = std::move(orders.write);
    helper.answers_ = std::move(answers.read);
    return helper;
  }

  Result<> run() {
    if (pid_ <= 0) return {};
    if (::write(orders_.get(), "x", 1) != 1) return fail_errno("write", "to the helper");
    orders_.reset();
    std::string error = TRY(read_all(answers_));
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = 0;
    if (!error.empty()) return fail(ErrorKind::System, error);
    if (status != 0) return fail(ErrorKind::System, "the helper process failed");
    return {};
  }

  Helper() = default;
  Helper(Helper&& other) noexcept : pid_(std::exchange(other.pid_, 0)), orders_(std::move(other.orders_)), answers_(std::move(other.answers_)) {}
  Helper& operator=(Helper&&) = delete;
  ~Helper() {
    orders_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
  Fd orders_, answers_;
};

// ---- id maps

constexpr const char* kMapHelpers[] = {"/usr/bin/newuidmap", "/usr/bin/newgidmap"};

// newuidmap and newgidmap are set-uid: they may map the subordinate ids that an ordinary user was given.
Result<> map_by_program(const char* program, pid_t process, const std::string& map) {
  std::vector<std::string> words = {program, std::to_string(process)};
  for (std::string_view word : split_words(map)) words.emplace_back(word);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = ::fork();
  if (child < 0) return fail_errno("fork", "failed");
  if (child == 0) {
    ::execv(program, arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (status == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return fail(ErrorKind::Unsupported, format("failed to execute {}; install the package uidmap", program));
  return fail(ErrorKind::Denied, format("{} refused the mapping; see /etc/subuid and /etc/subgid", program));
}

Result<> write_map(pid_t process, bool groups, std::string map) {
  for (char& c : map)
    if (c == '\n') c = ' ';
  std::string lines;
  auto words = split_words(map);
  for (size_t i = 0; i + 2 < words.size(); i += 3) lines += format("{} {} {}\n", words[i], words[i + 1], words[i + 2]);
  std::string path = format("/proc/{}/{}", process, groups ? "gid_map" : "uid_map");
  Result<> written = write_kernel_file(path, lines);
  if (written || written.error().kind() != ErrorKind::Denied) return written;
  return map_by_program(kMapHelpers[groups ? 1 : 0], process, map);
}

std::optional<SingleId> single(std::optional<uint32_t> inner, uint32_t outer) {
  if (!inner) return std::nullopt;
  return SingleId{outer, *inner};
}

// Ranges need someone outside of the new namespace (with CAP_SETUID there, or newuidmap) to write them.
Result<Helper> start_mapper(const UnshareRequest& request) {
  if (request.user_ranges.empty() && request.group_ranges.empty()) return Helper();
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  return Helper::start([&request, uid, gid](pid_t parent) -> Result<> {
    if (!request.user_ranges.empty() || request.map_user)
      TRY(write_map(parent, false, id_map_text(request.user_ranges, single(request.map_user, uid))));
    if (!request.group_ranges.empty() || request.map_group)
      TRY(write_map(parent, true, id_map_text(request.group_ranges, single(request.map_group, gid))));
    return {};
  });
}

Result<> write_setgroups(Setgroups setting) {
  if (setting == Setgroups::Leave) return {};
  return write_kernel_file("/proc/self/setgroups", setting == Setgroups::Deny ? "deny" : "allow");
}

// The one id that an unprivileged process may map for itself.
Result<> map_own_ids(const UnshareRequest& request, uid_t uid, gid_t gid) {
  Setgroups setting = request.setgroups;
  if (request.map_user && request.user_ranges.empty()) TRY(write_kernel_file("/proc/self/uid_map", format("{} {} 1\n", *request.map_user, uid)));
  if (request.map_group && request.group_ranges.empty()) {
    // KERNEL: an unprivileged gid_map is refused unless setgroups is denied first; since 3.19; user_namespaces(7).
    TRY(write_setgroups(Setgroups::Deny));
    TRY(write_kernel_file("/proc/self/gid_map", format("{} {} 1\n", *request.map_group, gid)));
    if (setting == Setgroups::Deny) setting = Setgroups::Leave;
  }
  return write_setgroups(setting);
}

// ---- persistence

// mount(2) has failed, and errno is its.
Error cannot_bind(const std::string& source, NsKind kind, const std::string& path) {
  Error error(kind_of_errno(errno), format("mount {} on {} failed: {}", source, path, errno_text(errno)), errno);
  if (!path_exists(path)) return std::move(error).with_remedy("the file must exist");
  if (kind == NsKind::Mnt) return std::move(error).with_remedy("the file must be on a mount with private propagation");
  if (kind == NsKind::Pid) return std::move(error).with_remedy("it needs --fork, so that the namespace has a first process");
  return error;
}

// Binds a namespace of `process` on a file, from the caller's own mount and user namespace: a mount namespace cannot
// hold itself, and a user namespace's maker has no right over the mounts outside of it.
Result<Helper> start_binder(const UnshareRequest& request) {
  if (request.persist.empty()) return Helper();
  return Helper::start([&request](pid_t parent) -> Result<> {
    for (const auto& [kind, path] : request.persist) {
      std::string source = format("/proc/{}/ns/{}", parent, kernel::ns_info(kind).children_link);
      if (::mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) return fail(cannot_bind(source, kind, path));
    }
    return {};
  });
}

uint64_t own_mount_id() {
  Result<Fd> mounts = kernel::open_ns(0, NsKind::Mnt);
  Result<kernel::NsIdentity> identity = mounts ? kernel::identify_ns(*mounts) : tl::unexpected<Error>(mounts.error());
  return identity ? identity->id : 0;
}

// KERNEL: a mount namespace can be bound only inside one with a lower id (so that no two hold each other), and ids are
// handed out in batches per processor: a younger one made on another processor may have the lower id; since 6.18,
// mnt_ns_loop() in fs/namespace.c. So make it again on each processor until the order is right.
Result<> order_mount_namespace(const UnshareRequest& request, uint64_t binders_id) {
  cpu_set_t allowed, one;
  if (!request.persist.contains(NsKind::Mnt) || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {};
  for (int cpu = 0; cpu < CPU_SETSIZE && own_mount_id() < binders_id; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) continue;
    if (::unshare(CLONE_NEWNS) != 0) return fail_errno("unshare", "failed");
  }
  ::sched_setaffinity(0, sizeof allowed, &allowed);
  return {};
}

// ---- the steps

Result<> make_namespaces(const UnshareRequest& request) {
  if (::unshare(static_cast<int>(request.flags)) == 0) return {};
  int saved = errno;
  Error error(kind_of_errno(saved), format("unshare failed: {}", errno_text(saved)), saved);
  if (saved == EPERM && (request.flags & CLONE_NEWUSER) == 0)
    return fail(std::move(error).with_remedy("it needs CAP_SYS_ADMIN; run as root or add --user --map-root-user"));
  if (saved == EPERM) return fail(std::move(error).with_remedy("new user namespaces are forbidden here (chroot, or user.max_user_namespaces, or a seccomp filter)"));
  if (saved == ENOSPC) return fail(std::move(error).with_remedy(kernel::kNamespacesExhausted));
  return fail(std::move(error));
}

Result<> set_time_offsets(const UnshareRequest& request) {
  auto write = [](const char* clock, int64_t seconds) -> Result<> {
    return write_kernel_file("/proc/self/timens_offsets", format("{} {} 0", clock, seconds));
  };
  if (request.boottime_s) TRY(write("boottime", *request.boottime_s));
  if (request.monotonic_s) TRY(write("monotonic", *request.monotonic_s));
  return {};
}

Result<> own_user_namespace(const UnshareRequest& request) {
  if (!request.owner) return {};
  TRY(drop_groups());
  if (::setresgid(request.owner->second, request.owner->second, request.owner->second) != 0) return fail_errno("setgid", "of --owner failed");
  if (::setresuid(request.owner->first, request.owner->first, request.owner->first) != 0) return fail_errno("setuid", "of --owner failed");
  // KERNEL: a change of ids clears this, and then root owns our /proc/self files, which we have to write.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  return {};
}

Result<> mount_or_fail(const char* source, const std::string& target, const char* type, unsigned long flags) {
  if (::mount(source, target.c_str(), type, flags, nullptr) != 0)
    return fail(Error(kind_of_errno(errno), format("mount {} failed: {}", target, errno_text(errno)), errno));
  return {};
}

Result<> change_root(const UnshareRequest& request) {
  if (request.root && ::chroot(request.root->c_str()) != 0)
    return fail(Error(kind_of_errno(errno), format("cannot change root directory to '{}': {}", *request.root, errno_text(errno)), errno));
  std::optional<std::string> directory = request.working_directory;
  if (!directory && request.root) directory = "/";
  if (directory && ::chdir(directory->c_str()) != 0)
    return fail(Error(kind_of_errno(errno), format("cannot chdir to '{}': {}", *directory, errno_text(errno)), errno));
  return {};
}

Result<> mount_proc(const UnshareRequest& request) {
  if (!request.mount_proc) return {};
  // Without this the new proc would propagate to where the tree is shared.
  if (!request.root && request.propagation != (MS_PRIVATE | MS_REC) &&
      ::mount("none", request.mount_proc->c_str(), nullptr, MS_PRIVATE | MS_REC, nullptr) != 0 && errno != EINVAL)
    return fail(Error(kind_of_errno(errno), format("cannot change {} filesystem propagation: {}", *request.mount_proc, errno_text(errno)), errno));
  return mount_or_fail("proc", *request.mount_proc, "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV);
}

constexpr const char* kBinfmt = "/proc/sys/fs/binfmt_misc";

Result<> mount_binfmt(const std::string& target) {
  Result<> mounted = mount_or_fail("binfmt_misc", target, "binfmt_misc", MS_NOSUID | MS_NOEXEC | MS_NODEV);
  if (mounted || mounted.error().errno_value() != EPERM) return mounted;
  return fail(std::move(mounted).error().with_remedy("a kernel of 6.7 or later allows it in a user namespace of its own (--user)"));
}

Result<> load_interpreter(const UnshareRequest& request, const std::string& directory) {
  if (!request.load_interpreter) return {};
  return write_kernel_file(directory + "/register", *request.load_interpreter);
}

// The interpreter is looked up in the caller's root: with a new one, binfmt_misc is mounted once on each side.
Result<> prepare_mounts(const UnshareRequest& request) {
  bool new_mounts = (request.flags & CLONE_NEWNS) != 0;
  if (new_mounts && request.propagation != 0 && ::mount("none", "/", nullptr, request.propagation, nullptr) != 0)
    return fail(Error(kind_of_errno(errno), format("cannot change root filesystem propagation: {}", errno_text(errno)), errno));
  bool load_first = request.load_interpreter && request.root;
  if (load_first) {
    TRY(mount_binfmt(kBinfmt));
    TRY(load_interpreter(request, kBinfmt));
  }
  TRY(change_root(request));
  TRY(mount_proc(request));
  if (!request.mount_binfmt) return {};
  TRY(mount_binfmt(*request.mount_binfmt));
  return load_first ? Result<>() : load_interpreter(request, *request.mount_binfmt);
}

Result<> become_child(const UnshareRequest& request, uid_t uid, gid_t gid) {
  if (request.kill_child && ::prctl(PR_SET_PDEATHSIG, *request.kill_child) != 0) return fail_errno("prctl", "failed");
  TRY(map_own_ids(request, uid, gid));
  TRY(prepare_mounts(request));
  if (request.gid) TRY(drop_groups());
  TRY(set_ids(request.uid, request.gid));
  if (request.keep_caps && (request.flags & CLONE_NEWUSER) != 0) TRY(keep_capabilities());
  return {};
}

}  // namespace

Result<> check(const UnshareRequest& request) {
  if ((request.monotonic_s || request.boottime_s) && (request.flags & CLONE_NEWTIME) == 0)
    return fail(ErrorKind::Invalid, "options --monotonic and --boottime require unsharing of a time namespace (-T)");
  if (request.map_group && request.group_ranges.empty() && request.setgroups == Setgroups::Allow)
    return fail(ErrorKind::Invalid, "options --setgroups=allow and --map-group are mutually exclusive");
  if (request.owner && (request.flags & CLONE_NEWUSER) == 0) return fail(ErrorKind::Invalid, "option --owner requires unsharing of a user namespace (-U)");
  return {};
}

Result<int> unshare(const UnshareRequest& request, bool& exec_failed) {
  exec_failed = false;
  ::signal(SIGCHLD, SIG_DFL);
  uid_t uid = request.owner ? request.owner->first : ::geteuid();
  gid_t gid = request.owner ? request.owner->second : ::getegid();
  Helper binder = TRY(start_binder(request));
  Helper mapper = TRY(start_mapper(request));
  TRY(own_user_namespace(request));
  uint64_t mounts_before = request.persist.contains(NsKind::Mnt) ? own_mount_id() : 0;
  TRY(make_namespaces(request));
  TRY(mapper.run());
  TRY(order_mount_namespace(request, mounts_before));
  TRY(set_time_offsets(request));
  if (request.fork) {
    // Before the binder: a pid namespace can be bound only once it has a first process.
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork", "failed");
    if (child > 0) {
      TRY(binder.run());
      return wait_like_child(child, request.forward_signals);
    }
  } else {
    TRY(binder.run());
  }
  TRY(become_child(request, uid, gid));
  Error error = execute(request.command);
  exec_failed = true;
  return fail(std::move(error));
}

}  // namespace hull::ns
