#include "ns/content.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/mount.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/text.h"

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

// ---- read from outside

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  auto text = read_file(path);
  if (!text) return lines;
  for (std::string_view line : split_lines(*text)) lines.emplace_back(trim(line));
  return lines;
}

std::string squeezed(std::string_view line) {
  std::string text;
  for (std::string_view word : split_words(line)) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

// "0100007F:1F90" of /proc/net/tcp, or 32 digits of tcp6: address and port.
std::string socket_address(std::string_view hex) {
  size_t colon = hex.find(':');
  if (colon == std::string_view::npos) return std::string(hex);
  unsigned port = 0;
  std::from_chars(hex.data() + colon + 1, hex.data() + hex.size(), port, 16);
  unsigned char bytes[16] = {};
  size_t words = colon / 8;
  for (size_t i = 0; i < words && i < 4; ++i) {
    uint32_t word = 0;
    std::from_chars(hex.data() + i * 8, hex.data() + i * 8 + 8, word, 16);
    std::copy_n(reinterpret_cast<const unsigned char*>(&word), 4, bytes + i * 4);  // the kernel prints it in host order
  }
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(words == 1 ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return words == 1 ? format("{}:{}", text, port) : format("[{}]:{}", text, port);
}

std::vector<std::string> listeners(pid_t pid) {
  struct Table { const char* name; const char* state; };
  constexpr Table kTables[] = {{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"}};
  std::vector<std::string> found;
  for (const Table& table : kTables) {
    auto lines = lines_of(format("/proc/{}/net/{}", pid, table.name));
    for (size_t i = 1; i < lines.size(); ++i) {
      auto words = split_words(lines[i]);
      if (words.size() > 3 && words[3] == table.state) found.push_back(format("{} {}", table.name, socket_address(words[1])));
    }
  }
  for (const std::string& line : lines_of(format("/proc/{}/net/unix", pid))) {
    auto words = split_words(line);
    // Flags 00010000 is a socket that listens (SO_ACCEPTCON).
    if (words.size() > 7 && words[3] == "00010000") found.push_back(format("unix {}", words[7]));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<std::string> routes(pid_t pid) {
  std::vector<std::string> found;
  auto lines = lines_of(format("/proc/{}/net/route", pid));
  auto address = [](std::string_view hex) {
    uint32_t word = 0;
    std::from_chars(hex.data(), hex.data() + hex.size(), word, 16);
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &word, text, sizeof text);
    return std::string(text);
  };
  for (size_t i = 1; i < lines.size(); ++i) {
    auto words = split_words(lines[i]);
    if (words.size() > 7) found.push_back(format("{}/{} via {} dev {}", address(words[1]), address(words[7]), address(words[2]), words[0]));
  }
  return found;
}

std::vector<std::string> mounts(pid_t pid) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(format("/proc/{}/mountinfo", pid))) {
    size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    auto before = split_words(std::string_view(line).substr(0, dash)), after = split_words(std::string_view(line).substr(dash + 3));
    if (before.size() < 6 || after.size() < 2) continue;
    std::string source = unescape_octal(after[1]);
    found.push_back(format("{} {} {} ({})", escape_controls(unescape_octal(before[4])), after[0], escape_controls(source), before[5]));
  }
  return found;
}

// Every process with this namespace: its PID here, in its own namespace, and its name.
std::vector<std::string> processes(uint64_t inode) {
  std::vector<std::pair<uint64_t, std::string>> found;
  std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  while (dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    auto pid = parse_uint(entry->d_name, 1, INT32_MAX);
    if (!pid || kernel::ns_inode(static_cast<pid_t>(*pid), NsKind::Pid) != inode) continue;
    std::string inside, name, parent;
    for (const std::string& line : lines_of(format("/proc/{}/status", *pid))) {
      auto words = split_words(line);
      if (line.starts_with("NSpid:") && !words.empty()) inside = words.back();
      if (line.starts_with("Name:")) name = escape_controls(trim(std::string_view(line).substr(5)));
      if (line.starts_with("PPid:") && words.size() > 1) parent = words[1];
    }
    found.emplace_back(*pid, format("{} (here {}, parent {}) {}", inside, *pid, parent, name));
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> lines;
  for (auto& [pid, line] : found) lines.push_back(std::move(line));
  return lines;
}

// ---- read by a child inside

// Runs `look` in a child that has entered the target's namespace, and gives what it returned.
Result<json::value> look_inside(pid_t pid, NsKind kind, const std::function<json::value()>& look) {
  Fd ns = TRY(kernel::open_ns(pid, kind));
  Pipe pipe = TRY(make_pipe());
  pid_t child = ::fork();
  if (child < 0) return fail_errno("fork", "");
  if (child == 0) {
    bool entered = kernel::ns_inode(pid, kind) == kernel::ns_inode(0, kind) || ::setns(ns.get(), static_cast<int>(kernel::ns_info(kind).clone_flag)) == 0;
    if (!entered) ::_exit(errno == EPERM ? 2 : 1);
    (void)write_all(pipe.write, json::to_text(look()));
    ::_exit(0);
  }
  pipe.write.reset();
  std::string text = TRY(read_all(pipe.read));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (status != 0)
    return fail(ErrorKind::Denied, format("cannot look into the {} namespace of process {}; CAP_SYS_ADMIN in its owning user namespace is needed, run as root",
                                          kernel::ns_info(kind).name, pid));
  return json::parse(text, "content");
}

int prefix_length(const sockaddr* mask) {
  if (mask == nullptr) return 0;
  const auto* bytes = mask->sa_family == AF_INET ? reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in*>(mask)->sin_addr)
                                                 : reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr);
  int bits = 0;
  for (int i = 0; i < (mask->sa_family == AF_INET ? 4 : 16); ++i) bits += __builtin_popcount(bytes[i]);
  return bits;
}

json::value look_at_network() {
  std::vector<std::string> links, addresses;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return object{};
  for (ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_PACKET) {
      links.push_back(format("{} {}", at->ifa_name, (at->ifa_flags & IFF_UP) != 0 ? "up" : "down"));
      continue;
    }
    char text[INET6_ADDRSTRLEN] = {};
    bool four = at->ifa_addr->sa_family == AF_INET;
    const void* address = four ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(at->ifa_addr)->sin_addr)
                               : static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(at->ifa_addr)->sin6_addr);
    ::inet_ntop(at->ifa_addr->sa_family, address, text, sizeof text);
    addresses.push_back(format("{} {}/{}", at->ifa_name, text, prefix_length(at->ifa_netmask)));
  }
  ::freeifaddrs(first);
  return object{{"links", to_array(links)}, {"addresses", to_array(addresses)}};
}

