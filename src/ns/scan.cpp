// KERNEL: readlink of /proc/PID/ns/KIND costs 2-3 µs and is the cheapest way to learn a process's namespaces: stat takes
// twice as long, PIDFD_GET_*_NAMESPACE with fstat and close the same again (measured on 6.18, 750 processes).
#include "ns/scan.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "ns/proc.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

namespace hull::ns {
namespace {

struct Scanner {
  const ScanRequest& request;
  Snapshot& snapshot;
  int proc;
  bool fd_count_known = false;
  bool proc_is_ours = false;  // /proc shows our own pid namespace
};

// "net:[4026531833]" -> inode; 0 when unreadable. Hand-written: it runs eight times per process.
uint64_t link_inode(int dir, const char* name) {
  char link[64];
  ssize_t size = ::readlinkat(dir, name, link, sizeof link);
  uint64_t inode = 0;
  const char* open = size > 0 ? static_cast<const char*>(memchr(link, '[', static_cast<size_t>(size))) : nullptr;
  if (open == nullptr) return 0;
  for (const char* c = open + 1; c < link + size && *c >= '0' && *c <= '9'; ++c) inode = inode * 10 + static_cast<uint64_t>(*c - '0');
  return inode;
}

bool read_links(int ns_dir, KindMask kinds, std::array<uint64_t, kNsKinds>& inode) {
  bool any = false;
  for (const kernel::NsInfo& info : kNamespaces) {
    if (!(kinds & mask_of(info.kind))) continue;
    uint64_t number = link_inode(ns_dir, info.name);
    // KERNEL: who may not ptrace the process may read none of its links: one refusal stands for all eight.
    if (number == 0 && !any && errno == EACCES) return false;
    inode[index_of(info.kind)] = number;
    any |= number != 0;
  }
  return any;
}

void append_number(char*& at, uint64_t number) {
  char digits[20];
  int count = 0;
  do digits[count++] = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  while (count > 0) *at++ = digits[--count];
}

// "PID/rest" in `buffer`.
const char* proc_path(char* buffer, pid_t pid, const char* rest) {
  char* at = buffer;
  append_number(at, static_cast<uint64_t>(pid));
  memcpy(at, rest, strlen(rest) + 1);
  return buffer;
}

// KERNEL: PIDFD_GET_INFO gives the parent at half the price of /proc/PID/stat, which adds up the threads' times; since
// 6.13, ioctl_pidfd(2). It answers in our pid namespace: right only when /proc is of the same.
struct PidfdInfo { uint64_t mask, cgroup; uint32_t pid, tgid, ppid, ids[8]; int32_t exit_code; };

std::optional<pid_t> parent_by_pidfd(pid_t pid) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  PidfdInfo info{};
  info.mask = 1;  // PIDFD_INFO_PID
  if (!pidfd || ::ioctl(pidfd.get(), _IOWR(0xff, 11, PidfdInfo), &info) != 0) return std::nullopt;
  return static_cast<pid_t>(info.ppid);
}

pid_t parent_by_stat(const Scanner& scanner, pid_t pid) {
  char path[32], buffer[1024];
  std::optional<std::string_view> text = read_small(scanner.proc, proc_path(path, pid, "/stat"), buffer, sizeof buffer);
  std::optional<ProcStat> stat = text ? parse_proc_stat(*text) : std::nullopt;
  return stat ? stat->ppid : 0;
}

void read_facts(const Scanner& scanner, Process& process) {
  if (scanner.request.parents) {
    std::optional<pid_t> parent = scanner.proc_is_ours ? parent_by_pidfd(process.pid) : std::nullopt;
    process.ppid = parent ? *parent : parent_by_stat(scanner, process.pid);
  }
  char path[32];
  struct stat status;
  if (scanner.request.users && ::fstatat(scanner.proc, proc_path(path, process.pid, ""), &status, 0) == 0)
    process.uid = status.st_uid;
}

void read_process(Scanner& scanner, pid_t pid) {
  char path[32];
  Fd ns_dir(::openat(scanner.proc, proc_path(path, pid, "/ns"), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!ns_dir) return;
  Process process;
  process.pid = pid;
  read_links(ns_dir.get(), scanner.request.kinds, process.inode);
  scanner.snapshot.processes.push_back(process);
}

void note_held(Snapshot& snapshot, NsKind kind, uint64_t inode, Hold hold, pid_t holder, int number) {
  Namespace* known = snapshot.find(inode);
  if (known != nullptr) return;
  Namespace& space = snapshot.add(kind, inode);
  space.hold = hold;
  space.holder = holder;
  space.holder_number = number;
}

// Asks a socket of another process for its net namespace.
void read_socket(Scanner& scanner, pid_t pid, int number) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return;
  Fd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
  if (!socket) return;
  Fd net(::ioctl(socket.get(), SIOCGSKNS));
  struct stat status;
  if (!net || ::fstat(net.get(), &status) != 0) return;
  note_held(scanner.snapshot, NsKind::Net, status.st_ino, Hold::Socket, pid, number);
}

void read_descriptor(Scanner& scanner, int dir, pid_t pid, int number) {
  char name[16], link[64];
  char* end = name;
  append_number(end, static_cast<uint64_t>(number));
  *end = 0;
  ssize_t size = ::readlinkat(dir, name, link, sizeof link);
  if (size < 6 || link[0] == '/' || link[size - 1] != ']') return;
  std::string_view text(link, static_cast<size_t>(size));
  if (text.starts_with("socket:")) {
    if (scanner.request.sockets && (scanner.request.kinds & mask_of(NsKind::Net))) read_socket(scanner, pid, number);
    return;
  }
  std::optional<NsName> found = parse_ns_name(text);
  if (found && (scanner.request.kinds & mask_of(found->kind)))
    note_held(scanner.snapshot, found->kind, found->inode, Hold::Descriptor, pid, number);
}

void read_descriptors(Scanner& scanner, pid_t pid) {
  char path[32];
  struct stat status;
  proc_path(path, pid, "/fd");
  // KERNEL: since 6.2 the size of /proc/PID/fd is the number of open descriptors: kernel threads and idle ones cost one call.
  Fd dir(::openat(scanner.proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || (::fstat(dir.get(), &status) == 0 && status.st_size == 0 && scanner.fd_count_known)) return;
  each_number(dir.get(), [&](pid_t number) { read_descriptor(scanner, dir.get(), pid, number); });
}

void read_threads(Scanner& scanner, pid_t pid) {
  char path[32];
  struct stat status;
  if (::fstatat(scanner.proc, proc_path(path, pid, "/task"), &status, 0) != 0) return;
  if (status.st_nlink <= 3) return;  // "." "..", and one thread
  Fd dir(::openat(scanner.proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return;
  each_number(dir.get(), [&](pid_t tid) {
    if (tid == pid) return;
    char rest[32];
    Fd ns_dir(::openat(dir.get(), proc_path(rest, tid, "/ns"), O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::array<uint64_t, kNsKinds> inode{};
    if (!ns_dir || !read_links(ns_dir.get(), scanner.request.kinds, inode)) return;
    for (const kernel::NsInfo& info : kNamespaces)
      if (uint64_t number = inode[index_of(info.kind)]; number != 0)
        note_held(scanner.snapshot, info.kind, number, Hold::Thread, pid, tid);
  });
}

// A mountinfo line of an nsfs mount: root "net:[…]" in the fourth field, mount point in the fifth.
void read_mount_line(Scanner& scanner, std::string_view line) {
  if (line.find(" - nsfs ") == std::string_view::npos) return;
  std::vector<std::string_view> fields = split_words(line);
  if (fields.size() < 5) return;
  std::optional<NsName> name = parse_ns_name(fields[3]);
  if (!name || !(scanner.request.kinds & mask_of(name->kind))) return;
  note_held(scanner.snapshot, name->kind, name->inode, Hold::Mount, 0, -1);
  Namespace* space = scanner.snapshot.find(name->inode);
  std::string path = unescape_octal(fields[4]);
  if (std::find(space->mounts.begin(), space->mounts.end(), path) == space->mounts.end()) space->mounts.push_back(path);
}

void read_mounts(Scanner& scanner) {
  Result<std::string> text = read_file("/proc/self/mountinfo");
  if (!text || text->find(" - nsfs ") == std::string::npos) return;
  for (std::string_view line : split_lines(*text)) read_mount_line(scanner, line);
}

// Opens a namespace that was found; empty when it is beyond reach.
Fd open_found(const Namespace& space) {
  if (space.pid == 0 && space.hold == Hold::Socket) {
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, space.holder, 0)));
    Fd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), space.holder_number, 0)));
    return socket ? Fd(::ioctl(socket.get(), SIOCGSKNS)) : Fd();
  }
  std::string path = path_of(space);
  return path.empty() ? Fd() : Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

