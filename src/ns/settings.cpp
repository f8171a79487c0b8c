#include "ns/settings.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/text.h"
#include "kernel/capabilities.h"
#include "ns/group.h"
#include "ns/inside.h"

namespace hull::ns {
namespace {

using json::array;
using json::object;
using kernel::NsKind;

std::string squeeze(std::string_view text) {
  std::string squeezed;
  for (std::string_view word : split_words(text)) squeezed.append(squeezed.empty() ? "" : " ").append(word);
  return escape_controls(squeezed);
}

// ---- sysctls

// Below /proc/sys, what belongs to a kind; a directory or one file.
struct SysctlPlace { NsKind kind; const char* path; };
constexpr SysctlPlace kPlaces[] = {
    {NsKind::Net, "net"}, {NsKind::User, "user"}, {NsKind::Ipc, "fs/mqueue"},
    {NsKind::Ipc, "kernel/auto_msgmni"}, {NsKind::Ipc, "kernel/msgmax"}, {NsKind::Ipc, "kernel/msgmnb"}, {NsKind::Ipc, "kernel/msgmni"},
    {NsKind::Ipc, "kernel/sem"}, {NsKind::Ipc, "kernel/shm_rmid_forced"}, {NsKind::Ipc, "kernel/shmall"}, {NsKind::Ipc, "kernel/shmmax"},
    {NsKind::Ipc, "kernel/shmmni"}};
// Secrets, which are not to be shown, and counters, which are no settings.
constexpr std::string_view kLeftOut[] = {"tcp_fastopen_key", "stable_secret", "netdev_rss_key", "fib_multipath_hash_seed", "nf_conntrack_count", "flush"};

// What cannot be written is no setting but a fact of the kernel's.
void add_sysctl(const std::string& path, array& lines) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR)) return;
  auto value = read_file(path, 1 << 16);
  if (!value) return;
  std::string key = path.substr(std::string_view("/proc/sys/").size());
  for (char& letter : key)  // as sysctl(8): the dots of an interface's name become slashes
    letter = letter == '/' ? '.' : letter == '.' ? '/' : letter;
  std::vector<std::string> pieces;
  for (std::string_view line : split_lines(*value)) pieces.push_back(squeeze(line));
  lines.push_back(json::string(escape_controls(key) + " = " + join(pieces, ", ")));
}

void add_sysctls_below(const std::string& directory, array& lines) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
    std::string_view name = entry->d_name;
    if (name == "." || name == ".." || std::find(std::begin(kLeftOut), std::end(kLeftOut), name) != std::end(kLeftOut)) continue;
    std::string path = format("{}/{}", directory, name);
    if (entry->d_type == DT_DIR) add_sysctls_below(path, lines);
    else add_sysctl(path, lines);
  }
}

// KERNEL: these files show the reader's namespace, whatever process's /proc they are opened through; proc_sysctl.c.
json::value look_at_sysctls(NsKind kind) {
  array lines;
  for (const SysctlPlace& place : kPlaces) {
    if (place.kind != kind) continue;
    std::string path = format("/proc/sys/{}", place.path);
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) continue;
    if (S_ISDIR(status.st_mode)) add_sysctls_below(path, lines);
    else add_sysctl(path, lines);
  }
  return object{{"sysctls", std::move(lines)}};
}

// ---- processes

array set_of(std::string_view hex) {
  uint64_t mask = 0;
  std::from_chars(hex.data(), hex.data() + hex.size(), mask, 16);
  array names;
  for (const std::string& name : kernel::cap_names(mask)) names.push_back(json::string(name));
  return names;
}

std::string seccomp_mode(std::string_view mode) { return mode == "0" ? "none" : mode == "1" ? "strict" : mode == "2" ? "filter" : std::string(mode); }

