#include "ns/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace hull::ns {

std::optional<ProcStat> parse_proc_stat(std::string_view text) {
  size_t open = text.find('('), close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open || open < 2) return std::nullopt;
  std::optional<uint64_t> pid = parse_uint(text.substr(0, open - 1), 1, INT32_MAX);
  std::vector<std::string_view> fields = split_words(trim(text.substr(close + 1)));
  constexpr size_t kState = 0, kPpid = 1, kFlags = 6, kThreads = 17, kStart = 19;  // proc(5), counted from the third field
  if (!pid || fields.size() <= kStart || fields[kState].size() != 1) return std::nullopt;
  std::optional<uint64_t> ppid = parse_uint(fields[kPpid], 0, INT32_MAX), threads = parse_uint(fields[kThreads]);
  std::optional<uint64_t> start = parse_uint(fields[kStart]), flags = parse_uint(fields[kFlags]);
  if (!ppid || !threads || !start || !flags) return std::nullopt;
  constexpr uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD of include/linux/sched.h
  return ProcStat{static_cast<pid_t>(*pid), text.substr(open + 1, close - open - 1), fields[kState][0],
                  static_cast<pid_t>(*ppid), (*flags & kKernelThread) != 0, static_cast<uint32_t>(*threads), *start};
}

static pid_t parse_number_name(const char* name) {
  pid_t value = 0;
  for (const char* c = name; *c != 0; ++c) {
    if (*c < '0' || *c > '9' || value > 99999999) return -1;
    value = value * 10 + (*c - '0');
  }
  return value;
}

void each_number(int dir, const std::function<void(pid_t)>& visit) {
  alignas(dirent64) char buffer[32768];
  for (;;) {
    long got = ::syscall(SYS_getdents64, dir, buffer, sizeof buffer);
    if (got <= 0) return;
    for (long at = 0; at < got;) {
      auto* entry = reinterpret_cast<dirent64*>(buffer + at);
      if (pid_t number = parse_number_name(entry->d_name); number >= 0) visit(number);
      at += entry->d_reclen;
    }
    // KERNEL: procfs fills the buffer while it has entries, so one with room left was the last; saves a call per directory.
    if (got < static_cast<long>(sizeof buffer - 512)) return;
  }
}

std::optional<std::string_view> read_small(int dir, const char* path, char* buffer, size_t size) {
  Fd fd(::openat(dir, path, O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  ssize_t got = ::read(fd.get(), buffer, size);
  if (got < 0) return std::nullopt;
  return std::string_view(buffer, static_cast<size_t>(got));
}

std::string command_line(int proc, pid_t pid) {
  char buffer[8192];  // no table needs more
  std::string path = std::to_string(pid) + "/cmdline";
  std::optional<std::string_view> text = read_small(proc, path.c_str(), buffer, sizeof buffer);
  if (!text || text->empty()) {
    text = read_small(proc, format("{}/comm", pid).c_str(), buffer, sizeof buffer);
    return text ? std::string(text->substr(0, text->find('\n'))) : "";
  }
  std::string line(text->substr(0, text->find_last_not_of('\0') + 1));
  std::replace(line.begin(), line.end(), '\0', ' ');
  return line;
}

}  // namespace hull::ns
