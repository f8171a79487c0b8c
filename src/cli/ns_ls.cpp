// hull ns ls: every namespace of the host, whose it is, and how it hangs together with others.
#include "cli/commands.h"
#include "cli/ns_target.h"
#include "cli/table.h"
#include "ns/scan.h"

namespace hull::cli {
namespace {

struct LsArgs {
  std::string format, kind;
  bool quiet = false;
};

constexpr Option kOptions[] = {
    {0, "format", Takes::Required, "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go template", store<&LsArgs::format>},
    {'q', "quiet", Takes::Bool, nullptr, "Only show inodes", store<&LsArgs::quiet>},
    {'t', "type", Takes::Required, "kind", "Only namespaces of this kind (mnt, uts, ipc, net, pid, user, cgroup, time)", store<&LsArgs::kind>},
};

constexpr Column kColumns[] = {{"Kind", "KIND"}, {"Inode", "INODE"}, {"ID", "ID"}, {"Owner", "OWNER"}, {"Processes", "PROCESSES"},
                               {"PID", "PID"}, {"Parent", "PARENT"}, {"UserNs", "USER NS"}, {"Path", "PATH"}, {"HeldBy", "HELD BY"}};

json::value row_of(const ns::Namespace& space, const OwnerLabels& labels) {
  pid_t pid = space.pid != 0 ? space.pid : space.holder;
  auto or_dash = [](uint64_t number) { return number != 0 ? std::to_string(number) : std::string("-"); };
  return json::object{{"Kind", kernel::ns_info(space.kind).name}, {"Inode", std::to_string(space.inode)}, {"ID", or_dash(space.id)},
                      {"Owner", labels.of(space)}, {"Processes", space.processes}, {"PID", pid}, {"Parent", or_dash(space.parent)},
                      {"UserNs", or_dash(space.owner)}, {"Path", ns::path_of(space)}, {"HeldBy", ns::hold_name(space.hold)}};
}

Result<std::string> ls_text(const LsArgs& args) {
  ns::ScanRequest request;
  if (!args.kind.empty()) {
    auto kind = kernel::ns_kind_from_name(args.kind);
    if (!kind) return fail(ErrorKind::Invalid, format("unknown namespace kind '{}'; use mnt, uts, ipc, net, pid, user, cgroup or time", args.kind));
    request.kinds = ns::mask_of(*kind);
  }
  request.threads = request.descriptors = request.sockets = request.mounts = request.relations = true;
  ns::Snapshot snapshot = TRY(ns::scan(request));
  OwnerLabels labels;
  std::vector<json::value> rows;
  for (const ns::Namespace& space : snapshot.namespaces)
    if ((request.kinds & ns::mask_of(space.kind)) != 0) rows.push_back(row_of(space, labels));
  ListFormat list{args.format, args.quiet, "Inode", "table {{.Kind}}\t{{.Inode}}\t{{.ID}}\t{{.Processes}}\t{{.PID}}\t{{.Parent}}\t{{.UserNs}}\t{{.Owner}}"};
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