// The message queues, through a mount of our own that is attached nowhere.
std::vector<std::string> message_queues() {
  std::vector<std::string> names;
  Fd fs(static_cast<int>(::syscall(SYS_fsopen, "mqueue", FSOPEN_CLOEXEC)));
  if (!fs || ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return names;
  int mount = static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, 0));
  if (mount < 0) return names;
  int directory = ::openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ::close(mount);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr)
    if (entry->d_name[0] != '.') names.push_back("/" + escape_controls(entry->d_name));
  return names;
}

json::value look_at_ipc() {
  object out;
  for (const char* kind : {"shm", "msg", "sem"}) {
    auto lines = lines_of(format("/proc/sysvipc/{}", kind));
    std::vector<std::string> rows;
    for (size_t i = 1; i < lines.size(); ++i) {
      auto words = split_words(lines[i]);
      if (words.size() > 3) rows.push_back(format("key {} id {} mode {} size {}", words[0], words[1], words[2], words[3]));
    }
    out[kind] = to_array(rows);
  }
  out["mqueue"] = to_array(message_queues());
  return out;
}

json::value look_at_names() {
  utsname names{};
  ::uname(&names);
  return object{{"hostname", array{json::string(names.nodename)}}, {"domainname", array{json::string(names.domainname)}}};
}

object list_object(const char* name, const std::vector<std::string>& lines) { return object{{name, to_array(lines)}}; }

std::vector<std::string> squeezed_lines(const std::string& path) {
  std::vector<std::string> lines;
  for (const std::string& line : lines_of(path)) lines.push_back(squeezed(line));
  return lines;
}

Result<json::value> network_content(pid_t pid) {
  json::value content = TRY(look_inside(pid, NsKind::Net, look_at_network));
  content.get_object()["routes"] = to_array(routes(pid));
  content.get_object()["listeners"] = to_array(listeners(pid));
  return content;
}

}  // namespace

Result<json::value> namespace_content(pid_t pid, NsKind kind) {
  std::string process = format("/proc/{}/", pid);
  switch (kind) {
    case NsKind::Net: return network_content(pid);
    case NsKind::Ipc: return look_inside(pid, kind, look_at_ipc);
    case NsKind::Uts: return look_inside(pid, kind, look_at_names);
    case NsKind::Mnt: return json::value(list_object("mounts", mounts(pid)));
    case NsKind::Cgroup: return json::value(list_object("groups", lines_of(process + "cgroup")));
    case NsKind::Time: return json::value(list_object("offsets", squeezed_lines(process + "timens_offsets")));
    case NsKind::Pid: return json::value(list_object("processes", processes(kernel::ns_inode(pid, kind).value_or(0))));
    case NsKind::User: break;
  }
  object maps = list_object("uid_map", squeezed_lines(process + "uid_map"));
  maps["gid_map"] = to_array(squeezed_lines(process + "gid_map"));
  maps["setgroups"] = to_array(lines_of(process + "setgroups"));
  return json::value(std::move(maps));
}

Result<pid_t> process_in_namespace(uint64_t inode) {
  std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  while (dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    auto pid = parse_uint(entry->d_name, 1, INT32_MAX);
    if (!pid) continue;
    for (const kernel::NsInfo& info : kernel::kNamespaces)
      if (kernel::ns_inode(static_cast<pid_t>(*pid), info.kind) == inode) return static_cast<pid_t>(*pid);
  }
  return fail(ErrorKind::NotFound, format("no process is in a namespace with inode {}", inode));
}

}  // namespace hull::ns