struct Relative { Fd fd; Namespace space; };

// Records what `fd` says of `space`, and hands back parent and owner if the snapshot has not met them.
void follow(Snapshot& snapshot, const Fd& fd, Namespace& space, std::vector<Relative>& unmet) {
  read_relations(fd, space);
  auto meet = [&](Result<Fd> relative, NsKind kind, uint64_t inode) {
    if (inode == 0 || snapshot.find(inode) != nullptr || !relative) return;
    for (const Relative& other : unmet)
      if (other.space.inode == inode) return;
    Namespace added;
    added.kind = kind;
    added.inode = inode;
    added.hold = Hold::Relation;
    unmet.push_back({std::move(*relative), std::move(added)});
  };
  if (space.owner != 0 && snapshot.find(space.owner) == nullptr) meet(kernel::ns_owner(fd), NsKind::User, space.owner);
  if (space.parent != 0 && snapshot.find(space.parent) == nullptr) meet(kernel::ns_parent(fd), space.kind, space.parent);
}

void read_all_relations(Snapshot& snapshot) {
  std::vector<Relative> unmet;
  for (Namespace& space : snapshot.namespaces)
    if (Fd fd = open_found(space)) follow(snapshot, fd, space, unmet);
  for (size_t next = 0; next < unmet.size(); ++next) {
    Relative relative = std::move(unmet[next]);
    follow(snapshot, relative.fd, relative.space, unmet);
    unmet[next].space = relative.space;
  }
  for (Relative& relative : unmet) snapshot.add(relative.space.kind, relative.space.inode) = relative.space;
}

}  // namespace

