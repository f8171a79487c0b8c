#include "ns/content.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>

#include "base/fd.h"
#include "base/text.h"
#include "ns/content_net.h"
#include "ns/inside.h"
#include "ns/proc.h"

namespace hull::ns {
namespace {

using json::array;
using json::object;
using kernel::NsKind;

array to_array(const std::vector<std::string>& lines) {
  array out;
  for (const std::string& line : lines) out.push_back(json::string(line));
  return out;
}

// A file of the target's directory in /proc: "" when it cannot be read.
std::string text_at(const Fd& directory, const std::string& name) {
  auto file = open_at(directory, name, O_RDONLY);
  auto text = file ? read_all(*file) : Result<std::string>();
  return text ? *text : std::string();
}

// Lines with runs of blanks as one.
array squeezed_lines(std::string_view text) {
  array lines;
  for (std::string_view line : split_lines(text)) {
    std::string squeezed;
    for (std::string_view word : split_words(line)) squeezed.append(squeezed.empty() ? "" : " ").append(word);
    lines.push_back(json::string(squeezed));
  }
  return lines;
}

// ---- what each kind shows in a /proc/PID directory

object mounts_of(const Fd& proc) { return object{{"mounts", to_array(mount_lines(text_at(proc, "mountinfo")))}}; }

object maps_of(const Fd& proc) {
  return object{{"uid_map", squeezed_lines(text_at(proc, "uid_map"))}, {"gid_map", squeezed_lines(text_at(proc, "gid_map"))},
                {"setgroups", squeezed_lines(text_at(proc, "setgroups"))}};
}

object offsets_of(const Fd& proc) { return object{{"offsets", squeezed_lines(text_at(proc, "timens_offsets"))}}; }

// ---- processes

ProcessLine read_process(pid_t pid) {
  ProcessLine line{pid, 0, "", ""};
  std::string text = read_file(format("/proc/{}/status", pid)).value_or("");
  for (std::string_view row : split_lines(text)) {
    auto words = split_words(row);
    if (words.size() < 2) continue;
    if (words[0] == "NSpid:") line.inside = words.back();
    if (words[0] == "Name:") line.name = escape_controls(trim(row.substr(5)));
    if (words[0] == "PPid:") line.parent = static_cast<pid_t>(parse_uint(words[1], 0, INT32_MAX).value_or(0));
  }
  return line;
}

Result<json::value> processes_of(const Fd& ns) {
  uint64_t inode = TRY(kernel::identify_ns(ns)).inode;
  std::vector<ProcessLine> found;
  Fd proc = TRY(open_file("/proc", O_RDONLY | O_DIRECTORY));
  each_number(proc.get(), [&](pid_t pid) {
    if (kernel::ns_inode(pid, NsKind::Pid) == inode) found.push_back(read_process(pid));
  });
  return json::value(object{{"processes", to_array(process_tree(std::move(found)))}});
}

// ---- what only a reader inside sees

// The message queues, through a mount of our own that is attached nowhere.
std::vector<std::string> message_queues() {
  std::vector<std::string> names;
  Fd fs(static_cast<int>(::syscall(SYS_fsopen, "mqueue", FSOPEN_CLOEXEC)));
  if (!fs || ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return names;
  Fd mount(static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, 0)));
  int directory = ::openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr)
    if (entry->d_name[0] != '.') names.push_back("/" + escape_controls(entry->d_name));
  std::sort(names.begin(), names.end());
  return names;
}

json::value look_at_ipc(const Fd&) {
  struct Table { const char* name; const char* fourth; };  // the first three columns are key, id and mode
  constexpr Table kTables[] = {{"shm", "bytes"}, {"msg", "bytes"}, {"sem", "semaphores"}};
  object out;
  for (const Table& table : kTables) {
    std::vector<std::string> rows;
    std::string text = read_file(format("/proc/sysvipc/{}", table.name)).value_or("");
    for (std::string_view line : split_lines(text)) {
      auto words = split_words(line);
      auto key = words.size() > 3 ? parse_int(words[0], INT32_MIN, INT32_MAX) : std::nullopt;
      if (key) rows.push_back(format("key {:#010x} id {} mode {} {} {}", static_cast<uint32_t>(*key), words[1], words[2], table.fourth, words[3]));
    }
    out[table.name] = to_array(rows);
  }
  out["mqueue"] = to_array(message_queues());
  return out;
}

json::value look_at_names(const Fd&) {
  utsname names{};
  ::uname(&names);
  return object{{"hostname", array{json::string(names.nodename)}}, {"domainname", array{json::string(names.domainname)}}};
}

