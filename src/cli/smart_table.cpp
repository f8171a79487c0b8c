#include "cli/smart_table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/json.h"
#include "base/text.h"

namespace hull::cli {
namespace {

struct Art { const char *vertical, *branch, *last, *space; };
constexpr Art kUtf8{"│ ", "├─", "└─", "  "}, kAscii{"| ", "|-", "`-", "  "};

// Display columns: every character counts one; continuation bytes of UTF-8 none.
size_t display_width(std::string_view text) {
  size_t width = 0;
  for (unsigned char c : text) width += (c & 0xc0) != 0x80;
  return width;
}

// What could move the cursor, and what could be taken for an escape of ours, becomes \xHH.
std::string safe_text(std::string_view text) {
  std::string safe;
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    bool fake = byte == '\\' && i + 1 < text.size() && text[i + 1] == 'x';
    bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (fake || byte < 0x20 || byte == 0x7f || c1) safe += format("\\x{:02x}", byte);
    else safe.push_back(text[i]);
  }
  return safe;
}

// One word: blanks, backslashes and all that is not plain ASCII as \xHH.
std::string raw_text(std::string_view text) {
  std::string raw;
  for (unsigned char byte : text)
    if (byte <= ' ' || byte == '\\' || byte >= 0x7f) raw += format("\\x{:02x}", byte);
    else raw.push_back(static_cast<char>(byte));
  return raw;
}

struct Row {
  size_t line;
  std::string art;         // before the tree column's first text line
  std::string below;       // before its further text lines
};

class Walk {
 public:
  Walk(const SmartTable& table, const Art& art) : table_(table), art_(art), children_(table.lines.size()) {
    for (size_t i = 0; i < table.lines.size(); ++i)
      if (is_root(i)) roots_.push_back(i);
      else children_[static_cast<size_t>(table.lines[i].parent)].push_back(i);
  }

  std::vector<Row> rows() {
    for (size_t root : roots_) {
      rows_.push_back({root, "", ""});
      add_children(root, "");
    }
    return std::move(rows_);
  }
  const std::vector<size_t>& roots() const { return roots_; }
  const std::vector<size_t>& children(size_t line) const { return children_[line]; }

 private:
  bool is_root(size_t line) const { return !has_tree(table_) || table_.lines[line].parent < 0; }
  static bool has_tree(const SmartTable& table) {
    return std::any_of(table.columns.begin(), table.columns.end(), [](const SmartColumn& c) { return c.tree; });
  }
  void add_children(size_t line, const std::string& indent) {
    const std::vector<size_t>& below = children_[line];
    for (size_t i = 0; i < below.size(); ++i) {
      bool last = i + 1 == below.size();
      std::string deeper = indent + (last ? art_.space : art_.vertical);
      rows_.push_back({below[i], indent + (last ? art_.last : art_.branch), deeper});
      add_children(below[i], deeper);
    }
  }

  const SmartTable& table_;
  const Art& art_;
  std::vector<std::vector<size_t>> children_;
  std::vector<size_t> roots_;
  std::vector<Row> rows_;
};

// The text lines of one cell, with the tree's art.
std::vector<std::string> cell_lines(const SmartTable& table, const Row& row, size_t column) {
  const Cell& cell = table.lines[row.line].cells[column];
  std::vector<std::string> lines;
  if (table.columns[column].wrap)
    for (const std::string& piece : split(cell.value_or(""), '\n')) lines.push_back(safe_text(piece));
  else lines.push_back(safe_text(cell.value_or("")));
  if (!table.columns[column].tree) return lines;
  for (size_t i = 0; i < lines.size(); ++i) lines[i].insert(0, i == 0 ? row.art : row.below);
  return lines;
}

using Grid = std::vector<std::vector<std::string>>;  // text lines of cells

Grid build_grid(const SmartTable& table, const Art& art) {
  Grid grid;
  if (table.headings) {
    grid.emplace_back();
    for (const SmartColumn& column : table.columns) grid.back().push_back(column.name);
  }
  for (const Row& row : Walk(table, art).rows()) {
    size_t first = grid.size();
    grid.emplace_back(table.columns.size());
    for (size_t column = 0; column < table.columns.size(); ++column) {
      std::vector<std::string> lines = cell_lines(table, row, column);
      while (grid.size() < first + lines.size()) grid.emplace_back(table.columns.size());
      for (size_t i = 0; i < lines.size(); ++i) grid[first + i][column] = std::move(lines[i]);
    }
  }
  return grid;
}

std::vector<size_t> column_widths(const SmartTable& table, const Grid& grid, size_t limit) {
  std::vector<size_t> widths(table.columns.size(), 0);
  for (size_t line = table.headings ? 1 : 0; line < grid.size(); ++line)
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(grid[line][i]));
  for (size_t i = 0; i < widths.size(); ++i) {
    // libsmartcols' rule, with or without headings.
    size_t heading = display_width(table.columns[i].name), hint = table.columns[i].hint;
    if (widths[i] < heading) widths[i] = heading;
    else if (widths[i] < hint && heading < hint) widths[i] = hint;
  }
  size_t total = widths.empty() ? 0 : widths.size() - 1;
  for (size_t width : widths) total += width;
  for (size_t i = widths.size(); i-- > 0 && limit != 0 && total > limit;) {
    if (!table.columns[i].truncate) continue;
    size_t least = display_width(table.columns[i].name);
    size_t cut = std::min(total - limit, widths[i] - std::min(widths[i], least));
    widths[i] -= cut;
    total -= cut;
  }
  return widths;
}

