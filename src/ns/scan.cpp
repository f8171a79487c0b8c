// The host's part of a scan: sharing the processes out, mounts, relatives. What is read of each process: scan_process.cpp.
#include "ns/scan.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "ns/proc.h"
#include "ns/scan_process.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

namespace hull::ns {
namespace {

void note_held(Snapshot& snapshot, const Held& held) {
  if (snapshot.find(held.inode) != nullptr) return;
  Namespace& space = snapshot.add(held.kind, held.inode);
  space.hold = held.hold;
  space.holder = held.holder;
  space.holder_number = held.number;
}

// A mountinfo line of an nsfs mount: root "net:[…]" in the fourth field, mount point in the fifth. Listed are accessible
// namespaces, as lsns(8) has it: a mount below another user's private directory is none of them.
void read_mount_line(const ScanRequest& request, Snapshot& snapshot, std::string_view line) {
  if (line.find(" - nsfs ") == std::string_view::npos) return;
  std::vector<std::string_view> fields = split_words(line);
  if (fields.size() < 5) return;
  std::optional<NsName> name = parse_ns_name(fields[3]);
  if (!name || !(request.kinds & mask_of(name->kind))) return;
  std::string path = unescape_octal(fields[4]);
  if (::access(path.c_str(), F_OK) != 0 && errno == EACCES) return;
  note_held(snapshot, {name->kind, Hold::Mount, 0, -1, name->inode});
  Namespace* space = snapshot.find(name->inode);
  if (std::find(space->mounts.begin(), space->mounts.end(), path) == space->mounts.end()) space->mounts.push_back(path);
}

void read_mounts(const ScanRequest& request, Snapshot& snapshot) {
  Result<std::string> text = read_file("/proc/self/mountinfo");
  if (!text || text->find(" - nsfs ") == std::string::npos) return;
  for (std::string_view line : split_lines(*text)) read_mount_line(request, snapshot, line);
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

// What the shares have read of their processes' namespaces; true if both relatives are in the snapshot.
bool take_related(const Snapshot& snapshot, const std::unordered_map<uint64_t, const Related*>& related, Namespace& space) {
  auto at = related.find(space.inode);
  if (at == related.end()) return false;
  const Related& known = *at->second;
  space.id = known.id, space.parent = known.parent, space.owner = known.owner, space.owner_uid = known.owner_uid;
  return (space.parent == 0 || snapshot.find(space.parent) != nullptr) && (space.owner == 0 || snapshot.find(space.owner) != nullptr);
}

void read_all_relations(Snapshot& snapshot, const std::vector<Related>& related) {
  std::vector<Relative> unmet;
  std::unordered_map<uint64_t, const Related*> known;
  for (const Related& one : related) known.emplace(one.inode, &one);
  for (Namespace& space : snapshot.namespaces) {
    if (take_related(snapshot, known, space)) continue;
    if (Result<Fd> fd = open_found(space)) follow(snapshot, *fd, space, unmet);
  }
  for (size_t next = 0; next < unmet.size(); ++next) {
    Relative relative = std::move(unmet[next]);
    follow(snapshot, relative.fd, relative.space, unmet);
    unmet[next].space = relative.space;
  }
  for (Relative& relative : unmet) snapshot.add(relative.space.kind, relative.space.inode) = relative.space;
}

// ---- sharing the work out
//
// Reading /proc is all system calls, so a second processor nearly halves it. Helper processes (never threads) and this
// one take processes from one list, a few at a time; what a helper finds comes back in a memory file.

constexpr size_t kWorthSharing = 128;  // processes; a fork costs as much as ten of them
constexpr int kMostHelpers = 3;

int helper_count(size_t processes) {
  cpu_set_t cpus;
  if (processes < kWorthSharing || ::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 0;
  return std::min(CPU_COUNT(&cpus) - 1, kMostHelpers);
}

// A counter in memory that helpers share with us.
class SharedCounter {
 public:
  SharedCounter() {
    void* memory = ::mmap(nullptr, sizeof(std::atomic<size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) shared_ = new (memory) std::atomic<size_t>(0);
  }
  SharedCounter(const SharedCounter&) = delete;
  SharedCounter& operator=(const SharedCounter&) = delete;
  ~SharedCounter() {
    if (shared_ != nullptr) ::munmap(shared_, sizeof *shared_);
  }
  bool is_shared() const { return shared_ != nullptr; }
  std::atomic<size_t>& operator*() { return shared_ != nullptr ? *shared_ : own_; }

 private:
  std::atomic<size_t>* shared_ = nullptr;
  std::atomic<size_t> own_ = 0;
};

// What the kernel knows of and nothing above has led to.
void read_listed(const ScanRequest& request, Snapshot& snapshot) {
  auto listed = kernel::list_namespaces();
  std::unordered_set<uint64_t> known;
  for (const Namespace& space : snapshot.namespaces) known.insert(space.id);
  for (const kernel::ListedNs& one : listed ? *listed : std::vector<kernel::ListedNs>()) {
    auto fd = (request.kinds & mask_of(one.kind)) != 0 && !known.contains(one.id) ? kernel::open_ns_by_id(one.kind, one.id, 0) : fail(ErrorKind::NotFound, "");
    if (!fd) continue;
    Namespace space;
    space.kind = one.kind;
    space.hold = Hold::Relation;
    read_relations(*fd, space);
    if (space.inode != 0 && snapshot.find(space.inode) == nullptr) snapshot.add(space.kind, space.inode) = space;
  }
}

struct ScanHelper {
  pid_t pid = -1;
  Fd memory;
};

ScanHelper start_helper(const ScanRequest& request, int proc, Work work) {
  ScanHelper helper;
  helper.memory = Fd(::memfd_create("hull-scan", MFD_CLOEXEC));
  if (helper.memory) helper.pid = ::fork();
  if (helper.pid != 0) return helper;
  Result<> written = write_all(helper.memory, encode(scan_processes(request, proc, work)));
  ::_exit(written ? 0 : 1);
}

// What the helper found; nothing when it failed.
std::optional<Chunk> finish_helper(ScanHelper& helper) {
  int status = 1;
  while (::waitpid(helper.pid, &status, 0) < 0 && errno == EINTR) {}
  if (status != 0 || ::lseek(helper.memory.get(), 0, SEEK_SET) != 0) return std::nullopt;
  Result<std::string> data = read_all(helper.memory, size_t{1} << 30);
  return data ? decode(*data) : std::nullopt;
}

void merge(Chunk& into, Chunk&& from) {
  std::move(from.processes.begin(), from.processes.end(), std::back_inserter(into.processes));
  into.held.insert(into.held.end(), from.held.begin(), from.held.end());
  into.related.insert(into.related.end(), from.related.begin(), from.related.end());
}

Chunk scan_alone(const ScanRequest& request, int proc, const std::vector<pid_t>& pids) {
  std::atomic<size_t> next = 0;
  return scan_processes(request, proc, Work(pids, next));
}

Chunk scan_shared(const ScanRequest& request, int proc, const std::vector<pid_t>& pids) {
  SharedCounter next;
  std::vector<ScanHelper> helpers;
  for (int left = next.is_shared() ? helper_count(pids.size()) : 0; left > 0; --left)
    if (ScanHelper helper = start_helper(request, proc, Work(pids, *next)); helper.pid > 0) helpers.push_back(std::move(helper));
  Chunk chunk = scan_processes(request, proc, Work(pids, *next));
  bool whole = true;
  for (ScanHelper& helper : helpers) {
    auto part = finish_helper(helper);
    whole = whole && part;
    if (part) merge(chunk, std::move(*part));
  }
  return whole ? chunk : scan_alone(request, proc, pids);  // what a helper that died had taken is not known
}

}  // namespace

static Result<Fd> open_of_socket(const Namespace& space) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, space.holder, 0)));
  if (!pidfd) return fail_errno("pidfd_open", std::to_string(space.holder));
  Fd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), space.holder_number, 0)));
  if (!socket) return fail_errno("pidfd_getfd", std::to_string(space.holder));
  Fd net(::ioctl(socket.get(), SIOCGSKNS));
  if (!net) return fail_errno("ioctl", "SIOCGSKNS");
  return net;
}

