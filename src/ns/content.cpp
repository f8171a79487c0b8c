#include "ns/content.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <netinet/in.h>
#include <sys/prctl.h>
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
#include "kernel/netlink.h"
#include "ns/nsenter.h"

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

// `path` within /proc, through a descriptor that stays valid when the mount namespace changes.
std::vector<std::string> lines_of(const Fd& proc, const std::string& path) {
  std::vector<std::string> lines;
  Result<Fd> file = open_at(proc, path, O_RDONLY);
  Result<std::string> text = file ? read_all(*file) : tl::unexpected<Error>(file.error());
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

std::vector<std::string> listeners(const Fd& proc) {
  struct Table { const char* name; const char* state; };
  constexpr Table kTables[] = {{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"}};
  std::vector<std::string> found;
  for (const Table& table : kTables) {
    auto lines = lines_of(proc, format("self/net/{}", table.name));
    for (size_t i = 1; i < lines.size(); ++i) {
      auto words = split_words(lines[i]);
      if (words.size() > 3 && words[3] == table.state) found.push_back(format("{} {}", table.name, socket_address(words[1])));
    }
  }
  for (const std::string& line : lines_of(proc, "self/net/unix")) {
    auto words = split_words(line);
    // Flags 00010000 is a socket that listens (SO_ACCEPTCON).
    if (words.size() > 7 && words[3] == "00010000") found.push_back(escape_controls(format("unix {}", words[7])));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<std::string> mounts(const Fd& proc, const std::string& process) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(proc, process + "/mountinfo")) {
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
std::vector<std::string> processes(const Fd& directory, uint64_t inode) {
  std::vector<std::pair<uint64_t, std::string>> found;
  std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  while (dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    auto pid = parse_uint(entry->d_name, 1, INT32_MAX);
    if (!pid || kernel::ns_inode(static_cast<pid_t>(*pid), NsKind::Pid) != inode) continue;
    std::string inside, name, parent;
    for (const std::string& line : lines_of(directory, format("{}/status", *pid))) {
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

using Look = std::function<json::value(const Fd& proc)>;

// Runs `look` in a child that has entered the namespace, and gives what it returned.
Result<json::value> look_inside(const Fd& ns, NsKind kind, const Look& look) {
  uint64_t inode = TRY(kernel::identify_ns(ns)).inode;
  Fd proc = TRY(open_file("/proc", O_RDONLY | O_DIRECTORY));
  Pipe pipe = TRY(make_pipe());
  pid_t child = ::fork();
  if (child < 0) return fail_errno("fork", "");
  if (child == 0) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // nobody in there may look into us (SECURITY E2)
    bool entered = inode == kernel::ns_inode(0, kind) || ::setns(ns.get(), static_cast<int>(kernel::ns_info(kind).clone_flag)) == 0;
    if (!entered) ::_exit(1);
    (void)write_all(pipe.write, json::to_text(look(proc)));
    ::_exit(0);
  }
  pipe.write.reset();
  std::string text = TRY(read_all(pipe.read));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (status != 0)
    return fail(ErrorKind::Denied, "cannot look into it; " + explain_refusal(ns, kind));
  return json::parse(text, "content");
}

std::string link_text(const kernel::NetLink& link) {
  std::string text = format("{} {}", link.name, link.up ? "up" : "down");
  if (!link.kind.empty()) text += " " + link.kind;
  if (!link.mac.empty() && link.name != "lo") text += " " + link.mac;
  return text + format(" mtu {}", link.mtu);
}

std::string route_text(const kernel::NetRoute& route, const std::vector<kernel::NetLink>& links) {
  std::string text = route.destination;
  if (!route.gateway.empty()) text += " via " + route.gateway;
  for (const kernel::NetLink& link : links)
    if (link.index == route.link_index) text += " dev " + link.name;
  return text;
}

json::value look_at_network(const Fd& proc) {
  std::vector<std::string> lines, addresses, routes;
  std::vector<kernel::NetLink> links = kernel::list_links().value_or(std::vector<kernel::NetLink>());
  for (const kernel::NetLink& link : links) {
    lines.push_back(escape_controls(link_text(link)));
    for (const std::string& address : link.addresses) addresses.push_back(escape_controls(link.name + " " + address));
  }
  for (const kernel::NetRoute& route : kernel::list_routes().value_or(std::vector<kernel::NetRoute>()))
    routes.push_back(escape_controls(route_text(route, links)));
  return object{{"links", to_array(lines)}, {"addresses", to_array(addresses)}, {"routes", to_array(routes)},
                {"listeners", to_array(listeners(proc))}};
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

json::value look_at_ipc(const Fd& proc) {
  object out;
  for (const char* kind : {"shm", "msg", "sem"}) {
    auto lines = lines_of(proc, format("sysvipc/{}", kind));
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

json::value look_at_names(const Fd&) {
  utsname names{};
  ::uname(&names);
  return object{{"hostname", array{json::string(names.nodename)}}, {"domainname", array{json::string(names.domainname)}}};
}

object list_object(const char* name, const std::vector<std::string>& lines) { return object{{name, to_array(lines)}}; }

std::vector<std::string> squeezed_lines(const Fd& proc, const std::string& path) {
  std::vector<std::string> lines;
  for (const std::string& line : lines_of(proc, path)) lines.push_back(squeezed(line));
  return lines;
}

// What /proc/PROCESS ("42", or "self" in a child inside) tells of the kinds that it shows itself.
json::value files_of(const Fd& proc, const std::string& process, NsKind kind) {
  if (kind == NsKind::Mnt) return list_object("mounts", mounts(proc, process));
  if (kind == NsKind::Cgroup) return list_object("groups", lines_of(proc, process + "/cgroup"));
  if (kind == NsKind::Time) return list_object("offsets", squeezed_lines(proc, process + "/timens_offsets"));
  object maps = list_object("uid_map", squeezed_lines(proc, process + "/uid_map"));
  maps["gid_map"] = to_array(squeezed_lines(proc, process + "/gid_map"));
  maps["setgroups"] = to_array(lines_of(proc, process + "/setgroups"));
  return maps;
}

}  // namespace

Result<json::value> namespace_content(const Fd& ns, NsKind kind, pid_t pid) {
  if (kind == NsKind::Net) return look_inside(ns, kind, look_at_network);
  if (kind == NsKind::Ipc) return look_inside(ns, kind, look_at_ipc);
  if (kind == NsKind::Uts) return look_inside(ns, kind, look_at_names);
  Fd proc = TRY(open_file("/proc", O_RDONLY | O_DIRECTORY));
  if (kind == NsKind::Pid) return json::value(list_object("processes", processes(proc, TRY(kernel::identify_ns(ns)).inode)));
  if (pid != 0) return files_of(proc, std::to_string(pid), kind);
  return look_inside(ns, kind, [kind](const Fd& directory) { return files_of(directory, "self", kind); });
}

}  // namespace hull::ns
