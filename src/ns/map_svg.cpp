// The map as a picture: a row a party, a column a kind; a bar of one colour and letter joins the rows that share.
// Legible alone, in a browser's light and dark scheme, and printed; a title on each mark says it in words.
#include "base/text.h"
#include "ns/map_draw.h"

namespace hull::ns {
namespace {

constexpr int kMargin = 24, kHead = 104, kRow = 38, kCell = 60, kLine = 22;
constexpr size_t kMostLetters = 64, kMostWhy = 140;  // longer ones end in an ellipsis

// As wide as its longest name and reason; widths of letters at the sizes below.
struct Sheet {
  int cells_left = kMargin + 236, why_left = 0, width = 0;
  int centre(size_t column) const { return cells_left + static_cast<int>(column) * kCell + kCell / 2; }
};

constexpr const char* kStyle =
    "text{font:13px system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}.h{font-size:20px;font-weight:600}"
    ".k{font-size:12px;font-weight:600;text-anchor:middle}.n{font-weight:600}.s,.o{font-size:11px}.o{text-anchor:middle}"
    ".w{font:12px ui-monospace,\"DejaVu Sans Mono\",monospace}.m{font-size:12px;font-weight:600}.t{font-weight:700;text-anchor:middle}"
    ".own{fill:none;stroke-width:1.5}.j{stroke-width:2;stroke-dasharray:2 4}.e{fill:none}";

// Plain rules, no custom properties: what is no browser draws it too.
std::string colours(const MapPalette& palette) {
  std::string out = format("text{{fill:{0}}}.bg{{fill:{1}}}.s,.o,.w{{fill:{2}}}.own{{stroke:{2}}}.r,.e{{stroke:{3}}}.m{{fill:{4}}}.x{{fill:{5}}}.b{{fill:{6};stroke:{5}}}",
                           palette.text, palette.back, palette.dim, palette.line, palette.amber, palette.red, palette.red_back);
  for (size_t i = 0; i < kMapColours; ++i) {
    const MapPalette::Group& group = palette.groups[i];
    out += format(".c{0}{{fill:{1};stroke:{2}}}.l{0}{{stroke:{2}}}.f{0}{{fill:{3}}}", i, group.fill, group.line, group.text);
  }
  return out;
}

int middle(size_t row) { return kHead + static_cast<int>(row) * kRow + kRow / 2; }

std::string text_at(int x, int y, const char* classes, std::string_view text) {
  return format("<text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>\n", x, y, classes, escape_xml(text));
}

std::string marks_of(const Party& party) {
  std::string marks;
  for (const Mark& mark : party.marks) marks += (marks.empty() ? "▲ " : ", ") + mark.name;
  return marks;
}

Sheet measure(const Topology& topology) {
  constexpr double kNameLetter = 8.2, kSubLetter = 6.6, kWhyLetter = 7.4;
  double names = 236, why = 300;
  for (const Party& party : topology.parties) {
    names = std::max({names, std::min(text_width(party.name), kMostLetters) * kNameLetter, std::min(text_width(about(party)), kMostLetters) * kSubLetter});
    size_t reasons = text_width(join(reasons_of(topology, party), "  "));
    why = std::max(why, std::min(std::max(reasons, text_width(marks_of(party))), kMostWhy) * kWhyLetter);
  }
  Sheet sheet;
  sheet.cells_left = kMargin + static_cast<int>(names) + 12;
  sheet.why_left = sheet.cells_left + kCell * static_cast<int>(kNsKinds) + 20;
  sheet.width = sheet.why_left + static_cast<int>(why) + kMargin;
  return sheet;
}

std::string heading(const Topology& topology, const Sheet& sheet) {
  std::string out = text_at(kMargin, 38, "h", map_title(topology)) + text_at(kMargin, 60, "s", map_summary(topology));
  for (size_t i = 0; i < kNsKinds; ++i) out += text_at(sheet.centre(i), kHead - 12, "k", kernel::ns_info(kMapColumns[i]).name);
  out += text_at(sheet.why_left, kHead - 12, "n", "why, and what weakens isolation");
  return out + format("<path class=\"r\" d=\"M{} {}H{}\"/>\n", kMargin, kHead - 2, sheet.width - kMargin);
}

// Bars of one column: for each shared namespace one bar over each run of rows, and beside the marks of the rows between
// them a dashed line from bar to bar.
std::string bars(const Topology& topology, const Sheet& sheet, size_t column) {
  std::string out;
  size_t kind = index_of(kMapColumns[column]);
  for (const MapSpace& space : topology.spaces) {
    if (index_of(space.space.kind) != kind || space.group < 0) continue;
    const MapGroup& group = topology.groups[static_cast<size_t>(space.group)];
    size_t colour = colour_of(topology, group), count = space.parties.size();
    int x = sheet.centre(column);
    if (space.parties.back() - space.parties.front() + 1 != count)
      out += format("<path class=\"j e l{}\" d=\"M{} {}H{}V{}H{}\"/>\n", colour, x, middle(space.parties.front()), x + 27, middle(space.parties.back()), x);
    for (size_t from = 0, to = 0; from < count; from = to) {
      for (to = from + 1; to < count && space.parties[to] == space.parties[to - 1] + 1; ++to) {}
      out += format("<rect class=\"c{}\" x=\"{}\" y=\"{}\" width=\"44\" height=\"{}\" rx=\"8\"/>\n", colour, x - 22,
                    middle(space.parties[from]) - 15, static_cast<int>(to - from - 1) * kRow + 30);
    }
  }
  return out;
}

std::string cell(const Topology& topology, const Sheet& sheet, size_t row, size_t column) {
  const Party& party = topology.parties[row];
  const MapCell& at = party.cells[index_of(kMapColumns[column])];
  int x = sheet.centre(column), y = middle(row);
  std::string drawn;
  if (const MapGroup* group = group_of(topology, at)) drawn = text_at(x, y + 5, format("t f{}", colour_of(topology, *group)).c_str(), group->tag);
  else if (at.how == How::Own) drawn = format("<circle class=\"own\" cx=\"{}\" cy=\"{}\" r=\"5\"/>", x, y);
  else if (at.weak) drawn = format("<rect class=\"b\" x=\"{}\" y=\"{}\" width=\"40\" height=\"22\" rx=\"5\"/>", x - 20, y - 11) + text_at(x, y + 4, "o x", "host");
  else if (at.how == How::Host) drawn = text_at(x, y + 4, "o", "host");
  if (drawn.empty()) return "";
  return format("<g><title>{}</title>{}</g>\n", escape_xml(cell_text(topology, party, kMapColumns[column])), drawn);
}

std::string why(const Topology& topology, const Sheet& sheet, size_t row) {
  const Party& party = topology.parties[row];
  std::string reasons = join(reasons_of(topology, party), "  "), marks = marks_of(party), titles;
  bool severe = false;
  for (const Mark& mark : party.marks) {
    titles += format("{}: {}\n", mark.name, mark.text);
    severe |= mark.severe;
  }
  bool both = !reasons.empty() && !marks.empty();
  std::string out = reasons.empty() ? "" : text_at(sheet.why_left, middle(row) + (both ? -3 : 4), "w", shorten(reasons, kMostWhy));
  if (marks.empty()) return out;
  return out + format("<g><title>{}</title>{}</g>\n", escape_xml(titles),
                      text_at(sheet.why_left, middle(row) + (both ? 14 : 4), severe ? "m x" : "m", shorten(marks, kMostWhy)));
}

std::string row(const Topology& topology, const Sheet& sheet, size_t number) {
  const Party& party = topology.parties[number];
  std::string out, sub = about(party);
  if (number != 0 && topology.parties[number - 1].cluster != party.cluster)
    out += format("<path class=\"r\" d=\"M{} {}H{}\"/>\n", kMargin, middle(number) - kRow / 2, sheet.width - kMargin);
  out += text_at(kMargin, middle(number) + (sub.empty() ? 4 : -3), "n", shorten(party.name, kMostLetters));
  if (!sub.empty()) out += text_at(kMargin, middle(number) + 13, "s", shorten(sub, kMostLetters));
  for (size_t i = 0; i < kNsKinds; ++i) out += cell(topology, sheet, number, i);
  return out + why(topology, sheet, number);
}

std::string legend(const Sheet& sheet, int y) {
  std::string out = format("<path class=\"r\" d=\"M{} {}H{}\"/>\n", kMargin, y, sheet.width - kMargin);
  out += format("<rect class=\"c0\" x=\"{}\" y=\"{}\" width=\"26\" height=\"20\" rx=\"6\"/>", kMargin, y + 14) + text_at(kMargin + 13, y + 29, "t f0", "A");
  out += text_at(kMargin + 34, y + 28, "s", "one namespace, shared: equal letters in a column");
  out += format("<circle class=\"own\" cx=\"{}\" cy=\"{}\" r=\"5\"/>", kMargin + 352, y + 24) + text_at(kMargin + 366, y + 28, "s", "its own");
  out += text_at(kMargin + 446, y + 28, "o", "host") + text_at(kMargin + 464, y + 28, "s", "the host's");
  out += format("<rect class=\"b\" x=\"{}\" y=\"{}\" width=\"40\" height=\"22\" rx=\"5\"/>", kMargin + 546, y + 13) + text_at(kMargin + 566, y + 28, "o x", "host");
  return out + text_at(kMargin + 594, y + 28, "s", "the host's, and weakens isolation");
}

std::string weaknesses(const std::vector<Weakness>& found, const Topology& topology, int y) {
  std::string out = text_at(kMargin, y + 20, "n", "What weakens isolation");
  for (size_t i = 0; i < found.size(); ++i) {
    const Mark& mark = *found[i].mark;
    out += format("<text x=\"{}\" y=\"{}\"><tspan class=\"m{}\">▲ {}</tspan><tspan dx=\"8\">{}</tspan><tspan dx=\"10\" class=\"s\">{}</tspan></text>\n", kMargin,
                  y + 44 + static_cast<int>(i) * kLine, mark.severe ? " x" : "", escape_xml(mark.name), escape_xml(shorten(list_names(topology, found[i].parties), kMostLetters)),
                  escape_xml(mark.text));
  }
  return out;
}

std::string owners(const std::vector<OwnerLine>& lines, int y) {
  std::string out = text_at(kMargin, y + 20, "n", "User namespaces, and what they own");
  for (size_t i = 0; i < lines.size(); ++i) {
    int x = kMargin + static_cast<int>(lines[i].depth) * 24, at = y + 44 + static_cast<int>(i) * kLine;
    if (lines[i].depth != 0) out += format("<path class=\"e\" d=\"M{} {}V{}H{}\"/>", x - 16, at - 16, at - 4, x - 4);
    out += format("<text x=\"{}\" y=\"{}\">{}<tspan dx=\"10\" class=\"s\">{}</tspan></text>\n", x, at, escape_xml(lines[i].name), escape_xml(lines[i].owns));
  }
  return out;
}

}  // namespace

std::string map_svg(const Topology& topology) {
  auto section = [](size_t lines) { return lines == 0 ? 0 : 56 + static_cast<int>(lines) * kLine; };
  std::vector<OwnerLine> tree = owner_tree(topology);
  if (tree.size() < 2) tree.clear();
  std::vector<Weakness> weak = weaknesses_of(topology);
  Sheet sheet = measure(topology);
  int rows_end = kHead + static_cast<int>(topology.parties.size()) * kRow, weak_top = rows_end + 56, owners_top = weak_top + section(weak.size());
  std::string out = format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\">\n", sheet.width,
                           owners_top + section(tree.size()));
  out += format("<title>{}</title>\n<desc>{}</desc>\n<style>{}{}@media(prefers-color-scheme:dark){{{}}}</style>\n",
                escape_xml(map_title(topology)), escape_xml(map_summary(topology)), kStyle, colours(kLightPalette), colours(kDarkPalette));
  out += "<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n" + heading(topology, sheet);
  for (size_t i = 0; i < kNsKinds; ++i) out += bars(topology, sheet, i);
  for (size_t i = 0; i < topology.parties.size(); ++i) out += row(topology, sheet, i);
  out += legend(sheet, rows_end);
  if (!weak.empty()) out += weaknesses(weak, topology, weak_top);
  if (!tree.empty()) out += owners(tree, owners_top);
  return out + "</svg>\n";
}

}  // namespace hull::ns
