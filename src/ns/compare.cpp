#include "ns/compare.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "base/text.h"

namespace hull::ns {
namespace {

using Lines = std::vector<std::string>;

bool is_settings(std::string_view list) { return list == "sysctls"; }
bool is_set(std::string_view list) { return list.starts_with("capabilities"); }
// A path in each hierarchy, mostly the same one.
bool is_of_hierarchies(std::string_view list) { return list == "groups" || list == "roots" || list == "cgroup"; }

Lines lines_of(const json::value& content, std::string_view list) {
  Lines lines;
  const json::value* found = json::find(content, list);
  if (found != nullptr && found->is_array())
    for (const json::value& line : found->get_array())
      if (line.is_string()) lines.emplace_back(std::string_view(line.get_string()));
  if (is_of_hierarchies(list))
    for (std::string& line : lines) line.erase(0, std::min(line.find('/'), line.size()));
  std::sort(lines.begin(), lines.end());
  if (is_of_hierarchies(list)) lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

std::string_view key_of(std::string_view setting) { return setting.substr(0, setting.find(" = ")); }

void keep_keys_of(const Lines& other, Lines& lines) {
  std::set<std::string_view> keys;
  for (const std::string& line : other) keys.insert(key_of(line));
  std::erase_if(lines, [&](const std::string& line) { return !keys.contains(key_of(line)); });
}

Lines missing_in(const Lines& from, const Lines& in) {
  Lines only;
  std::set_difference(from.begin(), from.end(), in.begin(), in.end(), std::back_inserter(only));
  return only;
}

void append(std::string_view list, Lines only, Lines& out) {
  if (only.empty()) return;
  if (is_set(list)) only = {join(only, " ")};
  for (const std::string& line : only) out.push_back(format("{}: {}", list, line));
}

}  // namespace

Difference compare_contents(const json::value& a, const json::value& b) {
  std::set<std::string> lists;
  for (const json::value* content : {&a, &b})
    if (content->is_object())
      for (const auto& entry : content->get_object()) lists.emplace(std::string_view(entry.key()));
  Difference difference;
  for (const std::string& list : lists) {
    Lines of_a = lines_of(a, list), of_b = lines_of(b, list);
    if (is_settings(list)) {
      keep_keys_of(of_b, of_a);
      keep_keys_of(of_a, of_b);
    }
    append(list, missing_in(of_a, of_b), difference.only_a);
    append(list, missing_in(of_b, of_a), difference.only_b);
  }
  return difference;
}

}  // namespace hull::ns
