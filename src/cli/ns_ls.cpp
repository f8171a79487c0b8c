// hull ns ls: every namespace of the host, whose it is, and how it hangs together with others.
#include "cli/commands.h"
#include "cli/ns_target.h"
#include "cli/table.h"
#include "engine/named.h"
#include "ns/scan.h"

namespace hull::cli {
namespace {

struct LsArgs {
  std::string format, kind;
  std::vector<std::string> filters;
  bool quiet = false, named = false;
};

constexpr Option kOptions[] = {
    {0, "format", Takes::Required, "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go template", store<&LsArgs::format>},
    {'f', "filter", Takes::Required, "filter", "Only named sets with this label (label=KEY or label=KEY=VALUE)", store<&LsArgs::filters>},
    {'n', "named", Takes::Bool, nullptr, "Only namespaces that are kept under a name", store<&LsArgs::named>},
    {'q', "quiet", Takes::Bool, nullptr, "Only show inodes", store<&LsArgs::quiet>},
    {'t', "type", Takes::Required, "kind", "Only namespaces of this kind (mnt, uts, ipc, net, pid, user, cgroup, time)", store<&LsArgs::kind>},
};

constexpr Column kColumns[] = {{"Kind", "KIND"}, {"Inode", "INODE"}, {"ID", "ID"}, {"Owner", "OWNER"}, {"Processes", "PROCESSES"},
                               {"PID", "PID"}, {"Parent", "PARENT"}, {"UserNs", "USER NS"}, {"Path", "PATH"}, {"HeldBy", "HELD BY"},
                               {"Name", "NAME"}, {"Labels", "LABELS"}};

// The names of users that a namespace is kept under.
class Names {
 public:
  explicit Names(const engine::Engine& engine) {
    engine::NamedNamespaces named(engine);
    named.sweep();
    for (const std::string& name : named.names())
      if (auto set = named.load(name)) sets_.push_back(std::move(*set));
  }
  std::vector<const ns::PinSet*> of(const ns::Namespace& space) const {
    std::vector<const ns::PinSet*> found;
    for (const ns::PinSet& set : sets_)
      if (const ns::Pin* pin = set.find(space.kind); pin != nullptr && pin->inode == space.inode) found.push_back(&set);
    return found;
  }

 private:
  std::vector<ns::PinSet> sets_;
};

std::string label_text(const std::map<std::string, std::string>& labels) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : labels) pairs.push_back(key + "=" + value);
  return join(pairs, ",");
}

Result<> check_filters(const LsArgs& args) {
  for (const std::string& filter : args.filters)
    if (!filter.starts_with("label=") || filter.size() == 6) return fail(ErrorKind::Invalid, format("invalid filter '{}'; write label=KEY or label=KEY=VALUE", escape_controls(filter)));
  return {};
}

bool matches(const LsArgs& args, const std::vector<const ns::PinSet*>& sets) {
  if (sets.empty()) return !args.named && args.filters.empty();
  for (const std::string& filter : args.filters) {
    std::string wanted = filter.substr(6), key = wanted.substr(0, wanted.find('='));
    bool any = false;
    for (const ns::PinSet* set : sets)
      if (auto label = set->labels.find(key); label != set->labels.end()) any = any || key == wanted || wanted == key + "=" + label->second;
    if (!any) return false;
  }
  return true;
}

json::value row_of(const ns::Namespace& space, const OwnerLabels& labels, const std::vector<const ns::PinSet*>& sets) {
  std::vector<std::string> names;
  std::map<std::string, std::string> set_labels;
  for (const ns::PinSet* set : sets) {
    names.push_back(set->name);
    set_labels.insert(set->labels.begin(), set->labels.end());
  }
  pid_t pid = space.pid != 0 ? space.pid : space.holder;
  auto or_dash = [](uint64_t number) { return number != 0 ? std::to_string(number) : std::string("-"); };
  return json::object{{"Kind", kernel::ns_info(space.kind).name}, {"Inode", std::to_string(space.inode)}, {"ID", or_dash(space.id)},
                      {"Owner", labels.of(space)}, {"Processes", space.processes}, {"PID", pid}, {"Parent", or_dash(space.parent)},
                      {"UserNs", or_dash(space.owner)}, {"Path", ns::path_of(space)}, {"HeldBy", ns::hold_name(space.hold)},
                      {"Name", join(names, ",")}, {"Labels", label_text(set_labels)}};
}

Result<std::string> ls_text(const LsArgs& args) {
  ns::ScanRequest request;
  auto shown = request.kinds;
  if (!args.kind.empty()) {
    auto kind = kernel::ns_kind_from_name(args.kind);
    if (!kind) return fail(ErrorKind::Invalid, format("unknown namespace kind '{}'; use mnt, uts, ipc, net, pid, user, cgroup or time", args.kind));
    shown = ns::mask_of(*kind);
    request.kinds = shown | ns::mask_of(kernel::NsKind::Mnt);  // by which containers are known
  }
  request.threads = request.descriptors = request.sockets = request.mounts = request.relations = true;
  request.every_process = request.facts = false;
  request.labels = true;
  TRY(check_filters(args));
  engine::Engine engine = TRY(engine::Engine::open());
  Names names(engine);
  ns::Snapshot snapshot = TRY(ns::scan(request));
  OwnerLabels labels;
  labels.know(snapshot);
  std::vector<json::value> rows;
  for (const ns::Namespace& space : snapshot.namespaces)
    if (auto sets = names.of(space); (shown & ns::mask_of(space.kind)) != 0 && matches(args, sets)) rows.push_back(row_of(space, labels, sets));
  ListFormat list{args.format, args.quiet, "Inode", "table {{.Kind}}\t{{.Inode}}\t{{.ID}}\t{{.Processes}}\t{{.PID}}\t{{.Parent}}\t{{.UserNs}}\t{{.Name}}\t{{.Owner}}"};
  return format_list(rows, kColumns, list);
}

}  // namespace

const Syntax kNsLsSyntax{.name = "ls", .synopsis = "[OPTIONS]", .summary = "List namespaces with their owners", .options = kOptions, .max_operands = 0};

int run_ns_ls(const Invocation& call) {
  LsArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kNsLsSyntax, &args, operands)) return *code;
  Result<std::string> text = ls_text(args);
  if (!text) {
    print_error("hull ns ls: " + text.error().text());
    return kExitFailure;
  }
  print(*text);
  return 0;
}

}  // namespace hull::cli
