// Lists for people and for scripts: rows as JSON objects, printed as docker prints them. `--format` is a template, a
// template behind "table ", "json", or empty for the command's own table. Cells that reach a terminal have their
// control characters shown, not obeyed (SECURITY M2).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace hull::cli {

struct Column {
  const char* field;   // the row's key: "ID", "Names"
  const char* header;  // "CONTAINER ID"
};

struct ListFormat {
  std::string_view format;        // --format
  bool quiet = false;             // -q: only the field `quiet_field`
  const char* quiet_field = "ID";
  std::string_view default_table; // "table {{.ID}}\t{{.Image}}"
  std::function<std::string(size_t row, std::string_view name)> label = nullptr;  // {{.Label "name"}}; empty when not set
};

// The whole output, with its newlines. `columns` gives the headers of every field that a table template may name.
Result<std::string> format_list(const std::vector<json::value>& rows, std::span<const Column> columns, const ListFormat& format);

// Lines of cells separated by tabs, as columns: at least 10 wide (docker's tabwriter), 3 spaces between.
std::string align_columns(std::string_view tabbed_lines);

}  // namespace hull::cli
