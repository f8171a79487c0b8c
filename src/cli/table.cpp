#include "cli/table.h"

#include <algorithm>

#include "base/text.h"
#include "cli/humanize.h"
#include "cli/template.h"

namespace hull::cli {
namespace {

constexpr size_t kMinWidth = 10, kPadding = 3;

// The headers as a row: a template rendered over it gives the table's first line.
json::value header_row(std::span<const Column> columns) {
  json::object row;
  for (const Column& column : columns) row[column.field] = column.header;
  return row;
}

// A copy of the row that is safe for a terminal.
json::value escaped(const json::value& value) {
  if (value.is_string()) {
    std::string text = escape_controls(std::string_view(value.get_string()));
    return json::string(text);
  }
  if (!value.is_object()) return value;
  json::object copy;
  for (const auto& member : value.get_object()) copy[member.key()] = escaped(member.value());
  return copy;
}

// As docker heads such a column: the last part of the label's name.
std::string label_header(std::string_view name) {
  std::string header(name.substr(name.rfind('.') + 1));
  std::replace_if(header.begin(), header.end(), [](char c) { return c == '-' || c == '_'; }, ' ');
  return header;
}

Result<std::string> render_rows(const Template& pattern, const std::vector<json::value>& rows, const ListFormat& list) {
  std::string text;
  for (size_t i = 0; i < rows.size(); ++i) {
    LabelOf label;
    if (list.label) label = [&](std::string_view name) { return escape_controls(list.label(i, name)); };
    text += TRY(pattern.render(escaped(rows[i]), MissingKey::Error, label)) + "\n";
  }
  return text;
}

}  // namespace

// As Go's text/tabwriter does with a block of lines: a column is a run of consecutive lines that have the cell and a
// tab behind it; the last cell of a line is never padded.
std::string align_columns(std::string_view tabbed_lines) {
  std::vector<std::vector<std::string>> lines;
  size_t columns = 0;
  for (std::string_view line : split_lines(tabbed_lines)) {
    lines.push_back(split(line, '\t'));
    columns = std::max(columns, lines.back().size());
  }
  std::vector<size_t> widths(columns, 0);
  for (const auto& line : lines)
    for (size_t i = 0; i + 1 < line.size(); ++i) widths[i] = std::max({widths[i], display_width(line[i]) + kPadding, kMinWidth});
  std::string text;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      if (i + 1 < line.size()) text.append(widths[i] - display_width(line[i]), ' ');
    }
    text.push_back('\n');
  }
  return text;
}

Result<std::string> format_list(const std::vector<json::value>& rows, std::span<const Column> columns, const ListFormat& list) {
  std::string_view chosen = list.format.empty() || list.format == "table" ? list.default_table : list.format;
  std::string text;
  if (list.quiet && (list.format.empty() || list.format == "table")) {
    for (const json::value& row : rows) text.append(json::get_string(row, list.quiet_field)).append("\n");
    return text;
  }
  if (chosen == "json") {
    for (const json::value& row : rows) text += json::to_text(row) + "\n";
    return text;
  }
  bool table = chosen.starts_with("table ");
  Template pattern = TRY(Template::parse(expand_escapes(table ? chosen.substr(6) : chosen)));
  if (!table) return render_rows(pattern, rows, list);
  std::string header = TRY(pattern.render(header_row(columns), MissingKey::NoValue, label_header));
  return align_columns(header + "\n" + TRY(render_rows(pattern, rows, list)));
}

}  // namespace hull::cli
