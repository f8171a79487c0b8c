#include "ns/map_draw.h"

#include <map>
#include <set>

#include "base/text.h"

namespace hull::ns {

static bool asked_for(const MapCell& cell) { return cell.reason.starts_with("--"); }

std::vector<std::string> reasons_of(const Topology& topology, const Party& party) {
  std::vector<std::string> reasons;
  for (NsKind kind : kMapColumns) {
    const MapCell& cell = party.cells[index_of(kind)];
    bool worth = asked_for(cell) || cell.reason.starts_with("joined ");
    if (worth && std::find(reasons.begin(), reasons.end(), cell.reason) == reasons.end()) reasons.push_back(cell.reason);
  }
  if (party.within >= 0) reasons.push_back("within " + topology.parties[static_cast<size_t>(party.within)].name);
  return reasons;
}

std::string about(const Party& party) {
  std::vector<std::string> words;
  if (!party.detail.empty() && party.detail != "running") words.push_back(party.detail);
  if (party.processes != 0) words.push_back(count_of(party.processes, "process", "processes"));
  if (party.pid != 0 && party.type != PartyType::Process && party.type != PartyType::Host) words.push_back(format("pid {}", party.pid));
  return join(words, ", ");
}

std::string list_words(const std::vector<std::string>& words) {
  if (words.size() < 2) return words.empty() ? "" : words[0];
  std::string text = join({words.begin(), words.end() - 1}, ", ");
  return text + " and " + words.back();
}

std::string list_names(const Topology& topology, const std::vector<size_t>& parties) {
  constexpr size_t kMost = 12;
  std::vector<std::string> names;
  for (size_t at : parties)
    if (names.size() < kMost) names.push_back(topology.parties[at].name);
  if (parties.size() > kMost) names.push_back(format("{} more", parties.size() - kMost));
  return list_words(names);
}

std::vector<std::string> group_reasons(const Topology& topology, const MapGroup& group, const Party& party) {
  std::vector<std::string> reasons;
  for (size_t at : group.spaces) {
    const std::string& reason = party.cells[index_of(topology.spaces[at].space.kind)].reason;
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
  }
  return reasons;
}

std::vector<std::string> kinds_of(const Topology& topology, const MapGroup& group) {
  std::vector<std::string> kinds;
  for (NsKind kind : kMapColumns)
    for (size_t at : group.spaces)
      if (topology.spaces[at].space.kind == kind) kinds.emplace_back(kernel::ns_info(kind).name);
  return kinds;
}

std::string cell_text(const Topology& topology, const Party& party, NsKind kind) {
  const MapCell& cell = party.cells[index_of(kind)];
  const MapSpace* space = topology.space(cell);
  if (space == nullptr) return format("{}: none", kernel::ns_info(kind).name);
  std::string text = format("{}: {}", party.name, topology.name_of(*space));
  if (cell.how == How::Shared) text += ", shared by " + list_names(topology, space->parties);
  text += format("; {}; inode {}", cell.reason, space->space.inode);
  if (const MapSpace* owner = topology.find(space->space.owner)) text += ", owned by " + topology.name_of(*owner);
  return text;
}

static void add_owner_lines(const Topology& topology, const std::map<uint64_t, std::vector<const MapSpace*>>& children,
                            uint64_t parent, size_t depth, std::vector<OwnerLine>& lines) {
  auto below = children.find(parent);
  if (below == children.end()) return;
  for (const MapSpace* space : below->second) {
    std::map<NsKind, size_t> owned;
    for (const MapSpace& other : topology.spaces)
      if (other.space.owner == space->space.inode && other.space.kind != NsKind::User && (space->host || !other.host)) ++owned[other.space.kind];
    std::vector<std::string> counts;
    for (NsKind kind : kMapColumns)
      if (owned.contains(kind)) counts.push_back(format("{} {}", owned[kind], kernel::ns_info(kind).name));
    lines.push_back({depth, space, topology.name_of(*space), join(counts, ", ")});
    constexpr size_t kDeepest = 32;  // the kernel's own limit
    if (depth < kDeepest) add_owner_lines(topology, children, space->space.inode, depth + 1, lines);
  }
}

std::vector<OwnerLine> owner_tree(const Topology& topology) {
  std::map<uint64_t, std::vector<const MapSpace*>> children;
  for (const MapSpace& space : topology.spaces)
    if (space.space.kind == NsKind::User)
      children[topology.find(space.space.parent) != nullptr ? space.space.parent : 0].push_back(&space);
  std::vector<OwnerLine> lines;
  add_owner_lines(topology, children, 0, 0, lines);
  return lines;
}

std::vector<Weakness> weaknesses_of(const Topology& topology) {
  std::map<std::pair<bool, std::string>, Weakness> found;
  for (size_t i = 0; i < topology.parties.size(); ++i)
    for (const Mark& mark : topology.parties[i].marks) {
      Weakness& entry = found[{!mark.severe, mark.name}];
      entry.mark = &mark;
      entry.parties.push_back(i);
    }
  std::vector<Weakness> list;
  for (auto& [key, entry] : found) list.push_back(std::move(entry));
  return list;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for (char c : escape_controls(text)) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += "&#39;";
    else out.push_back(c);
  }
  return out;
}

