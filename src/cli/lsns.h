// lsns's request and its columns: what the options ask for, and for each column how a namespace fills it. Shared by
// lsns.cpp (options, printing) and lsns_columns.cpp.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/smart_table.h"
#include "ns/scan.h"

namespace hull::cli {

enum class LsnsTree : uint8_t { None, Process, Parent, Owner };

struct LsnsRequest {
  bool json = false, list = false, no_headings = false, raw = false, no_truncate = false, no_wrap = false;
  bool persistent = false, output_all = false, list_columns = false;
  std::optional<std::string> output, filter;
  std::optional<pid_t> task;
  std::optional<uint64_t> inode;
  ns::KindMask kinds = 0;  // 0: all
  std::optional<LsnsTree> tree;
};

// What the cells are made from, with what has been looked up so far.
struct LsnsContext {
  const LsnsRequest& request;
  const ns::Snapshot& snapshot;
  std::map<uid_t, std::string> users;

  const std::string& user(uid_t uid);
};

struct LsnsColumn {
  const char* name;
  const char* help;
  size_t hint;  // usual width
  bool right, number, truncate;
  bool needs_facts, needs_relations, needs_mounts;  // what the scan has to look at
  Cell (*of_namespace)(LsnsContext& context, const ns::Namespace& space);
  Cell (*of_process)(LsnsContext& context, const ns::Process& process);  // null: not in `lsns INODE`
};

std::span<const LsnsColumn> lsns_columns();
// By name, any case; "+A,B" adds to `defaults`. Error: "unknown column: X".
Result<std::vector<const LsnsColumn*>> choose_lsns_columns(const LsnsRequest& request);

}  // namespace hull::cli