constexpr const char* kLimitFiles[] = {
    "memory.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness", "cpu.shares",
    "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpuset.cpus", "cpuset.mems", "blkio.weight", "pids.max", "devices.list", "freezer.state",
    "memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "cpu.max", "cpu.weight", "io.max", "io.weight", "cgroup.freeze"};

void add_group_limits(const std::string& directory, array& lines) {
  for (const char* file : kLimitFiles) {
    std::string path = format("{}/{}", directory, file);
    auto value = path_exists(path) ? read_file(path, 1 << 16) : fail(ErrorKind::NotFound, "");
    if (!value) continue;
    for (std::string_view line : split_lines(*value)) lines.push_back(json::string(format("{} = {}", file, squeeze(line))));
  }
}

array cgroup_limits(std::string_view groups) {
  array lines;
  std::string mountinfo = read_file("/proc/self/mountinfo").value_or("");
  for (std::string_view line : split_lines(groups)) {
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string directory = find_group(mountinfo, line.substr(first + 1, second - first - 1), line.substr(second + 1));
    if (!directory.empty()) add_group_limits(directory, lines);
  }
  return lines;
}

array group_lines(std::string_view groups) {
  array lines;
  for (std::string_view line : split_lines(groups)) lines.push_back(json::string(escape_controls(line.substr(std::min(line.find(':') + 1, line.size())))));
  return lines;
}

}  // namespace

json::object status_facts(std::string_view status) {
  struct Set { std::string_view field; const char* list; };
  constexpr Set kSets[] = {{"CapEff:", "capabilities effective"}, {"CapPrm:", "capabilities permitted"}, {"CapInh:", "capabilities inheritable"},
                           {"CapBnd:", "capabilities bounding"}, {"CapAmb:", "capabilities ambient"}};
  object facts;
  std::string seccomp, filters;
  for (std::string_view line : split_lines(status)) {
    std::vector<std::string_view> words = split_words(line);
    if (words.size() < 2) continue;
    for (const Set& set : kSets)
      if (words[0] == set.field) facts[set.list] = set_of(words[1]);
    if (words[0] == "Seccomp:") seccomp = seccomp_mode(words[1]);
    if (words[0] == "Seccomp_filters:" && words[1] != "0") filters = format(", {} of them", words[1]);
    if (words[0] == "NoNewPrivs:") facts["no_new_privs"] = array{json::string(words[1] == "1" ? "yes" : "no")};
    if (words[0] == "Uid:") facts["user"] = array{json::string(std::string(words[1]))};
    if (words[0] == "Gid:") facts["group"] = array{json::string(std::string(words[1]))};
  }
  if (!seccomp.empty()) facts["seccomp"] = array{json::string(seccomp + filters)};
  return facts;
}

json::array limit_lines(std::string_view limits) {
  array lines;
  for (std::string_view line : split_lines(limits)) {
    // The name takes 26 columns; the heading and a line that is shorter hold no limit.
    constexpr size_t kName = 26;
    if (line.size() <= kName || line.starts_with("Limit ")) continue;
    std::vector<std::string_view> values = split_words(line.substr(kName));
    if (values.size() >= 2) lines.push_back(json::string(format("{} = {} {}", trim(line.substr(0, kName)), values[0], values[1])));
  }
  return lines;
}

Result<json::value> namespace_settings(const Fd& ns, NsKind kind) {
  bool any = std::any_of(std::begin(kPlaces), std::end(kPlaces), [&](const SysctlPlace& place) { return place.kind == kind; });
  if (!any) return json::value(object{});
  return look_inside(ns, kind, [kind](const Fd&) { return look_at_sysctls(kind); });
}

Result<json::value> process_settings(pid_t pid) {
  std::string directory = format("/proc/{}/", pid);
  object facts = status_facts(TRY(read_file(directory + "status")));
  facts["limits"] = limit_lines(read_file(directory + "limits").value_or(""));
  std::string groups = read_file(directory + "cgroup").value_or("");
  facts["cgroup"] = group_lines(groups);
  facts["cgroup limits"] = cgroup_limits(groups);
  return json::value(std::move(facts));
}

}  // namespace hull::ns
