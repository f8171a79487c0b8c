// hull ns show: the namespaces of a container, name, process or inode, and what stands in them.
#include "cli/commands.h"
#include "cli/ns_target.h"
#include "cli/template.h"
#include "ns/content.h"

namespace hull::cli {
namespace {

struct ShowArgs { std::string format; };
constexpr Option kOptions[] = {
    {0, "format", Takes::Required, "string", "Format output: 'table', 'json' or a Go template", store<&ShowArgs::format>},
};

Result<json::value> describe(const NsTarget& target, const kernel::NsInfo& info) {
  Fd ns = TRY(target.open(info.kind));
  kernel::NsIdentity identity = TRY(kernel::identify_ns(ns));
  json::object out{{"kind", info.name}, {"inode", identity.inode}, {"id", identity.id}, {"host", kernel::ns_inode(0, info.kind) == identity.inode}};
  if (auto owner = kernel::ns_owner(ns)) {
    if (auto user = kernel::identify_ns(*owner)) out["owner"] = user->inode;
  }
  bool hierarchical = info.kind == kernel::NsKind::User || info.kind == kernel::NsKind::Pid;
  if (auto parent = kernel::ns_parent(ns); hierarchical && parent) {
    if (auto above = kernel::identify_ns(*parent)) out["parent"] = above->inode;
  }
  Result<json::value> content = ns::namespace_content(ns, info.kind, target.pid);
  if (content) out["content"] = std::move(*content);
  else out["error"] = content.error().text();
  return json::value(std::move(out));
}

void append_content(std::string& text, const json::value& ns) {
  if (const json::value* error = json::find(ns, "error")) text += format("    {}\n", std::string_view(error->get_string()));
  const json::value* content = json::find(ns, "content");
  if (content == nullptr) return;
  for (const auto& [name, lines] : content->get_object()) {
    if (lines.get_array().empty()) continue;
    text += format("    {}\n", std::string_view(name));
    for (const json::value& line : lines.get_array()) text += format("      {}\n", std::string_view(line.get_string()));
  }
}

std::string show_text(const json::value& all) {
  std::string text(json::get_string(all, "name"));
  text += json::get_int(all, "pid") != 0 ? format(", PID {}\n", json::get_int(all, "pid")) : ", no process\n";
  for (const json::value& ns : json::find(all, "namespaces")->get_array()) {
    text += format("  {:<7} {}", json::get_string(ns, "kind"), json::get_int(ns, "inode"));
    if (json::get_int(ns, "id") != 0) text += format("  id {}", json::get_int(ns, "id"));
    if (json::find(ns, "owner") != nullptr) text += format("  owned by user {}", json::get_int(ns, "owner"));
    if (json::find(ns, "parent") != nullptr) text += format("  in {}", json::get_int(ns, "parent"));
    text += json::get_bool(ns, "host") ? "  (ours)\n" : "\n";
    append_content(text, ns);
  }
  return text;
}

Result<std::string> show(std::string_view name, std::string_view format) {
  NsTarget target = TRY(find_ns_target(name));
  json::array namespaces;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (target.has(info.kind)) namespaces.push_back(TRY(describe(target, info)));
  json::value all = json::object{{"name", target.label}, {"pid", target.pid}, {"namespaces", std::move(namespaces)}};
  if (format.empty() || format == "table") return show_text(all);
  if (format == "json") return json::to_text(all) + "\n";
  Template pattern = TRY(Template::parse(expand_escapes(format)));
  return TRY(pattern.render(all, MissingKey::Error)) + "\n";
}

}  // namespace

const Syntax kNsShowSyntax{.name = "show", .synopsis = "[OPTIONS] CONTAINER|NAME|PID|INODE [...]",
                           .summary = "Show the namespaces of a container, name or process and what stands in them", .options = kOptions, .min_operands = 1};

int run_ns_show(const Invocation& call) {
  ShowArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kNsShowSyntax, &args, names)) return *code;
  int code = 0;
  for (std::string_view name : names) {
    Result<std::string> text = show(name, args.format);
    if (text) print(*text);
    else {
      print_error("hull ns show: " + text.error().text());
      code = kExitFailure;
    }
  }
  return code;
}

}  // namespace hull::cli
