// The map in a terminal: a matrix of parties and kinds, and a tree of what is shared and who owns it.
#include "base/text.h"
#include "ns/map_draw.h"

namespace hull::ns {
namespace {

constexpr const char* kReset = "\x1b[0m";
constexpr const char *kBold = "\x1b[1m", *kDim = "\x1b[2m", *kRed = "\x1b[1;31m", *kYellow = "\x1b[33m";
constexpr const char* kGroupColours[kMapColours] = {"\x1b[1;34m", "\x1b[1;32m", "\x1b[1;35m", "\x1b[1;36m",
                                                    "\x1b[1;33m", "\x1b[1;94m", "\x1b[1;92m", "\x1b[1;95m"};

// Text in columns: what it looks like, and how wide it is without its colours.
class Line {
 public:
  explicit Line(const MapTerminal& terminal) : terminal_(terminal) {}

  void add(std::string_view text, const char* style = "") {
    std::string clean = escape_controls(text);
    if (terminal_.width != 0) clean = shorten(clean, terminal_.width - std::min(terminal_.width, used_), terminal_.utf8 ? "…" : "~");
    used_ += text_width(clean);
    if (clean.empty()) return;
    text_ += terminal_.colour && *style != 0 ? style + clean + kReset : clean;
  }
  void pad_to(size_t column) {
    if (column > used_) add(std::string(column - used_, ' '));
  }
  size_t used() const { return used_; }
  std::string end() {
    while (!text_.empty() && text_.back() == ' ') text_.pop_back();
    return text_ + "\n";
  }

