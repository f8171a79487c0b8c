// --ulimit, --cap-add, id maps, namespaces and time offsets.
#include "engine/specs.h"

#include "base/text.h"
#include "ns/pins.h"
#include "kernel/capabilities.h"

namespace hull::engine {

Result<Ulimit> parse_ulimit(std::string_view text) {
  static constexpr const char* kNames[] = {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
                                           "nproc", "rss", "rtprio", "rttime", "sigpending", "stack", "as"};
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) return fail(ErrorKind::Invalid, format("invalid ulimit argument: {}", text));
  Ulimit limit;
  limit.name = std::string(text.substr(0, equals));
  bool known = false;
  for (const char* name : kNames) known = known || limit.name == name;
  if (!known) return fail(ErrorKind::Invalid, format("invalid ulimit type: {}", limit.name));
  std::vector<std::string> values = split(text.substr(equals + 1), ':');
  auto value = [](const std::string& word) { return word == "-1" || word == "unlimited" ? std::optional<uint64_t>(UINT64_MAX) : parse_uint(word); };
  auto soft = value(values[0]), hard = value(values.back());
  if (values.size() > 2 || !soft || !hard) return fail(ErrorKind::Invalid, format("invalid ulimit argument: {}; write NAME=SOFT[:HARD]", text));
  if (*soft > *hard) return fail(ErrorKind::Invalid, format("ulimit soft limit must be less than or equal to hard limit: {} > {}", *soft, *hard));
  limit.soft = *soft;
  limit.hard = *hard;
  return limit;
}

Result<IdMap> parse_id_map(std::string_view text) {
  std::vector<std::string> parts = split(text, ':');
  std::optional<uint64_t> numbers[3];
  bool sound = parts.size() == 3;
  for (size_t i = 0; i < 3 && sound; ++i) sound = (numbers[i] = parse_uint(parts[i], 0, UINT32_MAX - 1)).has_value();
  if (!sound || *numbers[2] == 0) return fail(ErrorKind::Invalid, format("invalid id mapping: {}; write CONTAINER:HOST:SIZE", text));
  return IdMap{static_cast<uint32_t>(*numbers[0]), static_cast<uint32_t>(*numbers[1]), static_cast<uint32_t>(*numbers[2])};
}

Result<std::string> parse_capability(std::string_view text) {
  std::string name = to_upper(text);
  if (name == "ALL" || name == "CAP_ALL") return std::string("ALL");
  if (!name.starts_with("CAP_")) name = "CAP_" + name;
  if (!kernel::cap_number(name)) return fail(ErrorKind::Invalid, format("unknown capability: \"{}\"", text));
  return name;
}

static tl::unexpected<Error> bad_namespace(kernel::NsKind kind, std::string_view spec, std::string_view flag) {
  return fail(ErrorKind::Invalid, format("{}: invalid {} mode: {}; use private, host, container:NAME or ns:PATH", flag,
                                         kernel::ns_info(kind).name, spec.empty() ? "\"\"" : spec));
}

// Words that mean a new namespace: "private" everywhere, docker's own for some kinds.
static bool means_private(kernel::NsKind kind, std::string_view spec) {
  if (spec == "private" || spec == "new") return true;
  if (kind == kernel::NsKind::Net) return spec == "none";
  return kind == kernel::NsKind::Ipc && spec == "shareable";
}

Result<NamespaceSpec> parse_namespace(kernel::NsKind kind, std::string_view spec, std::string_view flag) {
  NamespaceSpec parsed;
  parsed.text = std::string(spec);
  auto target = [&](std::string_view prefix) -> Result<> {
    parsed.target = std::string(spec.substr(prefix.size()));
    if (parsed.target.empty()) return bad_namespace(kind, spec, flag);
    return {};
  };
  if (means_private(kind, spec)) parsed.mode = NsMode::Private;
  else if (spec == "host") parsed.mode = NsMode::Host;
  else if (spec.starts_with("container:")) {
    parsed.mode = NsMode::Container;
    TRY(target("container:"));
  } else if (spec.starts_with("ns:")) {
    TRY(target("ns:"));
    parsed.mode = parsed.target.starts_with('/') ? NsMode::Path : NsMode::Named;
    if (parsed.mode == NsMode::Named) TRY_CONTEXT(ns::check_pin_name(parsed.target), flag);
  } else if (flag == "--ns" && ns::check_pin_name(spec)) {
    parsed.mode = NsMode::Named;
    parsed.target = parsed.text;
    parsed.text = "ns:" + parsed.text;
  } else if (kind == kernel::NsKind::Net && (spec == "bridge" || spec == "default")) {
    return fail(ErrorKind::Unsupported, format("{}: network {} not found: bridged networks are not supported; use none, host, container:NAME or ns:PATH", flag, spec));
  } else {
    return bad_namespace(kind, spec, flag);
  }
  if (kind == kernel::NsKind::Mnt && parsed.mode != NsMode::Private)
    return fail(ErrorKind::Unsupported, format("{}: a container always has a mount namespace of its own; to work in another's, use hull exec", flag));
  return parsed;
}

Result<int64_t> parse_time_offset(std::string_view text) {
  std::string_view rest = text;
  int64_t sign = rest.starts_with('-') ? -1 : 1, total = 0;
  if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
  constexpr int64_t kMost = int64_t{1} << 40;
  if (auto seconds = parse_uint(rest, 0, kMost)) return sign * static_cast<int64_t>(*seconds);
  while (!rest.empty()) {
    size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    auto number = parse_uint(rest.substr(0, digits), 0, kMost / 86400 / 7);
    char unit = digits < rest.size() ? rest[digits] : '\0';
    int64_t scale = unit == 'w' ? 604800 : unit == 'd' ? 86400 : unit == 'h' ? 3600 : unit == 'm' ? 60 : unit == 's' ? 1 : 0;
    if (!number || scale == 0) { total = -1; break; }
    total += static_cast<int64_t>(*number) * scale;
    rest.remove_prefix(digits + 1);
  }
  if (total < 0 || text.size() < 2) return fail(ErrorKind::Invalid, format("invalid time offset: {}; write +1d, -2h30m or seconds", text));
  return sign * total;
}

}  // namespace hull::engine
