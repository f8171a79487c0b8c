// What a question to `hull whois` may be about, by its form alone. Pure.
#include <arpa/inet.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>

#include "base/text.h"
#include "cli/facts.h"

namespace hull::cli {
namespace {

constexpr const char* kNames[] = {"container", "name", "hostname", "pid", "inner-pid", "tid", "inode", "ns-id", "cgroup", "cgroup-id",
                                  "interface", "mac", "ip", "port", "unix", "socket", "mount-id", "overlay"};
static_assert(std::size(kNames) == static_cast<size_t>(FactKind::Count));

template <typename... Kinds>
constexpr FactMask any_of(Kinds... kinds) { return (mask_of(kinds) | ...); }

bool is_ip(const std::string& text) {
  unsigned char address[16];
  return ::inet_pton(AF_INET, text.c_str(), address) == 1 || ::inet_pton(AF_INET6, text.c_str(), address) == 1;
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (i % 3 == 2 ? text[i] != ':' : std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos) return false;
  return true;
}

// "socket:[N]" and "net:[N]", as readlink shows them.
std::optional<Question> bracketed(std::string_view text) {
  size_t open = text.find(":[");
  if (open == std::string_view::npos || !text.ends_with("]")) return std::nullopt;
  std::string number(text.substr(open + 2, text.size() - open - 3));
  if (!parse_uint(number)) return std::nullopt;
  if (text.starts_with("socket:")) return Question{any_of(FactKind::Socket), number};
  if (kernel::ns_kind_from_name(text.substr(0, open))) return Question{any_of(FactKind::Inode), number};
  return std::nullopt;
}

std::optional<Question> by_number(std::string_view text) {
  if (!parse_uint(text)) return std::nullopt;
  FactMask kinds = any_of(FactKind::Pid, FactKind::Thread, FactKind::Inode, FactKind::NsId, FactKind::CgroupId, FactKind::Socket,
                          FactKind::MountId, FactKind::Port, FactKind::Container, FactKind::Name);
  return Question{kinds, std::string(text)};
}

std::optional<Question> by_path(std::string_view text) {
  constexpr long kNsfsMagic = 0x6e736673;
  if (!text.starts_with('/')) return std::nullopt;
  std::string path(text);
  struct statfs fs;
  struct stat status;
  if (::statfs(path.c_str(), &fs) == 0 && fs.f_type == kNsfsMagic && ::stat(path.c_str(), &status) == 0)
    return Question{any_of(FactKind::Inode), std::to_string(status.st_ino)};
  return Question{any_of(FactKind::CgroupPath, FactKind::Overlay, FactKind::UnixSocket), std::string(text)};
}

std::optional<Question> by_address(std::string_view text) {
  std::string address(text.substr(0, text.find('/')));
  if (is_mac(text)) return Question{any_of(FactKind::Mac), to_lower(text)};
  if (is_ip(address)) return Question{any_of(FactKind::Ip), address};
  return std::nullopt;
}

// ":80", "80/tcp", "127.0.0.1:80", "[::1]:80".
std::optional<Question> by_port(std::string_view text) {
  size_t slash = text.find('/');
  std::string_view protocol = slash == std::string_view::npos ? "" : text.substr(slash), rest = text.substr(0, slash);
  if (!protocol.empty() && protocol != "/tcp" && protocol != "/udp") return std::nullopt;
  size_t colon = rest.rfind(':');
  std::string host(colon == std::string_view::npos ? "" : rest.substr(0, colon));
  std::string port(colon == std::string_view::npos ? rest : rest.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  bool marked = colon != std::string_view::npos || !protocol.empty();
  if (!marked || !parse_uint(port, 1, 65535) || !(host.empty() || is_ip(host))) return std::nullopt;
  return Question{any_of(FactKind::Port), port + std::string(protocol)};
}

std::optional<Question> by_inner_pid(std::string_view text) {
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || !parse_uint(text.substr(colon + 1), 1, INT32_MAX)) return std::nullopt;
  return Question{any_of(FactKind::InnerPid), std::string(text)};
}

}  // namespace

const char* fact_name(FactKind kind) { return kNames[static_cast<size_t>(kind)]; }

Result<Question> parse_question(std::string_view text) {
  if (text.empty()) return fail(ErrorKind::Invalid, "an empty question; ask for a PID, inode, address, port, path or name");
  for (size_t i = 0; i < std::size(kNames); ++i) {
    std::string prefix = std::string(kNames[i]) + ":";
    if (!text.starts_with(prefix) || text.size() == prefix.size() || text[prefix.size()] == '[') continue;
    std::string value(text.substr(prefix.size()));
    if (static_cast<FactKind>(i) == FactKind::Mac) value = to_lower(value);
    return Question{FactMask{1} << i, std::move(value)};
  }
  using Form = std::optional<Question> (*)(std::string_view);
  constexpr Form kForms[] = {bracketed, by_number, by_path, by_address, by_port, by_inner_pid};
  for (Form form : kForms)
    if (auto question = form(text)) return *question;
  return Question{any_of(FactKind::Container, FactKind::Name, FactKind::Hostname, FactKind::Interface, FactKind::UnixSocket), std::string(text)};
}

bool answers(const Question& question, const Fact& fact) {
  if ((question.kinds & mask_of(fact.kind)) == 0) return false;
  const std::string& asked = question.value;
  if (fact.value == asked) return true;
  switch (fact.kind) {
    case FactKind::Port: return fact.value.starts_with(asked + "/");
    case FactKind::Container: return asked.size() >= 4 && fact.value.starts_with(asked);
    // What is beneath a directory belongs to whom it belongs; a cgroup may be given as its directory.
    case FactKind::Overlay: return asked.starts_with(fact.value + "/");
    case FactKind::CgroupPath: return asked.starts_with("/sys/fs/cgroup/") && fact.value.size() > 1 && asked.ends_with(fact.value);
    default: return false;
  }
}

}  // namespace hull::cli
