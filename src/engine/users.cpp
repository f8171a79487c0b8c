// USER[:GROUP]: parsing, and looking names up in the container's own files.
#include <algorithm>

#include "base/text.h"
#include "engine/specs.h"

namespace hull::engine {
namespace {

bool all_digits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

// KERNEL: id 2^32-1 means "leave alone" to setresuid; it is no id. Leading zeros would read as another number elsewhere.
Result<> parse_half(std::string_view half, std::optional<uint32_t>& id, std::string& name, std::string_view whole) {
  if (half.empty()) return {};
  for (char c : half)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return fail(ErrorKind::Invalid, format("invalid user '{}': it holds a space or control character", escape_controls(whole)));
  if (!all_digits(half)) {
    if (half[0] == '+' || half[0] == '-') return fail(ErrorKind::Invalid, format("invalid user '{}': a number has no sign", whole));
    name = std::string(half);
    return {};
  }
  auto number = parse_uint(half, 0, UINT32_MAX - 1);
  if (!number) return fail(ErrorKind::Invalid, format("invalid user '{}': uids and gids must be in range 0-{}", whole, UINT32_MAX - 1));
  id = static_cast<uint32_t>(*number);
  return {};
}

struct PasswdEntry { std::string name, home; uint32_t uid, gid; };

std::optional<PasswdEntry> parse_passwd_line(std::string_view line) {
  std::vector<std::string> fields = split(line, ':');
  if (fields.size() < 4 || fields[0].empty()) return std::nullopt;
  auto uid = parse_uint(fields[2], 0, UINT32_MAX - 1), gid = parse_uint(fields[3], 0, UINT32_MAX - 1);
  if (!uid || !gid) return std::nullopt;
  return PasswdEntry{fields[0], fields.size() > 5 ? fields[5] : "", static_cast<uint32_t>(*uid), static_cast<uint32_t>(*gid)};
}

struct GroupEntry { std::string name; uint32_t gid; std::vector<std::string> members; };

std::optional<GroupEntry> parse_group_line(std::string_view line) {
  std::vector<std::string> fields = split(line, ':');
  if (fields.size() < 3 || fields[0].empty()) return std::nullopt;
  auto gid = parse_uint(fields[2], 0, UINT32_MAX - 1);
  if (!gid) return std::nullopt;
  return GroupEntry{fields[0], static_cast<uint32_t>(*gid), fields.size() > 3 ? split(fields[3], ',') : std::vector<std::string>()};
}

template <typename Entry, typename Parse, typename Match>
std::optional<Entry> find_entry(std::string_view text, Parse parse, Match match) {
  for (std::string_view line : split_lines(text))
    if (auto entry = parse(line); entry && match(*entry)) return entry;
  return std::nullopt;
}

Result<uint32_t> group_id(std::string_view group_file, const std::string& name) {
  if (all_digits(name)) {
    auto number = parse_uint(name, 0, UINT32_MAX - 1);
    if (!number) return fail(ErrorKind::Invalid, format("invalid group '{}': uids and gids must be in range 0-{}", name, UINT32_MAX - 1));
    return static_cast<uint32_t>(*number);
  }
  auto entry = find_entry<GroupEntry>(group_file, parse_group_line, [&](const GroupEntry& e) { return e.name == name; });
  if (!entry) return fail(ErrorKind::NotFound, format("unable to find group {}: no matching entries in group file", name));
  return entry->gid;
}

void add_group(std::vector<uint32_t>& groups, uint32_t gid) {
  if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
}

}  // namespace

Result<UserSpec> parse_user(std::string_view text) {
  UserSpec spec;
  size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos)
    return fail(ErrorKind::Invalid, format("invalid user '{}'; write USER[:GROUP]", escape_controls(text)));
  TRY(parse_half(text.substr(0, colon), spec.uid, spec.user, text));
  if (colon != std::string_view::npos) TRY(parse_half(text.substr(colon + 1), spec.gid, spec.group, text));
  return spec;
}

Result<ResolvedUser> resolve_user(const UserSpec& spec, std::string_view passwd, std::string_view group,
                                  const std::vector<std::string>& group_add) {
  ResolvedUser user;
  auto entry = find_entry<PasswdEntry>(passwd, parse_passwd_line, [&](const PasswdEntry& e) {
    return spec.user.empty() ? e.uid == spec.uid.value_or(0) : e.name == spec.user;
  });
  if (!entry && !spec.user.empty())
    return fail(ErrorKind::NotFound, format("unable to find user {}: no matching entries in passwd file", spec.user));
  user.uid = entry ? entry->uid : spec.uid.value_or(0);
  user.gid = entry ? entry->gid : 0;
  if (entry && entry->home.starts_with('/')) user.home = entry->home;
  bool group_given = spec.gid.has_value() || !spec.group.empty();
  if (group_given) user.gid = spec.gid ? *spec.gid : TRY(group_id(group, spec.group));
  // The primary group is in the list (CVE-2022-36109); memberships count unless a group was asked for.
  add_group(user.additional_gids, user.gid);
  if (entry && !group_given)
    for (std::string_view line : split_lines(group))
      if (auto member = parse_group_line(line); member && std::find(member->members.begin(), member->members.end(), entry->name) != member->members.end())
        add_group(user.additional_gids, member->gid);
  for (const std::string& name : group_add) add_group(user.additional_gids, TRY(group_id(group, name)));
  return user;
}

}  // namespace hull::engine
