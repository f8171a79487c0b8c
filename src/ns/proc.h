// Reading /proc with as few system calls as possible: raw getdents64, readlinkat and openat relative to one descriptor
// of /proc, fixed buffers, no allocation per process. Pure parsers apart. Called by scan.cpp and the lsns columns.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace hull::ns {

struct ProcStat {
  pid_t pid = 0;
  std::string_view comm;
  char state = '?';
  pid_t ppid = 0;
  bool kernel_thread = false;
  uint32_t threads = 0;
  uint64_t start_ticks = 0;
};
// /proc/PID/stat; comm may hold anything, so fields count from the last ')' (SECURITY group N, N4).
std::optional<ProcStat> parse_proc_stat(std::string_view text);

// Calls `visit` with each name of digits in the directory.
void each_number(int dir, const std::function<void(pid_t)>& visit);
// Reads a small file relative to `dir` into `buffer`; nothing when it cannot be read.
std::optional<std::string_view> read_small(int dir, const char* path, char* buffer, size_t size);
// What ps and lsns show: arguments joined by spaces, or the comm of a process without any; "" when it is gone.
// `proc` is /proc.
std::string command_line(int proc, pid_t pid);

}  // namespace hull::ns
