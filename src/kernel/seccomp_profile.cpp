#include "kernel/seccomp_profile.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/json.h"
#include "base/text.h"

namespace hull::kernel {

namespace {

constexpr std::string_view kNativeGoArch = "amd64";  // as docker's profiles name it
constexpr std::string_view kNativeArch = "SCMP_ARCH_X86_64";

const json::value* member(const json::value& v, std::string_view key) {
  const json::value* found = json::find(v, key);
  return found != nullptr && !found->is_null() ? found : nullptr;
}

Result<uint64_t> read_number(const json::value& v, std::string_view key, uint64_t max) {
  const json::value* number = member(v, key);
  if (number == nullptr) return 0;
  uint64_t value = 0;
  if (number->is_uint64()) value = number->get_uint64();
  else if (number->is_int64() && number->get_int64() >= 0) value = static_cast<uint64_t>(number->get_int64());
  else return fail(ErrorKind::Invalid, format("{}: not a whole number from 0", key));
  if (value > max) return fail(ErrorKind::Invalid, format("{}: {} is more than {}", key, value, max));
  return value;
}

Result<std::string> read_string(const json::value& v, std::string_view key) {
  const json::value* text = member(v, key);
  if (text == nullptr) return std::string();
  if (!text->is_string()) return fail(ErrorKind::Invalid, format("{}: not a string", key));
  return std::string(text->get_string());
}

Result<std::vector<std::string>> read_strings(const json::value& v, std::string_view key) {
  std::vector<std::string> strings;
  const json::value* list = member(v, key);
  if (list == nullptr) return strings;
  if (!list->is_array()) return fail(ErrorKind::Invalid, format("{}: not a list", key));
  for (const json::value& item : list->get_array()) {
    if (!item.is_string()) return fail(ErrorKind::Invalid, format("{}: holds what is not a string", key));
    strings.emplace_back(item.get_string());
  }
  return strings;
}

// An errno as number (docker, runtime-spec) or, in podman's profiles, also by name ("EPERM").
Result<std::optional<uint32_t>> read_errno(const json::value& v, std::string_view number_key, std::string_view name_key) {
  if (member(v, number_key) != nullptr) return std::optional<uint32_t>(TRY(read_number(v, number_key, UINT32_MAX)));
  std::string name = TRY(read_string(v, name_key));
  if (name.empty()) return std::optional<uint32_t>();
  for (uint32_t value = 1; value < 134; ++value)
    if (const char* known = ::strerrorname_np(static_cast<int>(value)); known != nullptr && name == known)
      return std::optional<uint32_t>(value);
  return fail(ErrorKind::Invalid, format("{}: unknown errno \"{}\"", name_key, name));
}

Result<std::vector<oci::SeccompArg>> read_args(const json::value& rule) {
  std::vector<oci::SeccompArg> args;
  const json::value* list = member(rule, "args");
  if (list == nullptr) return args;
  if (!list->is_array()) return fail(ErrorKind::Invalid, "args: not a list");
  for (const json::value& item : list->get_array()) {
    oci::SeccompArg arg;
    arg.index = static_cast<uint32_t>(TRY(read_number(item, "index", 5)));
    arg.value = TRY(read_number(item, "value", UINT64_MAX));
    arg.value_two = TRY(read_number(item, "valueTwo", UINT64_MAX));
    arg.op = TRY(read_string(item, "op"));
    args.push_back(std::move(arg));
  }
  return args;
}

Result<KernelVersion> parse_version(std::string_view text) {
  std::vector<std::string> parts = split(text, '.');
  std::optional<uint64_t> major = parse_uint(parts[0], 0, 999);
  std::optional<uint64_t> minor = parts.size() > 1 ? parse_uint(parts[1], 0, 999) : std::nullopt;
  if (parts.size() != 2 || !major || !minor)
    return fail(ErrorKind::Invalid, format("minKernel: \"{}\" is not of the form 4.8", text));
  return KernelVersion{static_cast<unsigned>(*major), static_cast<unsigned>(*minor)};
}

// An "includes" or "excludes" object.
struct Filter {
  std::vector<std::string> arches;
  std::vector<std::string> caps;
  std::optional<KernelVersion> min_kernel;