void read_relations(const Fd& fd, Namespace& space) {
  struct stat status;
  if (Result<Fd> owner = kernel::ns_owner(fd); owner && ::fstat(owner->get(), &status) == 0) space.owner = status.st_ino;
  if (space.kind == NsKind::User || space.kind == NsKind::Pid)
    if (Result<Fd> parent = kernel::ns_parent(fd); parent && ::fstat(parent->get(), &status) == 0) space.parent = status.st_ino;
  if (space.kind == NsKind::User)
    if (Result<uid_t> uid = kernel::ns_owner_uid(fd)) space.owner_uid = *uid;
  if (Result<kernel::NsIdentity> identity = kernel::identify_ns(fd)) space.id = identity->id;
}

Result<Snapshot> scan(const ScanRequest& request) {
  Fd proc = TRY(open_file("/proc", O_RDONLY | O_DIRECTORY));
  Snapshot snapshot;
  Scanner scanner{request, snapshot, proc.get()};
  struct stat own;
  scanner.fd_count_known = ::stat("/proc/self/fd", &own) == 0 && own.st_size > 0;
  char self[16];
  ssize_t size = ::readlinkat(proc.get(), "self", self, sizeof self);
  scanner.proc_is_ours = size > 0 && std::string_view(self, static_cast<size_t>(size)) == std::to_string(::getpid());
  each_number(proc.get(), [&](pid_t pid) { read_process(scanner, pid); });
  std::sort(snapshot.processes.begin(), snapshot.processes.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
  for (Process& process : snapshot.processes) read_facts(scanner, process);
  gather_namespaces(snapshot, request.kinds);
  for (const Process& process : snapshot.processes) {
    if (request.threads) read_threads(scanner, process.pid);
    if (request.descriptors) read_descriptors(scanner, process.pid);
  }
  if (request.mounts) read_mounts(scanner);
  if (request.relations) read_all_relations(snapshot);
  return snapshot;
}

}  // namespace hull::ns
