// hull unshare: run a program in new namespaces, with util-linux's command line (also when called as `unshare`).
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstring>

#include "cli/commands.h"
#include "engine/terminal.h"
#include "ns/unshare.h"

namespace hull::cli {
namespace {

using kernel::NsKind;
using ns::IdRange;
using ns::UnshareRequest;

UnshareRequest& request_of(void* target) { return *static_cast<UnshareRequest*>(target); }

template <NsKind kind>
Result<> add_kind(void* target, const Option&, std::optional<std::string_view> value) {
  UnshareRequest& request = request_of(target);
  request.flags |= kernel::ns_info(kind).clone_flag;
  if (value) request.persist[kind] = std::string(*value);
  return {};
}

template <auto Member>
Result<> set_optional(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).*Member = std::string(value.value_or(""));
  return {};
}

Result<> set_fork(void* target, const Option&, std::optional<std::string_view>) {
  request_of(target).fork = true;
  return {};
}

Result<> set_mount_proc(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).flags |= CLONE_NEWNS;
  request_of(target).mount_proc = std::string(value.value_or("/proc"));
  return {};
}

Result<> set_mount_binfmt(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).flags |= CLONE_NEWNS;
  request_of(target).mount_binfmt = std::string(value.value_or("/proc/sys/fs/binfmt_misc"));
  return {};
}

Result<> set_load_interpreter(void* target, const Option&, std::optional<std::string_view> value) {
  UnshareRequest& request = request_of(target);
  request.load_interpreter = std::string(*value);
  request.flags |= CLONE_NEWNS;
  if (!request.mount_binfmt) request.mount_binfmt = "/proc/sys/fs/binfmt_misc";
  return {};
}

Result<> map_root(void* target, const Option&, std::optional<std::string_view>) {
  UnshareRequest& request = request_of(target);
  request.flags |= CLONE_NEWUSER;
  request.map_user = request.map_group = 0;
  return {};
}

Result<> map_current(void* target, const Option&, std::optional<std::string_view>) {
  UnshareRequest& request = request_of(target);
  request.flags |= CLONE_NEWUSER;
  request.map_user = ::geteuid();
  request.map_group = ::getegid();
  return {};
}

Result<> set_map_user(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).flags |= CLONE_NEWUSER;
  Result<uint32_t> id = ns::find_id("/etc/passwd", *value);
  if (!id) return fail(ErrorKind::Invalid, format("failed to parse uid: '{}'; {}", *value, id.error().text()));
  request_of(target).map_user = *id;
  return {};
}

Result<> set_map_group(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).flags |= CLONE_NEWUSER;
  Result<uint32_t> id = ns::find_id("/etc/group", *value);
  if (!id) return fail(ErrorKind::Invalid, format("failed to parse gid: '{}'; {}", *value, id.error().text()));
  request_of(target).map_group = *id;
  return {};
}

// One --map-users or --map-groups: a range, or auto, subids, all.
Result<> add_ranges(std::vector<IdRange>& ranges, std::string_view word, const char* subordinate, uid_t uid, const char* map) {
  if (word == "auto" || word == "subids") {
    IdRange range = TRY(ns::load_subordinate_ids(subordinate, uid));
    if (word == "subids") range.inner = range.outer;
    ranges.push_back(range);
  } else if (word == "all") {
    ranges = ns::identity_ranges(TRY(read_file(map)));
  } else {
    ranges.push_back(TRY(ns::parse_id_range(word)));
  }
  return {};
}

Result<> add_map_users(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).flags |= CLONE_NEWUSER;
  return add_ranges(request_of(target).user_ranges, *value, "/etc/subuid", ::geteuid(), "/proc/self/uid_map");
}

Result<> add_map_groups(void* target, const Option&, std::optional<std::string_view> value) {
  request_of(target).flags |= CLONE_NEWUSER;
  return add_ranges(request_of(target).group_ranges, *value, "/etc/subgid", ::geteuid(), "/proc/self/gid_map");
}

Result<> map_auto(void* target, const Option& option, std::optional<std::string_view>) {
  TRY(add_map_users(target, option, "auto"));
  return add_map_groups(target, option, "auto");
}

Result<> map_subids(void* target, const Option& option, std::optional<std::string_view>) {
  TRY(add_map_users(target, option, "subids"));
  return add_map_groups(target, option, "subids");
}

