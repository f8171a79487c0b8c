// hull ns diff: which namespaces two containers or processes share, and in what the others differ. Ends as diff does:
// 0 when all are shared, 1 when some differ, 2 on an error.
#include <algorithm>

#include "cli/commands.h"
#include "cli/ns_target.h"
#include "cli/template.h"
#include "ns/content.h"

namespace hull::cli {
namespace {

constexpr int kDiffers = 1, kTrouble = 2;

struct DiffArgs { std::string format; };
constexpr Option kOptions[] = {
    {0, "format", Takes::Required, "string", "Format output: 'table', 'json' or a Go template", store<&DiffArgs::format>},
};

// "addresses: lo 127.0.0.1/8", one line a fact.
std::vector<std::string> facts(const Fd& ns, pid_t pid, kernel::NsKind kind) {
  std::vector<std::string> lines;
  auto content = ns::namespace_content(ns, kind, pid);
  if (!content) return {content.error().text()};
  for (const auto& [name, values] : content->get_object())
    for (const json::value& value : values.get_array()) lines.push_back(format("{}: {}", std::string_view(name), std::string_view(value.get_string())));
  std::sort(lines.begin(), lines.end());
  return lines;
}

json::array missing_in(const std::vector<std::string>& from, const std::vector<std::string>& in) {
  json::array only;
  for (const std::string& line : from)
    if (!std::binary_search(in.begin(), in.end(), line)) only.push_back(json::string(line));
  return only;
}

Result<json::value> compare(const NsTarget& a, const NsTarget& b, const kernel::NsInfo& info) {
  Fd first = TRY(a.open(info.kind)), second = TRY(b.open(info.kind));
  kernel::NsIdentity one = TRY(kernel::identify_ns(first)), other = TRY(kernel::identify_ns(second));
  json::object out{{"kind", info.name}, {"same", one == other}, {"a", one.inode}, {"b", other.inode}};
  if (one == other) return json::value(std::move(out));
  std::vector<std::string> of_a = facts(first, a.pid, info.kind), of_b = facts(second, b.pid, info.kind);
  out["only_a"] = missing_in(of_a, of_b);
  out["only_b"] = missing_in(of_b, of_a);
  return json::value(std::move(out));
}

std::string diff_text(const json::value& all) {
  std::string text = format("--- {}\n+++ {}\n", json::get_string(all, "a"), json::get_string(all, "b"));
  for (const json::value& ns : json::find(all, "namespaces")->get_array()) {
    if (json::get_bool(ns, "same")) {
      text += format("  {:<7} same     {}\n", json::get_string(ns, "kind"), json::get_int(ns, "a"));
      continue;
    }
    text += format("  {:<7} differs  {} {}\n", json::get_string(ns, "kind"), json::get_int(ns, "a"), json::get_int(ns, "b"));
    for (const json::value& line : json::find(ns, "only_a")->get_array()) text += format("    - {}\n", std::string_view(line.get_string()));
    for (const json::value& line : json::find(ns, "only_b")->get_array()) text += format("    + {}\n", std::string_view(line.get_string()));
  }
  return text;
}

Result<std::string> diff(std::string_view first, std::string_view second, std::string_view pattern_text, bool& all_same) {
  NsTarget a = TRY(find_ns_target(first)), b = TRY(find_ns_target(second));
  if (a.kind && b.kind && *a.kind != *b.kind)
    return fail(ErrorKind::Invalid, format("{} is a {} and {} a {} namespace; compare two of one kind", first, kernel::ns_info(*a.kind).name,
                                           second, kernel::ns_info(*b.kind).name));
  std::optional<kernel::NsKind> only = a.kind ? a.kind : b.kind;
  json::array namespaces;
  all_same = true;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    if (only && *only != info.kind) continue;
    namespaces.push_back(TRY(compare(a, b, info)));
    all_same = all_same && json::get_bool(namespaces.back(), "same");
  }
  json::value all = json::object{{"a", a.label}, {"b", b.label}, {"same", all_same}, {"namespaces", std::move(namespaces)}};
  if (pattern_text.empty() || pattern_text == "table") return diff_text(all);
  if (pattern_text == "json") return json::to_text(all) + "\n";
  Template pattern = TRY(Template::parse(expand_escapes(pattern_text)));
  return TRY(pattern.render(all, MissingKey::Error)) + "\n";
}

}  // namespace

const Syntax kNsDiffSyntax{.name = "diff", .synopsis = "[OPTIONS] A B",
                           .summary = "Compare the namespaces of two containers, processes or inodes", .options = kOptions,
                           .min_operands = 2, .max_operands = 2};

int run_ns_diff(const Invocation& call) {
  DiffArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kNsDiffSyntax, &args, names)) return *code == 0 ? 0 : kTrouble;
  bool all_same = false;
  Result<std::string> text = diff(names[0], names[1], args.format, all_same);
  if (!text) {
    print_error("hull ns diff: " + text.error().text());
    return kTrouble;
  }
  print(*text);
  return all_same ? 0 : kDiffers;
}

}  // namespace hull::cli
