// hull nsenter: run a program in the namespaces of another process or container, with util-linux's command line (also
// when called as `nsenter`).
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/ns_target.h"
#include "engine/engine.h"
#include "ns/id_map.h"
#include "ns/nsenter.h"

namespace hull::cli {
namespace {

using kernel::NsKind;
using ns::EnterRequest;

EnterRequest& request_of(void* target) { return *static_cast<EnterRequest*>(target); }

template <NsKind kind>
Result<> add_kind(void* target, const Option&, std::optional<std::string_view> value) {
  if (value) request_of(target).files[kind] = namespace_file(*value, kind);
  else request_of(target).flags |= kernel::ns_info(kind).clone_flag;
  return {};
}

template <auto Member>
Result<> set_flag(void* target, const Option&, std::optional<std::string_view>) {
  request_of(target).*Member = true;
  return {};
}

// --root and --wd: the target's, or a directory.
template <auto OfTarget, auto Given>
Result<> set_directory(void* target, const Option&, std::optional<std::string_view> value) {
  if (value) request_of(target).*Given = std::string(*value);
  else request_of(target).*OfTarget = true;
  return {};
}

Result<> set_wdns(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).wdns = std::string(*value);
  return {};
}

// A PID, PID:INODE, or the name or id of a container.
Result<> set_target(void* target, const Option&, std::optional<std::string_view> value) {
  EnterRequest& request = request_of(target);
  std::string_view text = *value;
  size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    request.target_inode = parse_uint(text.substr(colon + 1));
    if (!request.target_inode) return fail(ErrorKind::Invalid, format("failed to parse pid: '{}'", text));
  }
  if (auto pid = parse_uint(text.substr(0, colon), 1, INT32_MAX)) {
    request.target = static_cast<pid_t>(*pid);
    return {};
  }
  engine::Engine engine = TRY(engine::Engine::open());
  Result<pid_t> pid = engine.pid_of(text);
  if (!pid) return fail(ErrorKind::NotFound, format("failed to parse pid: '{}' is neither a process nor a running container", text));
  request.target = *pid;
  return {};
}

template <auto Member, auto Follow>
Result<> set_id(void* target, const Option& option, std::optional<std::string_view> value) {
  if (*value == "follow") {
    request_of(target).*Follow = true;
    return {};
  }
  auto id = parse_uint(*value, 0, UINT32_MAX - 1);
  if (!id) return fail(ErrorKind::Invalid, format("failed to parse {}: '{}'", option.short_name == 'S' ? "uid" : "gid", *value));
  request_of(target).*Member = static_cast<uint32_t>(*id);
  return {};
}

Result<> set_net_socket(void* target, const Option&, std::optional<std::string_view> value) {
  auto fd = parse_uint(*value, 0, INT32_MAX);
  if (!fd) return fail(ErrorKind::Invalid, format("failed to parse file descriptor: '{}'", *value));
  request_of(target).net_socket = static_cast<int>(*fd);
  return {};
}

constexpr Option kOptions[] = {
    {'a', "all", Takes::Nothing, nullptr, "enter all namespaces", set_flag<&EnterRequest::all>},
    {'t', "target", Takes::Required, "pid", "target process (PID, PID:INODE or container) to get namespaces from", set_target},
    {'m', "mount", Takes::Optional, "file", "enter mount namespace", add_kind<NsKind::Mnt>},
    {'u', "uts", Takes::Optional, "file", "enter UTS namespace (hostname etc)", add_kind<NsKind::Uts>},
    {'i', "ipc", Takes::Optional, "file", "enter System V IPC namespace", add_kind<NsKind::Ipc>},
    {'n', "net", Takes::Optional, "file", "enter network namespace", add_kind<NsKind::Net>},
    {'N', "net-socket", Takes::Required, "fd", "enter network namespace of the target's socket", set_net_socket},
    {'p', "pid", Takes::Optional, "file", "enter pid namespace", add_kind<NsKind::Pid>},
    {'C', "cgroup", Takes::Optional, "file", "enter cgroup namespace", add_kind<NsKind::Cgroup>},
    {'U', "user", Takes::Optional, "file", "enter user namespace", add_kind<NsKind::User>},
    {0, "user-parent", Takes::Nothing, nullptr, "enter parent user namespace", set_flag<&EnterRequest::user_parent>},
    {'T', "time", Takes::Optional, "file", "enter time namespace", add_kind<NsKind::Time>},
    {'S', "setuid", Takes::Required, "uid|follow", "set uid in entered namespace", set_id<&EnterRequest::uid, &EnterRequest::follow_uid>},
    {'G', "setgid", Takes::Required, "gid|follow", "set gid in entered namespace", set_id<&EnterRequest::gid, &EnterRequest::follow_gid>},
    {0, "preserve-credentials", Takes::Nothing, nullptr, "do not touch uids or gids", set_flag<&EnterRequest::preserve_credentials>},
    {0, "keep-caps", Takes::Nothing, nullptr, "retain capabilities granted in user namespaces", set_flag<&EnterRequest::keep_caps>},
    {'r', "root", Takes::Optional, "dir", "set the root directory", set_directory<&EnterRequest::target_root, &EnterRequest::root>},
    {'w', "wd", Takes::Optional, "dir", "set the working directory", set_directory<&EnterRequest::target_wd, &EnterRequest::wd>},
    {'W', "wdns", Takes::Required, "dir", "set the working directory in namespace", set_wdns},
    {'e', "env", Takes::Nothing, nullptr, "inherit environment variables from target process", set_flag<&EnterRequest::environment>},
    {'F', "no-fork", Takes::Nothing, nullptr, "do not fork before exec'ing <program>", set_flag<&EnterRequest::no_fork>},
    {'c', "join-cgroup", Takes::Nothing, nullptr, "join the cgroup of the target process", set_flag<&EnterRequest::join_cgroup>},
    {'Z', "follow-context", Takes::Nothing, nullptr, "set SELinux context according to --target PID", set_flag<&EnterRequest::follow_context>},
};

Result<> check(const EnterRequest& request) {
  bool needs_target = request.all || request.target_root || request.target_wd || request.environment || request.join_cgroup ||
                      request.user_parent || request.net_socket || request.follow_uid || request.follow_gid;
  if (!request.target && needs_target) return fail(ErrorKind::Invalid, "no target PID specified");
  return {};
}

}  // namespace

const Syntax kNsenterSyntax{.name = "nsenter", .synopsis = "[options] [<program> [<argument>...]]",
                            .summary = "Run a program with namespaces of other processes.", .options = kOptions,
                            .operands = Operands::EndOptions, .dialect = Dialect::UtilLinux};

int run_nsenter(const Invocation& call) {
  EnterRequest request;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kNsenterSyntax, &request, operands)) return *code;
  request.command.assign(operands.begin(), operands.end());
  std::string prefix = message_prefix(call, kNsenterSyntax);
  bool exec_failed = false;
  Result<int> code = 0;
  if (auto sound = check(request); !sound) code = fail(std::move(sound).error());
  else code = ns::enter(request, exec_failed);
  if (code) return *code;
  print_error(prefix + ": " + code.error().text());
  if (!exec_failed) return kExitFailure;
  return code.error().errno_value() == ENOENT ? kExitNotFound : kExitNotExecutable;
}

}  // namespace hull::cli