 private:
  const MapTerminal& terminal_;
  std::string text_;
  size_t used_ = 0;
};

struct Shape { size_t name = 0, cell = 8; };

// Wide cells say "host" and "own"; narrow ones a sign. The reasons get 24 columns where they need them.
Shape shape_of(const Topology& topology, const MapTerminal& terminal) {
  Shape shape;
  size_t why = 0;
  for (const Party& party : topology.parties) {
    shape.name = std::max(shape.name, text_width(escape_controls(party.name)));
    why = std::max(why, text_width(join(reasons_of(topology, party), " ")) + (party.marks.empty() ? 0 : text_width(party.marks[0].name) + 4));
  }
  shape.name += 2;
  if (terminal.width == 0) return shape;
  shape.name = std::min(shape.name, std::max<size_t>(terminal.width * 3 / 10, 10));
  for (size_t cell : {size_t{8}, size_t{7}, size_t{5}, size_t{4}, size_t{2}})
    if (shape.cell = cell; shape.name + kNsKinds * cell + std::min<size_t>(why, 24) <= terminal.width) break;
  size_t cells = kNsKinds * shape.cell;
  shape.name = std::min(shape.name, terminal.width > cells + 4 ? terminal.width - cells : size_t{4});
  return shape;
}

void add_cell(Line& line, const Topology& topology, const MapCell& cell, const Shape& shape, bool utf8) {
  bool wide = shape.cell >= 5;
  if (const MapGroup* group = group_of(topology, cell)) line.add(group->tag, kGroupColours[colour_of(topology, *group)]);
  else if (cell.how == How::Host) line.add(wide ? "host" : utf8 ? "·" : ".", cell.weak ? kRed : kDim);
  else if (cell.how == How::Own) line.add(wide ? "own" : "o");
}

std::string matrix_row(const Topology& topology, const Party& party, const Shape& shape, const MapTerminal& terminal) {
  Line line(terminal);
  const char* style = party.type == PartyType::Container || party.type == PartyType::Host ? kBold : "";
  line.add(shorten(escape_controls(party.name), shape.name - 1, terminal.utf8 ? "…" : "~"), style);
  for (size_t i = 0; i < kNsKinds; ++i) {
    line.pad_to(shape.name + i * shape.cell);
    add_cell(line, topology, party.cells[index_of(kMapColumns[i])], shape, terminal.utf8);
  }
  line.pad_to(shape.name + kNsKinds * shape.cell);
  bool first = true;
  for (const Mark& mark : party.marks) {
    line.add(first ? "! " : ", ", mark.severe ? kRed : kYellow);
    line.add(mark.name, mark.severe ? kRed : kYellow);
    first = false;
  }
  std::string why = join(reasons_of(topology, party), " ");
  if (!first && !why.empty()) line.add("  ");
  line.add(why, kDim);
  return line.end();
}

// What the signs of narrow cells mean, and what the columns are where a letter has to do.
std::string legend(const Shape& shape, const MapTerminal& terminal) {
  if (shape.cell >= 5) return "";
  std::string out;
  if (shape.cell < 4) {
    Line columns(terminal);
    for (NsKind kind : kMapColumns) columns.add(format("{}{}", kind == kMapColumns[0] ? "" : " ", kernel::ns_info(kind).name), kDim);
    out = columns.end();
  }
  Line signs(terminal);
  signs.add(format("o its own, {} the host's, A shared", terminal.utf8 ? "·" : "."), kDim);
  return out + signs.end();
}

// Words in lines of the terminal's width, each after `indent`.
std::string wrapped(std::string_view text, std::string_view indent, const MapTerminal& terminal) {
  std::string out, line;
  auto flush = [&] {
    Line printed(terminal);
    printed.add(indent);
    printed.add(line, kDim);
    out += printed.end();
    line.clear();
  };
  for (std::string_view word : split_words(text)) {
    if (!line.empty() && terminal.width != 0 && text_width(indent) + text_width(line) + 1 + text_width(word) > terminal.width) flush();
    line += format("{}{}", line.empty() ? "" : " ", word);
  }
  if (!line.empty()) flush();
  return out;
}

// A tree's line: what stands before it, then the text.
struct Art { const char *branch, *last, *down, *space; };
constexpr Art kUtf8{"├─ ", "└─ ", "│  ", "   "}, kAscii{"|- ", "`- ", "|  ", "   "};

std::string heading(const char* text, const MapTerminal& terminal) {
  Line line(terminal);
  line.add(text, kBold);
  return line.end();
}

std::string group_lines(const Topology& topology, const MapGroup& group, const MapTerminal& terminal) {
  const Art& art = terminal.utf8 ? kUtf8 : kAscii;
  const char* colour = kGroupColours[colour_of(topology, group)];
  Line head(terminal);
  head.add(group.tag + "  ", colour);
  head.add(list_words(kinds_of(topology, group)), kBold);
  head.add(" of " + list_names(topology, {static_cast<size_t>(std::max(topology.spaces[group.spaces[0]].home, 0))}));
  std::string owner;
  if (const MapSpace* user = topology.find(topology.spaces[group.spaces[0]].space.owner); user != nullptr && !user->host)
    head.add(", owned by " + topology.name_of(*user), kDim);
  std::string out = head.end();
  for (size_t i = 0; i < group.parties.size(); ++i) {
    const Party& party = topology.parties[group.parties[i]];
    Line line(terminal);
    line.add(i + 1 == group.parties.size() ? art.last : art.branch, colour);
    line.add(party.name);
    line.add("  " + join(group_reasons(topology, group, party), ", "), kDim);
    out += line.end();
  }
  return out;
}

std::string owner_lines(const Topology& topology, const MapTerminal& terminal) {
  std::vector<OwnerLine> tree = owner_tree(topology);
  if (tree.size() < 2) return "";
  std::string out;
  std::vector<bool> more(40);  // by depth: whether a sibling follows
  const Art& art = terminal.utf8 ? kUtf8 : kAscii;
  for (size_t i = 0; i < tree.size(); ++i) {
    bool sibling = false;
    for (size_t j = i + 1; j < tree.size() && tree[j].depth >= tree[i].depth && !sibling; ++j) sibling = tree[j].depth == tree[i].depth;
    more[std::min(tree[i].depth, more.size() - 1)] = sibling;
    Line line(terminal);
    for (size_t depth = 1; depth < tree[i].depth; ++depth) line.add(more[depth] ? art.down : art.space, kDim);
    if (tree[i].depth != 0) line.add(sibling ? art.branch : art.last, kDim);
    line.add(tree[i].name);
    std::string owns = tree[i].owns.empty() ? "" : "owns " + tree[i].owns;
    bool fits = terminal.width == 0 || line.used() + 2 + text_width(owns) <= terminal.width;
    if (!owns.empty() && fits) line.add("  " + owns, kDim);
    out += line.end();
    if (!fits) out += wrapped(owns, std::string(tree[i].depth * 3 + 2, ' '), terminal);
  }
  return out;
}

std::string weak_lines(const Topology& topology, const MapTerminal& terminal) {
  std::string out;
  for (const Weakness& weakness : weaknesses_of(topology)) {
    Line head(terminal);
    head.add(format("! {}", weakness.mark->name), weakness.mark->severe ? kRed : kYellow);
    head.add(format("  {}", list_names(topology, weakness.parties)));
    out += head.end() + wrapped(weakness.mark->text, "  ", terminal);
  }
  return out.empty() ? "" : "\n" + heading("WEAKENS ISOLATION", terminal) + out;
}

}  // namespace

std::string map_matrix(const Topology& topology, const MapTerminal& terminal) {
  Shape shape = shape_of(topology, terminal);
  Line head(terminal);
  head.add("WHO", kBold);
  for (size_t i = 0; i < kNsKinds; ++i) {
    head.pad_to(shape.name + i * shape.cell);
    head.add(shorten(to_upper(kernel::ns_info(kMapColumns[i]).name), shape.cell - 1, ""), kBold);
  }
  head.pad_to(shape.name + kNsKinds * shape.cell);
  head.add("WHY", kBold);
  std::string out = head.end();
  for (const Party& party : topology.parties) out += matrix_row(topology, party, shape, terminal);
  return out + legend(shape, terminal);
}

std::string map_tree(const Topology& topology, const MapTerminal& terminal) {
  std::string out = heading(topology.groups.empty() ? "Nothing is shared but with the host." : "SHARED", terminal);
  for (const MapGroup& group : topology.groups) out += group_lines(topology, group, terminal);
  out += weak_lines(topology, terminal);
  std::string owners = owner_lines(topology, terminal);
  if (!owners.empty()) out += "\n" + heading("OWNERS", terminal) + owners;
  return out;
}

}  // namespace hull::ns
