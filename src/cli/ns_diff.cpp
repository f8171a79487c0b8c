// hull ns diff: which namespaces two containers, processes or names share, in what the others differ, and what else sets
// two processes apart. Ends as diff does: 0 when all namespaces are shared, 1 when some differ, 2 on an error.
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/ns_target.h"
#include "cli/template.h"
#include "ns/compare.h"
#include "ns/content.h"
#include "ns/settings.h"

namespace hull::cli {
namespace {

constexpr int kDiffers = 1, kTrouble = 2;

struct DiffArgs { std::string format; };
constexpr Option kOptions[] = {
    {0, "format", Takes::Required, "string", "Format output: 'table', 'json' or a Go template", store<&DiffArgs::format>},
};

json::array to_array(const std::vector<std::string>& lines) {
  json::array out;
  for (const std::string& line : lines) out.push_back(json::string(line));
  return out;
}

// What stands in a namespace and how it is set; what may not be seen is one line that says so.
json::object facts_of(const Fd& ns, pid_t pid, kernel::NsKind kind) {
  json::object facts;
  for (auto part : {ns::namespace_content(ns, kind, pid), ns::namespace_settings(ns, kind)})
    if (!part) facts["not seen"] = json::array{json::string(part.error().text())};
    else if (part->is_object())
      for (auto& entry : part->get_object()) facts[entry.key()] = std::move(entry.value());
  return facts;
}

void add_difference(const json::value& a, const json::value& b, json::object& out) {
  ns::Difference difference = ns::compare_contents(a, b);
  out["only_a"] = to_array(difference.only_a);
  out["only_b"] = to_array(difference.only_b);
}

Result<json::value> compare(const NsTarget& a, const NsTarget& b, const kernel::NsInfo& info) {
  Fd first = TRY(a.open(info.kind)), second = TRY(b.open(info.kind));
  kernel::NsIdentity one = TRY(kernel::identify_ns(first)), other = TRY(kernel::identify_ns(second));
  json::object out{{"kind", info.name}, {"same", one == other}, {"a", one.inode}, {"b", other.inode}};
  if (!(one == other)) add_difference(facts_of(first, a.pid, info.kind), facts_of(second, b.pid, info.kind), out);
  return json::value(std::move(out));
}

// What restrains two processes besides their namespaces; it decides nothing about sharing.
Result<json::value> compare_processes(const NsTarget& a, const NsTarget& b) {
  json::value of_a = TRY(ns::process_settings(a.pid)), of_b = TRY(ns::process_settings(b.pid));
  json::object out{{"a", a.pid}, {"b", b.pid}};
  add_difference(of_a, of_b, out);
  return json::value(std::move(out));
}

void append_lines(const json::value& difference, std::string& text) {
  for (const auto& [list, mark] : {std::pair("only_a", '-'), std::pair("only_b", '+')})
    if (const json::value* lines = json::find(difference, list))
      for (const json::value& line : lines->get_array()) text += format("    {} {}\n", mark, std::string_view(line.get_string()));
}

std::string diff_text(const json::value& all) {
  std::string text = format("--- {}\n+++ {}\n", json::get_string(all, "a"), json::get_string(all, "b"));
  for (const json::value& ns : json::find(all, "namespaces")->get_array()) {
    std::string_view kind = json::get_string(ns, "kind");
    int64_t a = json::get_int(ns, "a"), b = json::get_int(ns, "b");
    if (json::get_bool(ns, "same")) text += format("  {:<7} same     {}\n", kind, a);
    else if (a == 0 || b == 0) text += format("  {:<7} only in {} {}\n", kind, a != 0 ? "A" : "B", a != 0 ? a : b);
    else text += format("  {:<7} differs  {} {}\n", kind, a, b);
    append_lines(ns, text);
  }
  const json::value* process = json::find(all, "process");
  if (process == nullptr || (json::find(*process, "only_a")->get_array().empty() && json::find(*process, "only_b")->get_array().empty())) return text;
  text += format("process {} {}\n", json::get_int(*process, "a"), json::get_int(*process, "b"));
  append_lines(*process, text);
  return text;
}

Error nothing_common(std::string_view first, const NsTarget& a, std::string_view second, const NsTarget& b) {
  if (a.kind && b.kind)
    return Error(ErrorKind::Invalid, format("{} is a {} and {} a {} namespace; compare two of one kind", escape_controls(first), kernel::ns_info(*a.kind).name,
                                            escape_controls(second), kernel::ns_info(*b.kind).name));
  return Error(ErrorKind::Invalid, format("{} and {} have no kind of namespace in common; see hull ns show", escape_controls(first), escape_controls(second)));
}

// Of a name or an inode only what it has is compared; what one of two names lacks differs.
Result<json::value> compare_all(std::string_view first, std::string_view second, bool& all_same) {
  NsTarget a = TRY(find_ns_target(first)), b = TRY(find_ns_target(second));
  json::array namespaces;
  bool sets = !a.pins.empty() && !b.pins.empty(), common = false;
  all_same = true;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    bool of_a = a.has(info.kind), of_b = b.has(info.kind);
    if (of_a && of_b) namespaces.push_back(TRY(compare(a, b, info))), common = true;
    else if (sets && (of_a || of_b)) {
      Fd fd = TRY((of_a ? a : b).open(info.kind));
      uint64_t inode = TRY(kernel::identify_ns(fd)).inode;
      namespaces.push_back(json::object{{"kind", info.name}, {"same", false}, {"a", of_a ? inode : 0}, {"b", of_b ? inode : 0}});
    } else continue;
    all_same = all_same && json::get_bool(namespaces.back(), "same");
  }
  if (!common) return fail(nothing_common(first, a, second, b));
  json::object all{{"a", a.label}, {"b", b.label}, {"same", all_same}, {"namespaces", std::move(namespaces)}};
  bool processes = a.pid != 0 && b.pid != 0 && !a.kind && !b.kind;
  if (processes) all["process"] = TRY(compare_processes(a, b));
  return json::value(std::move(all));
}

Result<std::string> diff(std::string_view first, std::string_view second, std::string_view pattern_text, bool& all_same) {
  std::optional<Template> pattern;  // a bad one fails before anything is looked at
  if (!pattern_text.empty() && pattern_text != "table" && pattern_text != "json") pattern = TRY(Template::parse(expand_escapes(pattern_text)));
  json::value all = TRY(compare_all(first, second, all_same));
  if (pattern) return TRY(pattern->render(all, MissingKey::Error)) + "\n";
  return pattern_text == "json" ? json::to_text(all) + "\n" : diff_text(all);
}

}  // namespace

const Syntax kNsDiffSyntax{.name = "diff", .synopsis = "[OPTIONS] A B",
                           .summary = "Compare the namespaces of two containers, names, processes or inodes", .options = kOptions,
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
  print(*text, kTrouble);
  return all_same ? 0 : kDiffers;
}

}  // namespace hull::cli
