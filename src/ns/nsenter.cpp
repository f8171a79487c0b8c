#include "ns/nsenter.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "ns/group.h"
#include "ns/preflight.h"
#include "ns/process.h"

namespace hull::ns {
namespace {

using kernel::NsKind;

// The target through one pidfd and one directory of /proc: both stay with that very process, whatever its number is
// given to later.
struct Target {
  Fd pidfd, directory;
  pid_t pid = 0;
};

Result<Target> open_target(const EnterRequest& request) {
  Target target;
  if (!request.target) return target;
  target.pid = *request.target;
  std::string path = format("/proc/{}", target.pid);
  target.directory = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!target.directory)
    return fail(Error(ErrorKind::NotFound, format("cannot open {}/ns: no such process; see hull ps or ps -e", path), errno));
  // KERNEL: pidfd_open is missing before 5.3; the directory alone then stands for the process.
  target.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, target.pid, 0)));
  if (!request.target_inode) return target;
  struct stat status;
  if (!target.pidfd || ::fstat(target.pidfd.get(), &status) != 0 || status.st_ino != *request.target_inode)
    return fail(ErrorKind::NotFound, format("process {} is not the one with pidfd inode {}; it has ended", target.pid, *request.target_inode));
  return target;
}

Result<Fd> open_of_target(const Target& target, const std::string& name, int flags = O_RDONLY) {
  Fd fd(::openat(target.directory.get(), name.c_str(), flags | O_CLOEXEC));
  if (!fd) {
    Error error(kind_of_errno(errno), format("cannot open /proc/{}/{}: {}", target.pid, name, errno_text(errno)), errno);
    if (errno == EACCES || errno == EPERM) return fail(std::move(error).with_remedy("the process belongs to another user; CAP_SYS_PTRACE over it is needed"));
    return fail(std::move(error));
  }
  return fd;
}

Error cannot_open(const std::string& path, int saved) {
  return Error(kind_of_errno(saved), format("cannot open {}: {}", path, errno_text(saved)), saved);
}

Result<Fd> open_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(cannot_open(path, errno));
  return fd;
}

struct Entry {
  NsKind kind;
  Fd fd;
  bool entered = false;
};

// Everything that is to be entered, in the order of the table.
Result<std::vector<Entry>> open_namespaces(const EnterRequest& request, const Target& target) {
  std::vector<Entry> entries;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    auto file = request.files.find(info.kind);
    bool wanted = (request.flags & info.clone_flag) != 0;
    if (file != request.files.end()) {
      Result<Fd> fd = kernel::open_ns_file(file->second, info.kind);
      if (!fd && fd.error().errno_value() != 0) return fail(cannot_open(file->second, fd.error().errno_value()));
      if (!fd) return fail(std::move(fd).error());
      entries.push_back({info.kind, std::move(*fd)});
    } else if (wanted || request.all) {
      if (!target.directory) return fail(ErrorKind::Invalid, format("neither filename nor target pid supplied for ns/{}", info.name));
      Fd fd = TRY(open_of_target(target, format("ns/{}", info.name)));
      // Entering one's own user namespace is refused; entering another of one's own namespaces is not without effect.
      if (!wanted && info.kind == NsKind::User) {
        auto ours = kernel::ns_inode(0, info.kind);
        auto theirs = kernel::identify_ns(fd);
        if (theirs && ours && theirs->inode == *ours) continue;
      }
      entries.push_back({info.kind, std::move(fd)});
    }
  }
  return entries;
}

// The user namespace above: the owner of the first namespace to be entered (of a user namespace, its parent), or of the
// target's user namespace when nothing else is entered.
Result<> add_user_parent(const EnterRequest& request, const Target& target, std::vector<Entry>& entries) {
  if (!request.user_parent) return {};
  if (entries.empty() && !target.directory) return fail(ErrorKind::Invalid, "no namespace to get --user-parent of; give a target (--target)");
  Fd target_user;
  if (entries.empty()) target_user = TRY(open_of_target(target, "ns/user"));
  Result<Fd> parent = kernel::ns_owner(entries.empty() ? target_user : entries.front().fd);
  if (!parent) return fail(std::move(parent).error().with_context("failed to open the parent user namespace"));
  std::erase_if(entries, [](const Entry& entry) { return entry.kind == NsKind::User; });
  entries.insert(entries.begin(), Entry{NsKind::User, std::move(*parent)});
  return {};
}

