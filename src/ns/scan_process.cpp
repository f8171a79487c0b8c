// KERNEL: readlink of /proc/PID/ns/KIND costs 2-3 µs and is the cheapest way to learn a process's namespaces: stat takes
// twice as long, PIDFD_GET_*_NAMESPACE with fstat and close the same again (measured on 6.18, 750 processes).
#include "ns/scan_process.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/text.h"
#include "ns/label.h"
#include "ns/proc.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

namespace hull::ns {
namespace {

struct Scanner {
  const ScanRequest& request;
  int proc;
  bool proc_is_ours = false;  // /proc shows our own pid namespace
  Chunk chunk = {};
  std::unordered_set<uint64_t> seen = {};   // inodes of the processes' namespaces
  std::unordered_set<uint64_t> noted = {};  // of the held ones
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

// KERNEL: PIDFD_GET_INFO gives parent and owner at a third of the price of /proc/PID/stat, which adds up the threads'
// times, and of stat of /proc/PID; since 6.13, ioctl_pidfd(2). It answers in our pid namespace: right only when /proc is
// of the same. The effective uid is what owns /proc/PID.
struct PidfdInfo { uint64_t mask, cgroup; uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid; int32_t exit_code; };

bool read_facts_by_pidfd(Process& process) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  PidfdInfo info{};
  info.mask = 1 | 2;  // PIDFD_INFO_PID, PIDFD_INFO_CREDS
  if (!pidfd || ::ioctl(pidfd.get(), _IOWR(0xff, 11, PidfdInfo), &info) != 0 || (info.mask & 3) != 3) return false;
  process.ppid = static_cast<pid_t>(info.ppid);
  process.uid = info.euid;
  return true;
}

void read_facts_by_files(const Scanner& scanner, Process& process) {
  char path[32], buffer[1024];
  std::optional<std::string_view> text = read_small(scanner.proc, proc_path(path, process.pid, "/stat"), buffer, sizeof buffer);
  std::optional<ProcStat> stat = text ? parse_proc_stat(*text) : std::nullopt;
  if (stat) process.ppid = stat->ppid;
  struct stat status;
  if (::fstatat(scanner.proc, proc_path(path, process.pid, ""), &status, 0) == 0) process.uid = status.st_uid;
}

void read_label(const Scanner& scanner, Process& process) {
  char path[32], buffer[4096];
  if (auto name = read_small(scanner.proc, proc_path(path, process.pid, "/comm"), buffer, sizeof buffer)) process.name = trim(*name);
  if (auto cgroups = read_small(scanner.proc, proc_path(path, process.pid, "/cgroup"), buffer, sizeof buffer)) process.label = cgroup_label(*cgroups);
}

void read_facts(const Scanner& scanner, Process& process) {
  if (scanner.request.facts && !(scanner.proc_is_ours && read_facts_by_pidfd(process))) read_facts_by_files(scanner, process);
  if (scanner.request.commands) process.command = command_line(scanner.proc, process.pid);
  if (scanner.request.labels) read_label(scanner, process);
}

void relate(Scanner& scanner, int ns_dir, NsKind kind, uint64_t inode) {
  Fd fd(::openat(ns_dir, kernel::ns_info(kind).name, O_RDONLY | O_CLOEXEC));
  if (!fd) return;
  Namespace space;
  space.kind = kind;
  // The process may have gone elsewhere meanwhile.
  if (read_relations(fd, space); space.inode == inode)
    scanner.chunk.related.push_back({inode, space.id, space.parent, space.owner, space.owner_uid});
}

// Whether the process is the first of this share in any of its namespaces: only those are ever shown.
bool stands_for_one(Scanner& scanner, int ns_dir, const Process& process) {
  bool first = false;
  for (const kernel::NsInfo& info : kNamespaces) {
    uint64_t inode = process.inode[index_of(info.kind)];
    if (inode == 0 || !scanner.seen.insert(inode).second) continue;
    first = true;
    if (scanner.request.relations) relate(scanner, ns_dir, info.kind, inode);
  }
  return first;
}

void note(Scanner& scanner, const Held& held) {
  if (!scanner.seen.contains(held.inode) && scanner.noted.insert(held.inode).second) scanner.chunk.held.push_back(held);
}

// Asks a socket of another process for its net namespace.
void read_socket(Scanner& scanner, const Fd& pidfd, pid_t pid, int number) {
  Fd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
  if (!socket) return;
  Fd net(::ioctl(socket.get(), SIOCGSKNS));
  struct stat status;
  if (net && ::fstat(net.get(), &status) == 0) note(scanner, {NsKind::Net, Hold::Socket, pid, number, status.st_ino});
}

struct Opened { pid_t pid; Fd pidfd; };  // the process whose descriptors are looked at

// False when there is no such descriptor.
bool read_descriptor(Scanner& scanner, Opened& opened, int number) {
  char path[48], link[64];
  char* end = path;
  append_number(end, static_cast<uint64_t>(opened.pid));
  memcpy(end, "/fd/", 4);
  append_number(end += 4, static_cast<uint64_t>(number));
  *end = 0;
  ssize_t size = ::readlinkat(scanner.proc, path, link, sizeof link);
  if (size < 6 || link[0] == '/' || link[size - 1] != ']') return size >= 0;
  std::string_view text(link, static_cast<size_t>(size));
  if (text.starts_with("socket:")) {
    if (!scanner.request.sockets || !(scanner.request.kinds & mask_of(NsKind::Net))) return true;
    if (!opened.pidfd) opened.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, opened.pid, 0)));
    if (opened.pidfd) read_socket(scanner, opened.pidfd, opened.pid, number);
    return true;
  }
  std::optional<NsName> found = parse_ns_name(text);
  if (found && (scanner.request.kinds & mask_of(found->kind)))
    note(scanner, {found->kind, Hold::Descriptor, opened.pid, number, found->inode});
  return true;
}

