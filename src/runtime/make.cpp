#include "runtime/make.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "kernel/capabilities.h"
#include "kernel/seccomp.h"
#include "oci/parse.h"
#include "oci/validate.h"
#include "runtime/config.h"

namespace hull::runtime {

Result<oci::Spec> parse_config(std::string_view text) {
  oci::Spec spec = TRY(oci::parse_spec(text, "config.json"));
  TRY_CONTEXT(oci::validate(spec), "config.json");
  return spec;
}

Result<oci::Spec> load_config(const Home& home) {
  std::string text = TRY(read_file(home.file("config.json")));
  return parse_config(text);
}

// runtime-spec, linux.capabilities: what cannot be mapped to the kernel is a warning, and need not be an error.
Result<> adapt_process(oci::Process& process, const Warn& warn) {
  if (!process.capabilities) return {};
  oci::Capabilities& caps = *process.capabilities;
  std::vector<std::string> unknown;
  for (auto* set : {&caps.bounding, &caps.effective, &caps.inheritable, &caps.permitted, &caps.ambient})
    std::erase_if(*set, [&](const std::string& name) {
      bool known = name.starts_with("CAP_") && kernel::cap_number(name).has_value();
      if (!known && std::find(unknown.begin(), unknown.end(), name) == unknown.end()) unknown.push_back(name);
      return !known;
    });
  if (!unknown.empty() && warn)
    warn(format("process.capabilities: ignoring unknown or unavailable capabilities: {}", escape_controls(join(unknown, " "))));
  return {};
}

Result<> check_selinux(const std::string& label, const char* field) {
  if (label.empty() || path_exists("/sys/fs/selinux/enforce")) return {};
  return fail(ErrorKind::Unsupported, format("{}: SELinux is not enabled on this host; remove it", field));
}

Result<> check_console(const oci::Process& process, const std::string& console_socket, int console_fd) {
  if (process.terminal && console_socket.empty() && console_fd < 0)
    return fail(ErrorKind::Invalid, "process.terminal: needs --console-socket");
  if (!process.terminal && !console_socket.empty()) return fail(ErrorKind::Invalid, "--console-socket: given without process.terminal");
  return {};
}

Result<Fd> connect_socket(const std::string& path, const char* option) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ErrorKind::Invalid, format("{}: {}: too long", option, path));
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket", option);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return fail_errno("connect", format("{} {}", option, path));
  return fd;
}

Result<> send_pidfd(const std::string& path, const Fd& pidfd) {
  if (path.empty()) return {};
  Fd receiver = TRY(connect_socket(path, "--pidfd-socket"));
  return send_message(receiver, "pidfd", {pidfd.get()}, "--pidfd-socket " + path);  // the word that runc sends
}

Result<> write_pid_file(const std::string& path, pid_t pid) {
  if (path.empty()) return {};
  return replace_file(path, std::to_string(pid), Durability::Volatile, 0644);
}

std::vector<int> preserved_descriptors(uint32_t count) {
  std::vector<int> out;
  for (uint32_t i = 0; i < count; ++i) out.push_back(3 + static_cast<int>(i));
  return out;
}

Result<> check_preserved(uint32_t count) {
  constexpr uint32_t kMost = 4096;
  if (count > kMost) return fail(ErrorKind::Invalid, format("--preserve-fds: more than {}", kMost));
  for (int fd : preserved_descriptors(count))
    if (::fcntl(fd, F_GETFD) < 0) return fail(ErrorKind::Invalid, format("--preserve-fds: descriptor {} is not open", fd));
  return {};
}

bool may_name(std::string_view config, std::initializer_list<std::string_view> keys) {
  auto has = [&](std::string_view key) { return config.find(format("\"{}\"", key)) != std::string_view::npos; };
  return config.find("\\u") != std::string_view::npos || std::any_of(keys.begin(), keys.end(), has);
}

template <typename T>
static void drop_zero(std::optional<T>& value) {
  if (value && *value == 0) value.reset();
}

void drop_zeros(oci::Resources& r) {
  for (auto* value : {&r.memory.limit, &r.memory.reservation, &r.memory.swap, &r.memory.kernel, &r.memory.kernel_tcp, &r.cpu.quota,
                      &r.cpu.realtime_runtime, &r.pids_limit})
    drop_zero(*value);
  for (auto* value : {&r.cpu.shares, &r.cpu.period, &r.cpu.realtime_period}) drop_zero(*value);
  for (auto* value : {&r.block_io.weight, &r.block_io.leaf_weight}) drop_zero(*value);
  drop_zero(r.network_class_id);
}

// After the specification's own rules, as runc and crun do: nodes may be made, and the default devices be used. Without any
// rule nothing else is allowed, as with runc: a container that may make nodes would reach every disk (SECURITY K2).
void allow_default_devices(oci::Resources& resources) {
  if (resources.devices.empty()) resources.devices.push_back({false, "a", {}, {}, "rwm"});
  static constexpr std::pair<int, int> kCharacter[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, -1}};
  resources.devices.push_back({true, "c", {}, {}, "m"});
  resources.devices.push_back({true, "b", {}, {}, "m"});
  for (auto [major, minor] : kCharacter)
    resources.devices.push_back({true, "c", major, minor < 0 ? std::optional<int64_t>() : minor, "rwm"});
}

Result<Filter> seccomp_of(const oci::Spec& spec) {
  if (!spec.linux_.seccomp) return Filter{};
  kernel::SeccompFilter filter = TRY_CONTEXT(kernel::compile_seccomp(*spec.linux_.seccomp), "config.json: linux.seccomp");
  if (filter.notifies && spec.linux_.seccomp->listener_path.empty())
    return fail(ErrorKind::Invalid, "config.json: linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs it");
  // KERNEL: it speaks of a listener, and is refused without one; seccomp(2), SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV.
  constexpr uint32_t kWaitKillable = 1U << 5;
  uint32_t flags = filter.notifies ? filter.flags : filter.flags & ~kWaitKillable;
  return Filter{std::move(filter.program), flags, filter.notifies};
}

// The kernel's number is known to hull-init alone, which puts it where \1 stands; that character is no part of any JSON. No
// text of the container's can be such a member: its quotes would be escaped, and what it says is a string.
constexpr int kPidToCome = -1;
static json::object without_pid(const Standing& standing) {
  json::object state = state_json(standing, false);
  state["pid"] = kPidToCome;
  return state;
}

static std::string with_marks(const json::object& document) {
  constexpr std::string_view kMember = "\"pid\":", kMark = "\"pid\":-1";
  std::string text = json::to_text(document);
  for (size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark)) text.replace(at + kMember.size(), 2, "\1");
  return text;
}

std::string state_text_for_hooks(const Standing& standing) { return with_marks(without_pid(standing)); }

std::string listener_state(const oci::Spec& spec, const Standing& standing) {
  json::object out{{"ociVersion", oci::kSpecVersion}, {"fds", json::array{"seccompFd"}}, {"pid", kPidToCome},
                   {"metadata", spec.linux_.seccomp->listener_metadata}};
  out["state"] = without_pid(standing);
  return with_marks(out);
}

}  // namespace hull::runtime
