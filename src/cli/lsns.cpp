// hull lsns: the namespaces of this host, with util-linux's command line and output (also when called as `lsns`).
#include "cli/lsns.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/lsns_filter.h"

namespace hull::cli {
namespace {

using ns::Namespace;
using ns::Process;
using ns::Snapshot;

LsnsRequest& request_of(void* target) { return *static_cast<LsnsRequest*>(target); }

Result<> add_kind(void* target, const Option&, std::optional<std::string_view> value) {
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (*value == info.name) {
      request_of(target).kinds |= ns::mask_of(info.kind);
      return {};
    }
  return fail(ErrorKind::Invalid, format("unknown namespace type: {}", *value));
}

Result<> set_task(void* target, const Option&, std::optional<std::string_view> value) {
  std::optional<uint64_t> pid = parse_uint(*value, 0, INT32_MAX);
  if (!pid) return fail(ErrorKind::Invalid, format("invalid PID argument: '{}'", *value));
  request_of(target).task = static_cast<pid_t>(*pid);
  return {};
}

Result<> set_tree(void* target, const Option&, std::optional<std::string_view> value) {
  static constexpr std::pair<std::string_view, LsnsTree> kTrees[] = {
      {"owner", LsnsTree::Owner}, {"parent", LsnsTree::Parent}, {"process", LsnsTree::Process}};
  request_of(target).tree = LsnsTree::Owner;
  if (!value) return {};
  for (const auto& [name, tree] : kTrees)
    if (*value == name) {
      request_of(target).tree = tree;
      return {};
    }
  return fail(ErrorKind::Invalid, format("unknown tree type: {}", *value));
}

constexpr Option kOptions[] = {
    {'J', "json", Takes::Nothing, nullptr, "use JSON output format", store<&LsnsRequest::json>},
    {'l', "list", Takes::Nothing, nullptr, "use list format output", store<&LsnsRequest::list>},
    {'n', "noheadings", Takes::Nothing, nullptr, "don't print headings", store<&LsnsRequest::no_headings>},
    {'o', "output", Takes::Required, "list", "define which output columns to use", store<&LsnsRequest::output>},
    {0, "output-all", Takes::Nothing, nullptr, "output all columns", store<&LsnsRequest::output_all>},
    {'P', "persistent", Takes::Nothing, nullptr, "namespaces without processes", store<&LsnsRequest::persistent>},
    {'p', "task", Takes::Required, "pid", "print process namespaces", set_task},
    {'Q', "filter", Takes::Required, "expr", "apply display filter", store<&LsnsRequest::filter>},
    {'r', "raw", Takes::Nothing, nullptr, "use the raw output format", store<&LsnsRequest::raw>},
    {'u', "notruncate", Takes::Nothing, nullptr, "don't truncate text in columns", store<&LsnsRequest::no_truncate>},
    {'W', "nowrap", Takes::Nothing, nullptr, "don't use multi-line representation", store<&LsnsRequest::no_wrap>},
    {'t', "type", Takes::Required, "name", "namespace type (mnt, net, ipc, user, pid, uts, cgroup, time)", add_kind},
    {'T', "tree", Takes::Optional, "rel", "use tree format (parent, owner, or process)", set_tree},
    {'H', "list-columns", Takes::Nothing, nullptr, "list the available columns", store<&LsnsRequest::list_columns>},
};

// The operand and what contradicts it.
Result<> complete(LsnsRequest& request, const std::vector<std::string_view>& operands) {
  if (!operands.empty()) {
    if (request.task) return fail(ErrorKind::Invalid, "--task is mutually exclusive with <namespace>");
    request.inode = parse_uint(operands[0]);
    if (!request.inode) return fail(ErrorKind::Invalid, format("invalid namespace argument: '{}'", operands[0]));
  }
  if (request.list) request.tree = LsnsTree::None;
  else if (!request.tree) request.tree = request.output_all ? LsnsTree::None : LsnsTree::Process;
  return {};
}

ns::ScanRequest what_to_scan(const LsnsRequest& request, const std::vector<const LsnsColumn*>& columns) {
  ns::ScanRequest scan;
  bool relative = *request.tree == LsnsTree::Owner || *request.tree == LsnsTree::Parent;
  scan.kinds = request.kinds == 0 ? ns::kAllKinds : request.kinds;
  scan.facts = *request.tree == LsnsTree::Process;
  scan.every_process = request.inode.has_value();
  scan.relations = relative || request.persistent;
  for (const LsnsColumn* column : columns) {
    scan.facts |= column->needs_facts;
    scan.commands |= std::string_view(column->name) == "COMMAND";
    scan.relations |= column->needs_relations;
  }
  scan.threads = scan.descriptors = scan.sockets = scan.mounts = !request.task && !request.inode;
  scan.mounts |= std::any_of(columns.begin(), columns.end(), [](const LsnsColumn* column) { return column->needs_mounts; });
  return scan;
}

struct Listing {
  const LsnsRequest& request;
  const std::vector<const LsnsColumn*>& columns;
  LsnsContext& context;
  SmartTable table;
  std::map<uint64_t, int> line_of;  // by pid or by inode, as the tree goes
};

void add_columns(Listing& listing) {
  listing.table.name = "namespaces";
  listing.table.headings = !listing.request.no_headings;
  LsnsTree tree = *listing.request.tree;
  for (const LsnsColumn* column : listing.columns) {
    std::string_view name = column->name;
    bool art = (name == "COMMAND" && tree == LsnsTree::Process) ||
               (name == "NS" && (tree == LsnsTree::Owner || tree == LsnsTree::Parent));
    listing.table.columns.push_back({.name = column->name, .hint = column->hint, .right = column->right && !art, .number = column->number,
                                     .tree = art, .wrap = name == "NSFS", .truncate = column->truncate && !listing.request.no_truncate});
  }
}

bool is_member(const Snapshot& snapshot, const Namespace& space, pid_t pid) {
  const Process* process = snapshot.process(pid);
  return process != nullptr && process->inode[ns::index_of(space.kind)] == space.inode;
}

bool shows(const Listing& listing, const Namespace& space) {
  const LsnsRequest& request = listing.request;
  bool relation_only = space.processes == 0 && space.hold == ns::Hold::Relation;
  if (request.persistent && space.processes != 0) return false;
  if (relation_only && !request.persistent && *request.tree != LsnsTree::Owner && *request.tree != LsnsTree::Parent) return false;
  if (request.task) return is_member(listing.context.snapshot, space, *request.task);
  return request.kinds == 0 || (request.kinds & ns::mask_of(space.kind)) != 0;
}

int add_namespace_line(Listing& listing, const Namespace& space, int parent) {
  SmartLine line;
  line.parent = parent;
  for (const LsnsColumn* column : listing.columns) line.cells.push_back(column->of_namespace(listing.context, space));
  listing.table.lines.push_back(std::move(line));
  return static_cast<int>(listing.table.lines.size()) - 1;
}

// Under the line of the process that made the first member, if that was printed before.
void add_by_process(Listing& listing, const Namespace& space) {
  const Process* process = listing.context.snapshot.process(space.pid);
  int parent = -1;
  if (process != nullptr)
    if (auto at = listing.line_of.find(static_cast<uint64_t>(process->ppid)); at != listing.line_of.end()) parent = at->second;
  int line = add_namespace_line(listing, space, parent);
  if (space.pid != 0) listing.line_of[static_cast<uint64_t>(space.pid)] = line;
}

// Under its owner or parent, which is printed first even when it was not asked for. An owner is printed first in the
// tree of parents too.
int add_by_relation(Listing& listing, const Namespace& space) {
  if (auto at = listing.line_of.find(space.inode); at != listing.line_of.end()) return at->second;
  auto add_above = [&](uint64_t inode) {
    const Namespace* above = inode != 0 && inode != space.inode ? listing.context.snapshot.find(inode) : nullptr;
    return above != nullptr ? add_by_relation(listing, *above) : -1;
  };
  int owner = add_above(space.owner);
  int parent = *listing.request.tree == LsnsTree::Owner ? owner : add_above(space.parent);
  int line = add_namespace_line(listing, space, parent);
  listing.line_of[space.inode] = line;
  return line;
}

Result<> add_namespaces(Listing& listing) {
  LsnsFilter filter = TRY(LsnsFilter::parse(listing.request.filter.value_or("")));
  LsnsTree tree = *listing.request.tree;
  for (const Namespace& space : listing.context.snapshot.namespaces) {
    if (!shows(listing, space) || !filter.matches(listing.context, space)) continue;
    if (tree == LsnsTree::None) add_namespace_line(listing, space, -1);
    else if (tree == LsnsTree::Process) add_by_process(listing, space);
    else add_by_relation(listing, space);
  }
  return {};
}

// `lsns INODE`: its processes, children under parents.
int add_process_line(Listing& listing, const Namespace& space, const Process& process) {
  if (auto at = listing.line_of.find(static_cast<uint64_t>(process.pid)); at != listing.line_of.end()) return at->second;
  const Process* parent = listing.context.snapshot.process(process.ppid);
  SmartLine line;
  if (parent != nullptr && process.ppid != process.pid && is_member(listing.context.snapshot, space, parent->pid))
    line.parent = add_process_line(listing, space, *parent);
  for (const LsnsColumn* column : listing.columns)
    line.cells.push_back(column->of_process ? column->of_process(listing.context, process) : column->of_namespace(listing.context, space));
  listing.table.lines.push_back(std::move(line));
  return listing.line_of[static_cast<uint64_t>(process.pid)] = static_cast<int>(listing.table.lines.size()) - 1;
}

Result<> add_processes(Listing& listing) {
  const Namespace* space = listing.context.snapshot.find(*listing.request.inode);
  if (space == nullptr) return fail(ErrorKind::NotFound, format("not found namespace: {}", *listing.request.inode));
  for (const Process& process : listing.context.snapshot.processes)
    if (is_member(listing.context.snapshot, *space, process.pid)) add_process_line(listing, *space, process);
  return {};
}

std::string format_table(const LsnsRequest& request, const SmartTable& table) {
  SmartTerminal terminal = smart_terminal();
  if (request.no_truncate) terminal.width = 0;
  if (request.json) return print_smart_json(table);
  return request.raw ? print_smart_raw(table, terminal) : print_smart_table(table, terminal);
}

std::string format_column_list(const LsnsRequest& request) {
  SmartTable table{"lsns-columns", {{"HOLDER"}, {"TYPE"}, {"DESCRIPTION"}}, {}, !request.no_headings};
  for (const LsnsColumn& column : lsns_columns())
    table.lines.push_back({{column.name, column.number ? "<number>" : "<string>", column.help}, -1});
  return format_table(request, table);
}

Result<std::string> list(LsnsRequest& request, const std::vector<std::string_view>& operands) {
  if (request.list_columns) return format_column_list(request);
  TRY(complete(request, operands));
  std::vector<const LsnsColumn*> columns = TRY(choose_lsns_columns(request));
  std::vector<const LsnsColumn*> needed = columns_of_filter(request.filter.value_or(""));
  needed.insert(needed.end(), columns.begin(), columns.end());
  Snapshot snapshot = TRY(ns::scan(what_to_scan(request, needed)));
  LsnsContext context{request, snapshot, {}};
  Listing listing{request, columns, context, {}, {}};
  add_columns(listing);
  TRY(request.inode ? add_processes(listing) : add_namespaces(listing));
  return format_table(request, listing.table);
}

// The same as kColumns of lsns_columns.cpp; a test compares them.
constexpr const char* kColumnHelp =
    "Available output columns:\n"
    "          NS  namespace identifier (inode number)\n"
    "        TYPE  kind of namespace\n"
    "        PATH  path to the namespace\n"
    "      NPROCS  number of processes in the namespace\n"
    "         PID  lowest PID in the namespace\n"
    "        PPID  PPID of the PID\n"
    "     COMMAND  command line of the PID\n"
    "         UID  UID of the PID\n"
    "        USER  username of the PID\n"
    "     NETNSID  namespace ID as used by network subsystem\n"
    "        NSFS  nsfs mountpoint (usually used network subsystem)\n"
    "         PNS  parent namespace identifier (inode number)\n"
    "         ONS  owner namespace identifier (inode number)";

}  // namespace

const Syntax kLsnsSyntax{.name = "lsns", .synopsis = "[options] [<namespace>]", .summary = "List system namespaces.",
                         .options = kOptions, .dialect = Dialect::UtilLinux, .epilogue = kColumnHelp};

int run_lsns(const Invocation& call) {
  LsnsRequest request;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kLsnsSyntax, &request, operands)) return *code;
  Result<std::string> text = list(request, operands);
  if (!text) {
    print_error(format("{}: {}", message_prefix(call, kLsnsSyntax), text.error().text()));
    return kExitFailure;
  }
  print(*text);
  return 0;
}

}  // namespace hull::cli