Result<Fd> open_found(const Namespace& space) {
  if (space.pid == 0 && space.hold == Hold::Socket) return open_of_socket(space);
  std::string path = path_of(space);
  if (!path.empty()) return open_file(path, O_RDONLY | O_NONBLOCK);
  Result<Fd> fd = space.id != 0 ? kernel::open_ns_by_id(space.kind, space.id, space.inode) : fail(ErrorKind::NotFound, "");
  if (!fd)
    return fail(ErrorKind::NotFound, format("namespace {} is alive only as a relative of others; there is no way into it", space.inode));
  return fd;
}

void read_relations(const Fd& fd, Namespace& space) {
  struct stat status;
  if (Result<Fd> owner = kernel::ns_owner(fd); owner && ::fstat(owner->get(), &status) == 0) space.owner = status.st_ino;
  if (space.kind == NsKind::User || space.kind == NsKind::Pid)
    if (Result<Fd> parent = kernel::ns_parent(fd); parent && ::fstat(parent->get(), &status) == 0) space.parent = status.st_ino;
  if (space.kind == NsKind::User)
    if (Result<uid_t> uid = kernel::ns_owner_uid(fd)) space.owner_uid = *uid;
  if (Result<kernel::NsIdentity> identity = kernel::identify_ns(fd)) {
    space.inode = identity->inode;
    space.id = identity->id;
  }
}

Result<Snapshot> scan(const ScanRequest& request) {
  Fd proc = TRY(open_file("/proc", O_RDONLY | O_DIRECTORY));
  std::vector<pid_t> pids;
  each_number(proc.get(), [&](pid_t pid) { pids.push_back(pid); });
  std::sort(pids.begin(), pids.end());
  Chunk chunk = scan_shared(request, proc.get(), pids);
  Snapshot snapshot;
  snapshot.processes = std::move(chunk.processes);
  std::sort(snapshot.processes.begin(), snapshot.processes.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
  gather_namespaces(snapshot, request.kinds);
  for (const Held& held : chunk.held) note_held(snapshot, held);
  if (request.mounts) read_mounts(request, snapshot);
  if (request.relations) {
    read_all_relations(snapshot, chunk.related);
    read_listed(request, snapshot);
  }
  return snapshot;
}

}  // namespace hull::ns
