#include "ns/id_map.h"

#include <algorithm>

#include "base/fd.h"
#include "base/text.h"

namespace hull::ns {

Result<IdRange> parse_id_range(std::string_view text) {
  bool commas = text.find(',') != std::string_view::npos;
  std::vector<std::string> parts = split(text, commas ? ',' : ':');
  std::optional<uint64_t> numbers[3];
  bool sound = parts.size() == 3;
  for (size_t i = 0; i < 3 && sound; ++i) {
    numbers[i] = parse_uint(parts[i], 0, UINT32_MAX);
    sound = numbers[i].has_value();
  }
  if (!sound) return fail(ErrorKind::Invalid, format("invalid mapping '{}'; write INNER:OUTER:COUNT, as in 0:100000:65536", text));
  auto first = static_cast<uint32_t>(*numbers[0]), second = static_cast<uint32_t>(*numbers[1]);
  if (commas) return IdRange{first, second, static_cast<uint32_t>(*numbers[2])};
  return IdRange{second, first, static_cast<uint32_t>(*numbers[2])};
}

std::optional<IdRange> find_subordinate_range(std::string_view text, std::string_view name, uid_t uid) {
  for (std::string_view line : split_lines(text)) {
    std::vector<std::string> parts = split(trim(line), ':');
    if (parts.size() != 3 || (parts[0] != name && parts[0] != std::to_string(uid))) continue;
    auto start = parse_uint(parts[1], 0, UINT32_MAX), count = parse_uint(parts[2], 0, UINT32_MAX);
    if (start && count) return IdRange{static_cast<uint32_t>(*start), std::nullopt, static_cast<uint32_t>(*count)};
  }
  return std::nullopt;
}

Result<IdRange> load_subordinate_ids(const std::string& path, uid_t uid) {
  std::string name = find_user_name(uid).value_or(std::to_string(uid));
  std::string text = TRY(read_file(path));
  if (auto range = find_subordinate_range(text, name, uid)) return *range;
  return fail(ErrorKind::NotFound, format("no line matching user \"{}\" in {}; add a line such as {}:100000:65536", name, path, name));
}

std::vector<IdRange> identity_ranges(std::string_view current_map) {
  std::vector<IdRange> ranges;
  for (std::string_view line : split_lines(current_map)) {
    auto words = split_words(line);
    if (words.size() != 3) continue;
    auto inner = parse_uint(words[0], 0, UINT32_MAX), count = parse_uint(words[2], 0, UINT32_MAX);
    if (!inner || !count) continue;
    // The ids of this namespace are what stands inside of its own map.
    ranges.push_back({static_cast<uint32_t>(*inner), static_cast<uint32_t>(*inner), static_cast<uint32_t>(*count)});
  }
  return ranges;
}

// Where `id` lies in the `count` ids from `first`, or nothing. As unshare(1), the place right after the last counts too.
static std::optional<uint32_t> place_in(uint32_t id, uint32_t first, uint32_t count) {
  if (id < first || id - first > count) return std::nullopt;
  return id - first;
}

// The range without the outer and the inner id of `single`: on each side the ids after the hole move up by one, and the
// last id falls out. Up to three lines, cut at the holes.
static std::string split_around(IdRange range, SingleId single) {
  uint32_t inner = range.inner.value_or(0), outer = range.outer;
  std::optional<uint32_t> inner_hole = place_in(single.inner, inner, range.count), outer_hole = place_in(single.outer, outer, range.count);
  uint32_t count = range.count - (range.count > 0 && (inner_hole || outer_hole) ? 1 : 0);
  uint32_t cuts[] = {std::min(inner_hole.value_or(count), count), std::min(outer_hole.value_or(count), count), count};
  std::sort(std::begin(cuts), std::end(cuts));
  std::string text;
  uint32_t begin = 0;
  for (uint32_t end : cuts) {
    auto shift = [&](std::optional<uint32_t> hole) { return uint64_t{begin} + (hole && begin >= *hole ? 1 : 0); };
    if (end > begin) text += format("{} {} {}\n", inner + shift(inner_hole), outer + shift(outer_hole), end - begin);
    begin = end;
  }
  return text;
}

std::string id_map_text(const std::vector<IdRange>& ranges, std::optional<SingleId> single) {
  std::string text;
  if (single) text = format("{} {} 1\n", single->inner, single->outer);
  for (const IdRange& range : ranges)
    text += single ? split_around(range, *single) : format("{} {} {}\n", range.inner.value_or(0), range.outer, range.count);
  return text;
}

Result<uint32_t> find_id(const std::string& database, std::string_view name_or_number) {
  if (auto number = parse_uint(name_or_number, 0, UINT32_MAX - 1)) return static_cast<uint32_t>(*number);
  std::string text = TRY(read_file(database));
  for (std::string_view line : split_lines(text)) {
    std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 3 || fields[0] != name_or_number) continue;
    if (auto id = parse_uint(fields[2], 0, UINT32_MAX - 1)) return static_cast<uint32_t>(*id);
  }
  return fail(ErrorKind::NotFound, format("'{}' is neither a number nor a name in {}", name_or_number, database));
}

std::optional<std::string> find_user_name(uid_t uid) {
  auto text = read_file("/etc/passwd");
  if (!text) return std::nullopt;
  for (std::string_view line : split_lines(*text)) {
    std::vector<std::string> fields = split(line, ':');
    if (fields.size() >= 3 && fields[2] == std::to_string(uid)) return fields[0];
  }
  return std::nullopt;
}

}  // namespace hull::ns