// Most descriptors are the parent's, inherited under the same number, and are looked at there.
// KERNEL: kcmp(2) costs a third of a readlink and touches neither file; it is missing without CONFIG_KCMP.
bool is_parents(const Scanner& scanner, const Process& process, int number) {
  constexpr int kFile = 0;  // KCMP_FILE
  return scanner.proc_is_ours && process.ppid > 0 && ::syscall(SYS_kcmp, process.ppid, process.pid, kFile, number, number) == 0;
}

// KERNEL: the size of /proc/PID/fd is how many are open, since 6.2, so the usual few low ones need no look into the
// directory, which makes an inode of each.
void read_descriptors(Scanner& scanner, const Process& process) {
  constexpr int kLow = 8;
  char path[32];
  struct stat status;
  if (::fstatat(scanner.proc, proc_path(path, process.pid, "/fd"), &status, 0) != 0) return;
  Opened opened{process.pid, {}};
  int found = 0, number = 0;
  for (; number < kLow && found < status.st_size; ++number)
    found += is_parents(scanner, process, number) || read_descriptor(scanner, opened, number);
  if (status.st_size != 0 && found == status.st_size) return;
  Fd dir(::openat(scanner.proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return;
  each_number(dir.get(), [&](pid_t other) {
    if (other >= number) read_descriptor(scanner, opened, other);
  });
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
        note(scanner, {info.kind, Hold::Thread, pid, tid, number});
  });
}

void read_process(Scanner& scanner, pid_t pid) {
  char path[32];
  Fd ns_dir(::openat(scanner.proc, proc_path(path, pid, "/ns"), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!ns_dir) return;
  Process process;
  process.pid = pid;
  read_links(ns_dir.get(), scanner.request.kinds, process.inode);
  bool first = stands_for_one(scanner, ns_dir.get(), process);
  if (first || scanner.request.every_process) read_facts(scanner, process);
  if (scanner.request.threads) read_threads(scanner, pid);
  if (scanner.request.descriptors) read_descriptors(scanner, process);
  scanner.chunk.processes.push_back(std::move(process));
}

// ---- from a helper process to us: flat records of this very build

void put(std::string& out, const void* data, size_t size) {
  if (size != 0) out.append(static_cast<const char*>(data), size);
}

bool get(std::string_view& in, void* data, size_t size) {
  if (in.size() < size) return false;
  if (size != 0) memcpy(data, in.data(), size);  // what holds nothing may have no address
  in.remove_prefix(size);
  return true;
}

void put_text(std::string& out, const std::string& text) {
  size_t size = text.size();
  put(out, &size, sizeof size);
  put(out, text.data(), size);
}

bool get_text(std::string_view& in, std::string& text) {
  size_t size = 0;
  if (!get(in, &size, sizeof size) || in.size() < size) return false;
  text = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

bool get_process(std::string_view& in, Process& process) {
  return get(in, &process.pid, sizeof process.pid) && get(in, &process.ppid, sizeof process.ppid) &&
         get(in, &process.uid, sizeof process.uid) && get(in, process.inode.data(), sizeof process.inode) &&
         get_text(in, process.command) && get_text(in, process.name) && get_text(in, process.label);
}

}  // namespace

std::span<const pid_t> Work::take() {
  constexpr size_t kFew = 8;
  size_t begin = std::min(next_.fetch_add(kFew, std::memory_order_relaxed), pids_.size());
  return std::span(pids_).subspan(begin, std::min(kFew, pids_.size() - begin));
}

Chunk scan_processes(const ScanRequest& request, int proc, Work work) {
  Scanner scanner{request, proc};
  char self[16];
  ssize_t size = ::readlinkat(proc, "self", self, sizeof self);
  scanner.proc_is_ours = size > 0 && std::string_view(self, static_cast<size_t>(size)) == std::to_string(::getpid());
  for (auto pids = work.take(); !pids.empty(); pids = work.take())
    for (pid_t pid : pids) read_process(scanner, pid);
  return std::move(scanner.chunk);
}

std::string encode(const Chunk& chunk) {
  std::string out;
  size_t count = chunk.processes.size(), related = chunk.related.size();
  put(out, &count, sizeof count);
  put(out, &related, sizeof related);
  for (const Process& process : chunk.processes) {
    put(out, &process.pid, sizeof process.pid);
    put(out, &process.ppid, sizeof process.ppid);
    put(out, &process.uid, sizeof process.uid);
    put(out, process.inode.data(), sizeof process.inode);
    for (const std::string* text : {&process.command, &process.name, &process.label}) put_text(out, *text);
  }
  put(out, chunk.related.data(), related * sizeof(Related));
  for (const Held& held : chunk.held) put(out, &held, sizeof held);
  return out;
}

std::optional<Chunk> decode(std::string_view in) {
  Chunk chunk;
  size_t count = 0, related = 0;
  if (!get(in, &count, sizeof count) || !get(in, &related, sizeof related) || count > in.size() || related > in.size()) return std::nullopt;
  chunk.processes.resize(count);
  for (Process& process : chunk.processes)
    if (!get_process(in, process)) return std::nullopt;
  chunk.related.resize(related);
  if (!get(in, chunk.related.data(), related * sizeof(Related))) return std::nullopt;
  while (!in.empty())
    if (!get(in, &chunk.held.emplace_back(), sizeof(Held))) return std::nullopt;
  return chunk;
}

}  // namespace hull::ns