Result<> set_owner(void* target, const Option&, std::optional<std::string_view> value) {
  size_t colon = value->find(':');
  auto uid = parse_uint(value->substr(0, colon), 0, UINT32_MAX - 1);
  auto gid = colon == std::string_view::npos ? std::nullopt : parse_uint(value->substr(colon + 1), 0, UINT32_MAX - 1);
  if (!uid || !gid) return fail(ErrorKind::Invalid, format("invalid owner '{}'; write UID:GID", *value));
  request_of(target).flags |= CLONE_NEWUSER;
  request_of(target).owner = {static_cast<uint32_t>(*uid), static_cast<uint32_t>(*gid)};
  return {};
}

Result<> set_setgroups(void* target, const Option&, std::optional<std::string_view> value) {
  if (*value != "allow" && *value != "deny") return fail(ErrorKind::Invalid, format("unsupported --setgroups argument '{}'", *value));
  request_of(target).setgroups = *value == "allow" ? ns::Setgroups::Allow : ns::Setgroups::Deny;
  return {};
}

Result<> set_propagation(void* target, const Option&, std::optional<std::string_view> value) {
  static constexpr std::pair<const char*, unsigned long> kModes[] = {
      {"slave", MS_REC | MS_SLAVE}, {"private", MS_REC | MS_PRIVATE}, {"shared", MS_REC | MS_SHARED}, {"unchanged", 0}};
  for (const auto& [name, flags] : kModes)
    if (*value == name) {
      request_of(target).propagation = flags;
      return {};
    }
  return fail(ErrorKind::Invalid, format("unsupported propagation mode: {}", *value));
}

Result<> set_kill_child(void* target, const Option&, std::optional<std::string_view> value) {
  UnshareRequest& request = request_of(target);
  request.fork = true;
  request.kill_child = SIGKILL;
  if (!value) return {};
  Result<int> number = engine::parse_signal(*value);
  if (!number) return fail(ErrorKind::Invalid, format("unknown signal: {}", *value));
  request.kill_child = *number;
  return {};
}

Result<> set_forward_signals(void* target, const Option&, std::optional<std::string_view>) {
  request_of(target).fork = request_of(target).forward_signals = true;
  return {};
}

Result<> set_keep_caps(void* target, const Option&, std::optional<std::string_view>) {
  request_of(target).keep_caps = true;
  return {};
}

template <auto Member>
Result<> set_id(void* target, const Option&, std::optional<std::string_view> value) {
  auto id = parse_uint(*value, 0, UINT32_MAX - 1);
  if (!id) return fail(ErrorKind::Invalid, format("failed to parse {}: '{}'", Member == &UnshareRequest::uid ? "uid" : "gid", *value));
  request_of(target).*Member = static_cast<uint32_t>(*id);
  return {};
}

template <auto Member>
Result<> set_offset(void* target, const Option&, std::optional<std::string_view> value) {
  auto seconds = parse_int(*value);
  if (!seconds) return fail(ErrorKind::Invalid, format("failed to parse {} offset: '{}'", Member == &UnshareRequest::monotonic_s ? "monotonic" : "boottime", *value));
  request_of(target).*Member = *seconds;
  return {};
}