size_t text_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string shorten(std::string_view text, size_t width, const char* ellipsis) {
  if (text_width(text) <= width) return std::string(text);
  size_t room = width - std::min(width, text_width(ellipsis)), used = 0, at = 0;
  for (; at < text.size(); ++at) {
    used += (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (used > room) break;
  }
  return std::string(text.substr(0, at)) + (width >= text_width(ellipsis) ? ellipsis : "");
}

std::string count_of(size_t count, const char* singular, const char* plural) {
  return format("{} {}", count, count == 1 ? singular : plural);
}

std::string map_summary(const Topology& topology) {
  struct Word { PartyType type; const char *one, *many; };
  static constexpr Word kWords[] = {{PartyType::Container, "container", "containers"},
                                    {PartyType::Engine, "container of another engine", "containers of other engines"},
                                    {PartyType::Process, "group of bare processes", "groups of bare processes"},
                                    {PartyType::Pin, "kept name", "kept names"},
                                    {PartyType::Holder, "holder", "holders"}};
  std::vector<std::string> words;
  for (const Word& word : kWords) {
    size_t count = static_cast<size_t>(std::count_if(topology.parties.begin(), topology.parties.end(), [&](const Party& p) { return p.type == word.type; }));
    if (count != 0) words.push_back(count_of(count, word.one, word.many));
  }
  size_t shared = 0;
  for (const MapGroup& group : topology.groups) shared += group.spaces.size();
  std::string text = words.empty() ? "nobody but the host" : list_words(words);
  return format("{}; {}", text, count_of(shared, "namespace is shared", "namespaces are shared"));
}

std::string map_title(const Topology& topology) {
  const Party& host = topology.parties.front();
  return host.detail.empty() ? "Namespaces" : "Namespaces of " + host.detail;
}

const MapPalette kLightPalette{"#fff", "#1d2129", "#5f6773", "#dfe3e8", "#f5f6f8", "#b3261e", "#fde7e5", "#855500",
                               {{{"#dbe8fd", "#2f6fde", "#1b4a9c"}, {"#d8f0d8", "#2e8b3d", "#1c5c27"}, {"#efdcf8", "#8e44ad", "#5f2678"},
                                 {"#d2efef", "#16888c", "#0c5659"}, {"#fdebc8", "#b97a0a", "#6f4700"}, {"#dedefc", "#5558d8", "#34369a"},
                                 {"#e8f1c4", "#7a8f16", "#4c5a08"}, {"#fbdbe8", "#cc3f7c", "#8c1f50"}}}};
const MapPalette kDarkPalette{"#15181d", "#e6e8eb", "#9aa3af", "#2f363f", "#1c2027", "#ff8a80", "#46201d", "#f0b44c",
                              {{{"#1c3357", "#5b93f0", "#cfe0ff"}, {"#1b3d22", "#55b567", "#cdf3d4"}, {"#3b2049", "#b06fd0", "#efd7fb"},
                                {"#123c3e", "#3fb3b7", "#c9f3f4"}, {"#44310c", "#d39a30", "#ffe5b4"}, {"#2a2b5c", "#8284f0", "#dcdcff"},
                                {"#343c10", "#a5bb3c", "#e9f4bd"}, {"#4a1c31", "#e0699b", "#ffd7e6"}}}};

}  // namespace hull::ns