Result<json::value> cgroups_of(const Fd& ns, pid_t pid) {
  if (pid == 0) return json::value(object{});
  std::string path = format("/proc/{}/cgroup", pid);
  std::string outside = read_file(path).value_or("");
  object out{{"groups", squeezed_lines(outside)}};
  // KERNEL: /proc/PID/cgroup is relative to the reader's cgroup namespace (cgroup_namespaces(7)): read from both, the
  // difference is the namespace's root.
  Look look = [&](const Fd&) { return json::value(json::string(read_file(path).value_or(""))); };
  if (auto inside = look_inside(ns, NsKind::Cgroup, look); inside && inside->is_string())
    out["roots"] = to_array(cgroup_roots(outside, std::string_view(inside->get_string())));
  return json::value(std::move(out));
}

using OfProc = object (*)(const Fd& proc);

// From the process's directory, else from a child that enters.
Result<json::value> proc_content(const Fd& ns, NsKind kind, pid_t pid, OfProc read) {
  if (pid == 0) return look_inside(ns, kind, [read](const Fd& proc) { return json::value(read(proc)); });
  Fd proc = TRY(open_file(format("/proc/{}", pid), O_PATH | O_DIRECTORY));
  return json::value(read(proc));
}

}  // namespace

Result<json::value> namespace_content(const Fd& ns, NsKind kind, pid_t pid) {
  switch (kind) {
    case NsKind::Net: return look_inside(ns, kind, look_at_network);
    case NsKind::Ipc: return look_inside(ns, kind, look_at_ipc);
    case NsKind::Uts: return look_inside(ns, kind, look_at_names);
    case NsKind::Mnt: return proc_content(ns, kind, pid, mounts_of);
    case NsKind::Time: return proc_content(ns, kind, pid, offsets_of);
    case NsKind::User: return proc_content(ns, kind, pid, maps_of);
    case NsKind::Cgroup: return cgroups_of(ns, pid);
    case NsKind::Pid: break;
  }
  return processes_of(ns);
}

std::vector<std::string> process_tree(std::vector<ProcessLine> processes) {
  std::sort(processes.begin(), processes.end(), [](const ProcessLine& a, const ProcessLine& b) { return a.pid < b.pid; });
  std::map<pid_t, std::vector<const ProcessLine*>> children;
  auto known = [&](pid_t pid) {
    return std::any_of(processes.begin(), processes.end(), [pid](const ProcessLine& line) { return line.pid == pid; });
  };
  for (const ProcessLine& line : processes) children[known(line.parent) && line.parent != line.pid ? line.parent : 0].push_back(&line);
  std::vector<std::string> lines;
  std::function<void(pid_t, size_t)> add = [&](pid_t parent, size_t depth) {
    for (const ProcessLine* line : children[parent]) {
      lines.push_back(format("{}{} (here {}) {}", std::string(2 * depth, ' '), line->inside, line->pid, line->name));
      add(line->pid, depth + 1);
    }
  };
  add(0, 0);
  return lines;
}

std::vector<std::string> cgroup_roots(std::string_view outside, std::string_view inside) {
  std::vector<std::string> roots;
  auto outer = split_lines(outside), inner = split_lines(inside);
  for (size_t i = 0; i < std::min(outer.size(), inner.size()); ++i) {
    auto a = split(outer[i], ':'), b = split(inner[i], ':');
    if (a.size() < 3 || b.size() < 3 || a[1] != b[1]) continue;
    std::string from_root = b[2] == "/" ? "" : b[2];  // "/../x": the process has left the root, which no path tells then
    if (from_root.starts_with("/..") || !std::string_view(a[2]).ends_with(from_root)) continue;
    std::string root = a[2].substr(0, a[2].size() - from_root.size());
    roots.push_back(format("{}: {}", a[1].empty() ? "unified" : a[1], root.empty() ? "/" : root));
  }
  return roots;
}

std::vector<std::string> mount_lines(std::string_view mountinfo) {
  std::vector<std::string> found;
  for (std::string_view line : split_lines(mountinfo)) {
    size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    auto before = split_words(line.substr(0, dash)), after = split_words(line.substr(dash + 3));
    if (before.size() < 6 || after.size() < 2) continue;
    found.push_back(format("{} {} {} ({})", escape_controls(unescape_octal(before[4])), after[0],
                           escape_controls(unescape_octal(after[1])), before[5]));
  }
  return found;
}

}  // namespace hull::ns