Result<> add_net_socket(const EnterRequest& request, const Target& target, std::vector<Entry>& entries) {
  if (!request.net_socket) return {};
  if (!target.pidfd) return fail(ErrorKind::Invalid, "--net-socket needs a target process (--target)");
  Fd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, target.pidfd.get(), *request.net_socket, 0)));
  if (!socket) return fail_errno("pidfd_getfd", format("descriptor {} of process {}", *request.net_socket, target.pid));
  Fd ns(::ioctl(socket.get(), SIOCGSKNS));
  if (!ns) return fail_errno("ioctl", format("SIOCGSKNS: descriptor {} of process {} is no network socket", *request.net_socket, target.pid));
  std::erase_if(entries, [](const Entry& entry) { return entry.kind == NsKind::Net; });
  entries.push_back({NsKind::Net, std::move(ns)});
  return {};
}

// Two passes, the user namespace first in the second: who gives up rights by entering it enters the others before; who
// wins rights by entering it fails at the others once, and then gets in.
Result<> enter_namespaces(std::vector<Entry>& entries) {
  for (int pass = 0; pass < 2; ++pass)
    for (Entry& entry : entries) {
      const kernel::NsInfo& info = kernel::ns_info(entry.kind);
      if (entry.entered || (pass == 0 && entry.kind == NsKind::User)) continue;
      entry.entered = ::setns(entry.fd.get(), static_cast<int>(info.clone_flag)) == 0;
      if (entry.entered || pass == 0) continue;
      int saved = errno;
      std::string text = format("reassociate to namespace 'ns/{}' failed: {}", info.name, errno_text(saved));
      if (saved == EPERM) text += "; " + explain_refusal(entry.fd, entry.kind);
      return fail(Error(kind_of_errno(saved), text, saved));
    }
  return {};
}

// Before anything is changed: whether every one of them will let us in.
Result<> check_entries(const EnterRequest& request, const std::vector<Entry>& entries) {
  JoinRequest asked{gather_joiner(), {}, std::nullopt};
  for (const Entry& entry : entries) {
    asked.joins.push_back(gather_join(entry.fd, entry.kind, format("ns/{}", kernel::ns_info(entry.kind).name)));
    if (request.no_fork) asked.joins.back().init_lives = true;  // without a child, a dead pid namespace hurts nobody
  }
  JoinVerdict verdict = check_joins(asked);
  if (verdict.allowed()) return {};
  int code = verdict.rule == "user-ours" || verdict.rule == "pid-not-below" ? EINVAL : verdict.rule == "pid-ended" ? ENOMEM : EPERM;
  return fail(Error(kind_of_errno(code), format("reassociate to namespace 'ns/{}' failed: {}; {}", kernel::ns_info(*verdict.refused).name, errno_text(code), one_line(verdict.why)), code));
}

struct Directories { Fd root, wd; };

Result<Directories> open_directories(const EnterRequest& request, const Target& target) {
  Directories directories;
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  if (request.root) directories.root = TRY(open_directory(*request.root));
  else if (request.target_root) directories.root = TRY(open_of_target(target, "root", kFlags));
  if (request.wd) directories.wd = TRY(open_directory(*request.wd));
  else if (request.target_wd) directories.wd = TRY(open_of_target(target, "cwd", kFlags));
  return directories;
}

Result<> change_directories(const EnterRequest& request, Directories& directories) {
  if (directories.root && !directories.wd && !request.wdns) directories.wd = TRY(open_file(".", O_RDONLY));
  if (directories.root) {
    if (::fchdir(directories.root.get()) != 0) return fail_errno("change directory by root file descriptor", "failed");
    if (::chroot(".") != 0) return fail_errno("chroot", "failed");
  }
  if (request.wdns) directories.wd = TRY(open_directory(*request.wdns));
  if (directories.wd && ::fchdir(directories.wd.get()) != 0) return fail_errno("change directory by working directory file descriptor", "failed");
  return {};
}

Result<> take_environment(const std::string& block) {
  ::clearenv();
  for (const std::string& entry : split(block, '\0')) {
    size_t equals = entry.find('=');
    if (equals != std::string::npos && equals > 0) ::setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1);
  }
  return {};
}

