// The columns of lsns as a table.
#include "cli/lsns.h"

#include <fcntl.h>

#include "base/text.h"
#include "kernel/netlink.h"
#include "ns/id_map.h"

namespace hull::cli {
namespace {

using ns::Namespace;
using ns::NsKind;
using ns::Process;

Cell number(uint64_t value) { return std::to_string(value); }

const Process* first_process(LsnsContext& context, const Namespace& space) {
  return space.pid != 0 ? context.snapshot.process(space.pid) : nullptr;
}

// The process that a row shows: its first member.
template <Cell (*OfProcess)(LsnsContext&, const Process&)>
Cell of_first(LsnsContext& context, const Namespace& space) {
  const Process* process = first_process(context, space);
  return process != nullptr ? OfProcess(context, *process) : Cell();
}

// As util-linux does: a namespace without processes shows the owner of its nsfs file, which is always root.
template <Cell (*OfProcess)(LsnsContext&, const Process&)>
Cell of_first_or_root(LsnsContext& context, const Namespace& space) {
  Cell cell = of_first<OfProcess>(context, space);
  return cell ? cell : OfProcess(context, Process{});
}

Cell pid(LsnsContext&, const Process& process) { return number(static_cast<uint64_t>(process.pid)); }
Cell ppid(LsnsContext&, const Process& process) { return number(static_cast<uint64_t>(process.ppid)); }
Cell uid(LsnsContext&, const Process& process) { return number(process.uid); }
Cell user(LsnsContext& context, const Process& process) { return context.user(process.uid); }
Cell command(LsnsContext&, const Process& process) { return process.command; }

Cell inode(LsnsContext&, const Namespace& space) { return number(space.inode); }
Cell type(LsnsContext&, const Namespace& space) { return kernel::ns_info(space.kind).name; }
Cell processes(LsnsContext&, const Namespace& space) { return number(space.processes); }
Cell parent(LsnsContext&, const Namespace& space) { return number(space.parent); }
Cell owner(LsnsContext&, const Namespace& space) { return number(space.owner); }

Cell path(LsnsContext&, const Namespace& space) {
  std::string path = ns::path_of(space);
  return path.empty() ? Cell() : Cell(path);
}

// As in `ip netns list-id`: how our own net namespace numbers this one.
Cell netns_id(LsnsContext&, const Namespace& space) {
  if (space.kind != NsKind::Net) return {};
  Result<Fd> fd = open_file(ns::path_of(space), O_RDONLY | O_NONBLOCK);
  if (!fd) return {};
  Result<std::optional<int>> id = kernel::netns_id(*fd);
  if (!id) return {};
  return *id ? Cell(std::to_string(**id)) : Cell("unassigned");
}

Cell nsfs(LsnsContext& context, const Namespace& space) {
  if (space.kind != NsKind::Net || space.mounts.empty()) return {};
  return join(space.mounts, context.request.no_wrap || context.request.json || context.request.raw ? "," : "\n");
}

constexpr LsnsColumn kColumns[] = {
    {"NS", "namespace identifier (inode number)", 10, true, true, false, false, false, false, inode, nullptr},
    {"TYPE", "kind of namespace", 5, false, false, false, false, false, false, type, nullptr},
    {"PATH", "path to the namespace", 0, false, false, false, false, false, true, path, nullptr},
    {"NPROCS", "number of processes in the namespace", 5, true, true, false, false, false, false, processes, nullptr},
    {"PID", "lowest PID in the namespace", 5, true, true, false, false, false, false, of_first<pid>, pid},
    {"PPID", "PPID of the PID", 5, true, true, false, true, false, false, of_first<ppid>, ppid},
    {"COMMAND", "command line of the PID", 0, false, false, true, false, false, false, of_first<command>, command},
    {"UID", "UID of the PID", 0, true, true, false, true, false, false, of_first_or_root<uid>, uid},
    {"USER", "username of the PID", 0, false, false, false, true, false, false, of_first_or_root<user>, user},
    {"NETNSID", "namespace ID as used by network subsystem", 0, true, false, false, false, false, false, netns_id, nullptr},
    {"NSFS", "nsfs mountpoint (usually used network subsystem)", 0, false, false, false, false, false, true, nsfs, nullptr},
    {"PNS", "parent namespace identifier (inode number)", 10, true, true, false, false, true, false, parent, nullptr},
    {"ONS", "owner namespace identifier (inode number)", 10, true, true, false, false, true, false, owner, nullptr},
};

std::string default_columns(const LsnsRequest& request) {
  if (request.inode) return "PID,PPID,USER,COMMAND";
  bool net = (request.kinds & ns::mask_of(NsKind::Net)) != 0;
  return net ? "NS,TYPE,NPROCS,PID,USER,NETNSID,NSFS,COMMAND" : "NS,TYPE,NPROCS,PID,USER,COMMAND";
}

}  // namespace

const std::string& LsnsContext::user(uid_t uid) {
  auto [at, missing] = users.try_emplace(uid);
  if (missing) at->second = ns::find_user_name(uid).value_or(std::to_string(uid));
  return at->second;
}

std::span<const LsnsColumn> lsns_columns() { return kColumns; }

Result<std::vector<const LsnsColumn*>> choose_lsns_columns(const LsnsRequest& request) {
  std::vector<const LsnsColumn*> chosen;
  if (request.output_all)
    for (const LsnsColumn& column : kColumns) chosen.push_back(&column);
  std::string names = request.output_all ? "" : default_columns(request);
  std::string_view output = request.output ? std::string_view(*request.output) : "";
  if (output.starts_with('+')) names += (names.empty() ? "" : ",") + std::string(output.substr(1));
  else if (!output.empty()) chosen.clear(), names = output;
  if (names.empty()) return chosen;
  for (const std::string& name : split(names, ',')) {
    const LsnsColumn* found = nullptr;
    for (const LsnsColumn& column : kColumns)
      if (to_upper(name) == column.name) found = &column;
    if (found == nullptr) return fail(ErrorKind::Invalid, format("unknown column: {}", name));
    chosen.push_back(found);
  }
  return chosen;
}

}  // namespace hull::cli