constexpr Option kOptions[] = {
    {'m', "mount", Takes::OptionalLong, "file", "unshare mounts namespace", add_kind<NsKind::Mnt>},
    {'u', "uts", Takes::OptionalLong, "file", "unshare UTS namespace (hostname etc)", add_kind<NsKind::Uts>},
    {'i', "ipc", Takes::OptionalLong, "file", "unshare System V IPC namespace", add_kind<NsKind::Ipc>},
    {'n', "net", Takes::OptionalLong, "file", "unshare network namespace", add_kind<NsKind::Net>},
    {'p', "pid", Takes::OptionalLong, "file", "unshare pid namespace", add_kind<NsKind::Pid>},
    {'U', "user", Takes::OptionalLong, "file", "unshare user namespace", add_kind<NsKind::User>},
    {'C', "cgroup", Takes::OptionalLong, "file", "unshare cgroup namespace", add_kind<NsKind::Cgroup>},
    {'T', "time", Takes::OptionalLong, "file", "unshare time namespace", add_kind<NsKind::Time>},
    {'f', "fork", Takes::Nothing, nullptr, "fork before launching <program>", set_fork},
    {0, "map-user", Takes::Required, "uid|name", "map current user to uid (implies --user)", set_map_user},
    {0, "map-group", Takes::Required, "gid|name", "map current group to gid (implies --user)", set_map_group},
    {'r', "map-root-user", Takes::Nothing, nullptr, "map current user to root (implies --user)", map_root},
    {'c', "map-current-user", Takes::Nothing, nullptr, "map current user to itself (implies --user)", map_current},
    {0, "map-auto", Takes::Nothing, nullptr, "map users and groups automatically (implies --user)", map_auto},
    {0, "map-subids", Takes::Nothing, nullptr, "map subordinate ids to themselves (implies --user)", map_subids},
    {0, "map-users", Takes::Required, "inneruid:outeruid:count", "map count users from outeruid to inneruid (implies --user); also auto, subids, all", add_map_users},
    {0, "map-groups", Takes::Required, "innergid:outergid:count", "map count groups from outergid to innergid (implies --user); also auto, subids, all", add_map_groups},
    {0, "owner", Takes::Required, "uid:gid", "give the new user namespace this owner (implies --user)", set_owner},
    {0, "kill-child", Takes::Optional, "signame", "when dying, kill the forked child (implies --fork); defaults to SIGKILL", set_kill_child},
    {0, "forward-signals", Takes::Nothing, nullptr, "forward SIGINT and SIGTERM to the child (implies --fork)", set_forward_signals},
    {0, "mount-proc", Takes::Optional, "dir", "mount proc filesystem first (implies --mount)", set_mount_proc},
    {0, "mount-binfmt", Takes::Optional, "dir", "mount binfmt filesystem first (implies --mount)", set_mount_binfmt},
    {'l', "load-interp", Takes::Required, "string", "load binfmt definition in the namespace (implies --mount-binfmt)", set_load_interpreter},
    {0, "propagation", Takes::Required, "slave|shared|private|unchanged", "modify mount propagation in mount namespace", set_propagation},
    {0, "setgroups", Takes::Required, "allow|deny", "control the setgroups syscall in user namespaces", set_setgroups},
    {0, "keep-caps", Takes::Nothing, nullptr, "retain capabilities granted in user namespaces", set_keep_caps},
    {'R', "root", Takes::Required, "dir", "run the command with root directory set to <dir>", set_optional<&UnshareRequest::root>},
    {'w', "wd", Takes::Required, "dir", "change working directory to <dir>", set_optional<&UnshareRequest::working_directory>},
    {'S', "setuid", Takes::Required, "uid", "set uid in entered namespace", set_id<&UnshareRequest::uid>},
    {'G', "setgid", Takes::Required, "gid", "set gid in entered namespace", set_id<&UnshareRequest::gid>},
    {0, "monotonic", Takes::Required, "offset", "set clock monotonic offset (seconds) in time namespaces", set_offset<&UnshareRequest::monotonic_s>},
    {0, "boottime", Takes::Required, "offset", "set clock boottime offset (seconds) in time namespaces", set_offset<&UnshareRequest::boottime_s>},
};

int report_failure(const std::string& prefix, const Error& error, bool exec_failed) {
  print_error(prefix + ": " + error.text());
  if (!exec_failed) return kExitFailure;
  return error.errno_value() == ENOENT ? kExitNotFound : kExitNotExecutable;
}

}  // namespace

const Syntax kUnshareSyntax{.name = "unshare", .synopsis = "[options] [<program> [<argument>...]]",
                            .summary = "Run a program with some namespaces unshared from the parent.", .options = kOptions,
                            .operands = Operands::EndOptions, .dialect = Dialect::UtilLinux};

int run_unshare(const Invocation& call) {
  UnshareRequest request;
  request.propagation = MS_REC | MS_PRIVATE;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kUnshareSyntax, &request, operands)) return *code;
  request.command.assign(operands.begin(), operands.end());
  std::string prefix = message_prefix(call, kUnshareSyntax);
  if (auto checked = ns::check(request); !checked) return report_failure(prefix, checked.error(), false);
  bool exec_failed = false;
  Result<int> code = ns::unshare(request, exec_failed);
  return code ? *code : report_failure(prefix, code.error(), exec_failed);
}

}  // namespace hull::cli