std::string fit(const std::string& text, size_t width) {
  if (display_width(text) <= width) return text;
  std::string cut;
  size_t used = 0;
  for (char c : text) {
    used += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (used > width) break;
    cut.push_back(c);
  }
  return cut;
}

std::string json_cell(const SmartColumn& column, const Cell& cell) {
  if (!cell) return "null";
  if (column.number) return *cell;
  return json::to_text(json::value(json::string(*cell)));
}

// libsmartcols' layout: three spaces a level, members of a list joined by "},{".
void append_json(const SmartTable& table, const Walk& walk, const std::vector<size_t>& lines, size_t depth, std::string& out) {
  std::string indent(depth * 3, ' ');
  for (size_t i = 0; i < lines.size(); ++i) {
    out += i == 0 ? indent + "{\n" : "";
    const SmartLine& line = table.lines[lines[i]];
    for (size_t column = 0; column < table.columns.size(); ++column) {
      out += column == 0 ? "" : ",\n";
      out += format("{}   \"{}\": {}", indent, to_lower(table.columns[column].name), json_cell(table.columns[column], line.cells[column]));
    }
    if (!walk.children(lines[i]).empty()) {
      out += format(",\n{}   \"children\": [\n", indent);
      append_json(table, walk, walk.children(lines[i]), depth + 2, out);
      out += format("{}   ]", indent);
    }
    out += i + 1 < lines.size() ? format("\n{}}},{{\n", indent) : format("\n{}}}\n", indent);
  }
}

}  // namespace

std::string print_smart_table(const SmartTable& table, const SmartTerminal& terminal) {
  if (table.lines.empty()) return "";  // not even headings, as libsmartcols does
  Grid grid = build_grid(table, terminal.utf8 ? kUtf8 : kAscii);
  std::vector<size_t> widths = column_widths(table, grid, terminal.width);
  std::string out;
  for (const auto& line : grid) {
    for (size_t i = 0; i < line.size(); ++i) {
      std::string text = terminal.width != 0 ? fit(line[i], widths[i]) : line[i];
      size_t padding = widths[i] - std::min(widths[i], display_width(text));
      bool last = i + 1 == line.size();
      if (table.columns[i].right) out.append(padding, ' ').append(text);
      else out.append(text).append(last ? 0 : padding, ' ');
      out.append(last ? "\n" : " ");
    }
  }
  return out;
}

std::string print_smart_raw(const SmartTable& table, const SmartTerminal& terminal) {
  if (table.lines.empty()) return "";  // not even headings, as libsmartcols does
  std::string out;
  auto word = [&](size_t column, const std::string& text) {
    out.append(text).append(column + 1 == table.columns.size() ? "\n" : " ");
  };
  if (table.headings)
    for (size_t i = 0; i < table.columns.size(); ++i) word(i, table.columns[i].name);
  for (const Row& row : Walk(table, terminal.utf8 ? kUtf8 : kAscii).rows())
    for (size_t i = 0; i < table.columns.size(); ++i)
      word(i, raw_text((table.columns[i].tree ? row.art : "") + table.lines[row.line].cells[i].value_or("")));
  return out;
}

std::string print_smart_json(const SmartTable& table) {
  Walk walk(table, kUtf8);
  std::string out = format("{{\n   \"{}\": [\n", table.name);
  append_json(table, walk, walk.roots(), 2, out);
  return out + (walk.roots().empty() ? "\n   ]\n}\n" : "   ]\n}\n");
}

SmartTerminal smart_terminal() {
  SmartTerminal terminal;
  winsize size{};
  if (::isatty(1) == 1 && ::ioctl(1, TIOCGWINSZ, &size) == 0) terminal.width = size.ws_col != 0 ? size.ws_col : 80;
  const char* locale = nullptr;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    locale = ::getenv(name);
    if (locale != nullptr && *locale != 0) break;
  }
  std::string character_set = to_lower(locale != nullptr ? locale : "");
  terminal.utf8 = character_set.find("utf-8") != std::string::npos || character_set.find("utf8") != std::string::npos;
  return terminal;
}

}  // namespace hull::cli
