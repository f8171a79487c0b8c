#include "runtime/make.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/text.h"
#include "kernel/seccomp.h"
#include "oci/parse.h"
#include "oci/validate.h"

namespace hull::runtime {

Result<oci::Spec> load_spec(const std::string& path) {
  std::string text = TRY(read_file(path));
  oci::Spec spec = TRY(oci::parse_spec(text, "config.json"));
  TRY_CONTEXT(oci::validate(spec), "config.json");
  return spec;
}

Result<Fd> connect_console(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return fail(ErrorKind::Invalid, format("--console-socket: {}: too long", socket_path));
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket", "console");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return fail_errno("connect", socket_path);
  return fd;
}

Result<> write_pid_file(const std::string& path, pid_t pid) {
  if (path.empty()) return {};
  return replace_file(path, std::to_string(pid), Durability::Volatile, 0644);
}

Result<Filter> seccomp_of(const oci::Spec& spec) {
  if (!spec.linux_.seccomp) return Filter{};
  kernel::SeccompFilter filter = TRY_CONTEXT(kernel::compile_seccomp(*spec.linux_.seccomp), "linux.seccomp");
  if (filter.notifies) return fail(ErrorKind::Unsupported, "linux.seccomp: SCMP_ACT_NOTIFY: hull cannot apply it; remove it");
  return Filter{std::move(filter.program), filter.flags};
}

// After the specification's own rules, as runc and crun do: nodes may be made, and the default devices be used.
void allow_default_devices(oci::Resources& resources) {
  if (resources.devices.empty()) return;
  static constexpr std::pair<int, int> kCharacter[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, -1}};
  resources.devices.push_back({true, "c", {}, {}, "m"});
  resources.devices.push_back({true, "b", {}, {}, "m"});
  for (auto [major, minor] : kCharacter)
    resources.devices.push_back({true, "c", major, minor < 0 ? std::optional<int64_t>() : minor, "rwm"});
}

}  // namespace hull::runtime
