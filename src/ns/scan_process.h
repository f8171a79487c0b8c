// What a scan reads of a set of processes: their links and facts, and the namespaces that their threads, descriptors and
// sockets hold. Only for scan.cpp, which shares processes out between itself and helpers.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ns/scan.h"

namespace hull::ns {

struct Held {
  NsKind kind = NsKind::Net;
  Hold hold = Hold::Descriptor;
  pid_t holder = 0;
  int number = -1;
  uint64_t inode = 0;
};

// Of a namespace that a process of the share was the first in.
struct Related {
  uint64_t inode = 0, id = 0, parent = 0, owner = 0;
  uid_t owner_uid = static_cast<uid_t>(-1);
};

struct Chunk {
  std::vector<Process> processes;
  std::vector<Held> held;
  std::vector<Related> related;
};

// The processes that several scanners share: each takes the next few until none are left, so that the slowest of them
// holds up the others by a few processes at most.
class Work {
 public:
  // `next` lies in memory that the scanners share.
  Work(const std::vector<pid_t>& pids, std::atomic<size_t>& next) : pids_(pids), next_(next) {}
  std::span<const pid_t> take();

 private:
  const std::vector<pid_t>& pids_;  // ascending
  std::atomic<size_t>& next_;
};

// `proc` is /proc.
Chunk scan_processes(const ScanRequest& request, int proc, Work work);

std::string encode(const Chunk& chunk);
std::optional<Chunk> decode(std::string_view data);  // nothing when it is cut

}  // namespace hull::ns
