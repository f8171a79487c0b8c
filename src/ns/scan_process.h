// What a scan reads of a set of processes: their links and facts, and the namespaces that their threads, descriptors and
// sockets hold. Only for scan.cpp, which shares processes out between itself and helpers.
#pragma once

#include <optional>
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

struct Chunk {
  std::vector<Process> processes;
  std::vector<Held> held;
};

// `pids` ascending; `proc` is /proc.
Chunk scan_processes(const ScanRequest& request, int proc, const std::vector<pid_t>& pids);

std::string encode(const Chunk& chunk);
std::optional<Chunk> decode(std::string_view data);  // nothing when it is cut

}  // namespace hull::ns