  bool names_native_arch() const { return std::find(arches.begin(), arches.end(), kNativeGoArch) != arches.end(); }
};

Result<Filter> read_filter(const json::value& rule, std::string_view key) {
  Filter filter;
  const json::value* v = member(rule, key);
  if (v == nullptr) return filter;
  if (!v->is_object()) return fail(ErrorKind::Invalid, format("{}: not an object", key));
  filter.arches = TRY_CONTEXT(read_strings(*v, "arches"), key);
  filter.caps = TRY_CONTEXT(read_strings(*v, "caps"), key);
  std::string min_kernel = TRY_CONTEXT(read_string(*v, "minKernel"), key);
  if (!min_kernel.empty()) filter.min_kernel = TRY_CONTEXT(parse_version(min_kernel), key);
  return filter;
}

// Capabilities that this build does not know count as absent.
size_t count_held(const std::vector<std::string>& names, CapMask held) {
  return static_cast<size_t>(std::count_if(names.begin(), names.end(), [&](const std::string& name) {
    std::optional<int> number = cap_number(name);
    return number && (held & cap_bit(*number)) != 0;
  }));
}

Result<bool> applies(const json::value& rule, CapMask capabilities, KernelVersion kernel) {
  Filter includes = TRY(read_filter(rule, "includes"));
  Filter excludes = TRY(read_filter(rule, "excludes"));
  if (!includes.arches.empty() && !includes.names_native_arch()) return false;
  if (count_held(includes.caps, capabilities) != includes.caps.size()) return false;
  if (includes.min_kernel && kernel < *includes.min_kernel) return false;
  if (excludes.names_native_arch() || count_held(excludes.caps, capabilities) > 0) return false;
  return !(excludes.min_kernel && kernel >= *excludes.min_kernel);
}

Result<oci::SeccompRule> read_rule(const json::value& v) {
  oci::SeccompRule rule;
  rule.names = TRY(read_strings(v, "names"));
  std::string single = TRY(read_string(v, "name"));
  if (!single.empty() && !rule.names.empty())
    return fail(ErrorKind::Invalid, "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'");
  if (!single.empty()) rule.names.push_back(std::move(single));
  if (rule.names.empty()) return fail(ErrorKind::Invalid, "names: a rule needs at least one system call");
  rule.action = TRY(read_string(v, "action"));
  rule.errno_ret = TRY(read_errno(v, "errnoRet", "errno"));
  rule.args = TRY(read_args(v));
  return rule;
}

Result<std::vector<std::string>> read_architectures(const json::value& profile) {
  std::vector<std::string> listed = TRY(read_strings(profile, "architectures"));
  const json::value* map = member(profile, "archMap");
  if (map == nullptr) return listed;
  if (!listed.empty())
    return fail(ErrorKind::Invalid, "both 'architectures' and 'archMap' were specified, use either 'architectures' or 'archMap'");
  if (!map->is_array()) return fail(ErrorKind::Invalid, "archMap: not a list");
  for (const json::value& entry : map->get_array()) {
    if (json::get_string(entry, "architecture") != kNativeArch) continue;
    listed = TRY_CONTEXT(read_strings(entry, "subArchitectures"), "archMap");
    listed.insert(listed.begin(), std::string(kNativeArch));
    break;
  }
  return listed;
}

Result<oci::Seccomp> read_profile(const json::value& root, CapMask capabilities, KernelVersion kernel) {
  if (!root.is_object()) return fail(ErrorKind::Invalid, "not an object");
  oci::Seccomp profile;
  profile.default_action = TRY(read_string(root, "defaultAction"));
  if (profile.default_action.empty()) return fail(ErrorKind::Invalid, "defaultAction: missing");
  profile.default_errno_ret = TRY(read_errno(root, "defaultErrnoRet", "defaultErrno"));
  profile.architectures = TRY(read_architectures(root));
  profile.flags = TRY(read_strings(root, "flags"));
  profile.listener_path = TRY(read_string(root, "listenerPath"));
  profile.listener_metadata = TRY(read_string(root, "listenerMetadata"));
  const json::value* rules = member(root, "syscalls");
  if (rules == nullptr) return profile;
  if (!rules->is_array()) return fail(ErrorKind::Invalid, "syscalls: not a list");
  for (const json::value& v : rules->get_array()) {
    std::string where = format("syscalls[{}]", &v - rules->get_array().data());
    if (!v.is_object()) return fail(ErrorKind::Invalid, where + ": not an object");
    if (!TRY_CONTEXT(applies(v, capabilities, kernel), where)) continue;
    profile.syscalls.push_back(TRY_CONTEXT(read_rule(v), where));
  }
  return profile;
}

}  // namespace

Result<oci::Seccomp> parse_docker_seccomp_profile(std::string_view json_text, CapMask capabilities, std::string_view name,
                                                  KernelVersion kernel) {
  json::value root = TRY(json::parse(json_text, name));
  return TRY_CONTEXT(read_profile(root, capabilities, kernel), name);
}

KernelVersion host_kernel_version() {
  utsname names{};
  ::uname(&names);
  KernelVersion version;
  std::vector<std::string> parts = split(names.release, '.');
  if (parts.size() < 2) return version;
  size_t digits = std::min(parts[1].find_first_not_of("0123456789"), parts[1].size());
  version.major = static_cast<unsigned>(parse_uint(parts[0], 0, 999).value_or(0));
  version.minor = static_cast<unsigned>(parse_uint(std::string_view(parts[1]).substr(0, digits), 0, 999).value_or(0));
  return version;
}

}  // namespace hull::kernel
