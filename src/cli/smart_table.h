// Tables as util-linux prints them (libsmartcols): columns padded by one space, tree art in one column, raw and JSON
// forms. Pure: text in, text out. docker's tables are in table.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hull::cli {

using Cell = std::optional<std::string>;  // absent: null in JSON, nothing elsewhere

struct SmartColumn {
  std::string name;
  size_t hint = 0;         // a usual width: taken when the cells fill the heading's width but are narrower than this
  bool right = false;      // numbers
  bool number = false;     // in JSON without quotes
  bool tree = false;       // carries the tree's art
  bool wrap = false;       // a newline in a cell begins another line of it; elsewhere it is shown as \x0a
  bool truncate = false;   // gives way on a narrow terminal
};

struct SmartLine {
  std::vector<Cell> cells;
  int parent = -1;  // index of an earlier line
};

struct SmartTable {
  std::string name;  // JSON's key: "namespaces"
  std::vector<SmartColumn> columns;
  std::vector<SmartLine> lines;
  bool headings = true;
};

struct SmartTerminal {
  size_t width = 0;  // 0: as wide as the cells
  bool utf8 = true;
};

std::string print_smart_table(const SmartTable& table, const SmartTerminal& terminal);
std::string print_smart_raw(const SmartTable& table, const SmartTerminal& terminal);
std::string print_smart_json(const SmartTable& table);

// What standard output is: its width when it is a terminal (or $COLUMNS), the locale's character set.
SmartTerminal smart_terminal();

}  // namespace hull::cli