// The target's cgroup: the v2 group and, on hosts that still have them, its group of every v1 hierarchy.
Result<> join_cgroup_of(const Target& target) {
  Fd file_of_target = TRY(open_of_target(target, "cgroup"));
  std::string groups = TRY(read_all(file_of_target)), mountinfo = TRY(read_file("/proc/self/mountinfo"));
  std::string own = TRY(read_file("/proc/self/cgroup"));
  auto ours = split_lines(own);
  bool joined = false;
  for (std::string_view line : split_lines(groups)) {
    if (std::find(ours.begin(), ours.end(), line) != ours.end()) {  // we are there
      joined = true;
      continue;
    }
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string directory = find_group(mountinfo, controllers, line.substr(second + 1));
    if (directory.empty()) continue;
    TRY(write_kernel_file(directory + (controllers.empty() ? "/cgroup.procs" : "/tasks"), "0"));
    joined = true;
  }
  if (!joined) return fail(ErrorKind::NotFound, format("no cgroup of process {} is mounted here", target.pid));
  return {};
}

// Nothing to do where SELinux is not in force, as util-linux has it.
Result<> follow_label_of(const Target& target) {
  if (!path_exists("/sys/fs/selinux/enforce")) return {};
  if (!target.directory) return fail(ErrorKind::Invalid, "no target PID specified for --follow-context");
  Fd file = TRY(open_of_target(target, "attr/current"));
  std::string label = TRY(read_all(file));
  return write_kernel_file("/proc/self/attr/exec", label.substr(0, label.find_last_not_of(std::string_view("\0\n", 2)) + 1));
}

Result<uint32_t> owner_of_target(const Target& target, bool group) {
  struct stat status;
  if (!target.directory || ::fstat(target.directory.get(), &status) != 0)
    return fail(ErrorKind::Invalid, "no target PID specified for follow");
  return group ? status.st_gid : status.st_uid;
}

struct Identity {
  std::optional<uint32_t> uid, gid;
};

// In a user namespace one is root unless told otherwise.
Result<Identity> choose_identity(const EnterRequest& request, const Target& target, bool enters_user) {
  Identity identity{request.uid, request.gid};
  if (request.follow_uid) identity.uid = TRY(owner_of_target(target, false));
  if (request.follow_gid) identity.gid = TRY(owner_of_target(target, true));
  if (!enters_user || request.preserve_credentials) return identity;
  if (!identity.uid) identity.uid = 0;
  if (!identity.gid) identity.gid = 0;
  return identity;
}

}  // namespace

std::string explain_refusal(const Fd& ns, NsKind kind) {
  JoinVerdict verdict = check_joins({gather_joiner(), {gather_join(ns, kind, "it")}, std::nullopt});
  return verdict.allowed() ? "something besides capabilities refuses it (seccomp, or a security module)" : one_line(verdict.why);
}

Result<int> enter(const EnterRequest& request, bool& exec_failed) {
  exec_failed = false;
  Target target = TRY(open_target(request));
  std::vector<Entry> entries = TRY(open_namespaces(request, target));
  TRY(add_user_parent(request, target, entries));
  TRY(add_net_socket(request, target, entries));
  TRY(check_entries(request, entries));
  bool enters_user = std::any_of(entries.begin(), entries.end(), [](const Entry& entry) { return entry.kind == NsKind::User; });
  bool enters_pid = std::any_of(entries.begin(), entries.end(), [](const Entry& entry) { return entry.kind == NsKind::Pid; });
  Identity identity = TRY(choose_identity(request, target, enters_user));
  Directories directories = TRY(open_directories(request, target));
  std::string environment;
  if (request.environment) {
    Fd file = TRY(open_of_target(target, "environ"));
    environment = TRY(read_all(file));
  }
  if (request.join_cgroup) TRY(join_cgroup_of(target));
  if (request.follow_context) TRY(follow_label_of(target));

  bool dropped_groups = !identity.gid || ::setgroups(0, nullptr) == 0;
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // until exec: nobody in there may look into us (SECURITY E2)
  TRY(enter_namespaces(entries));
  TRY(change_directories(request, directories));
  if (request.environment) TRY(take_environment(environment));
  if (enters_pid && !request.no_fork) {
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork", "failed");
    if (child > 0) return wait_like_child(child, false);
  }
  if (identity.gid && ::setgroups(0, nullptr) != 0 && !dropped_groups) return fail_errno("setgroups", "failed");
  TRY(set_ids(identity.uid, identity.gid));
  if (request.keep_caps && enters_user) TRY(keep_capabilities());
  Error error = execute(request.command);
  exec_failed = true;
  return fail(std::move(error));
}

}  // namespace hull::ns
