// The topology as a graph: for Graphviz (dot) and for Markdown (mermaid). Parties are boxes, each set of shared
// namespaces a node between them; edges carry the reason. What comes from the host is one edge a party.
#include "base/text.h"
#include "ns/map_draw.h"

namespace hull::ns {
namespace {

std::vector<std::string> host_kinds(const Party& party) {
  std::vector<std::string> kinds;
  for (NsKind kind : kMapColumns)
    if (party.cells[index_of(kind)].how == How::Host) kinds.emplace_back(kernel::ns_info(kind).name);
  return kinds;
}

bool uses_host_weakly(const Party& party) {
  return std::any_of(party.cells.begin(), party.cells.end(), [](const MapCell& cell) { return cell.weak; });
}

std::string party_lines(const Party& party, const char* newline) {
  std::string text = escape_controls(party.name);
  for (const Mark& mark : party.marks) text += newline + ("! " + mark.name);
  return text;
}

// The user namespaces below the host's that own something shown: number of the space, number of the group or party.
struct OwnerEdge { size_t owner, group; };
std::vector<OwnerEdge> owner_edges(const Topology& topology) {
  std::vector<OwnerEdge> edges;
  for (size_t i = 0; i < topology.groups.size(); ++i) {
    const MapSpace* owner = topology.find(topology.spaces[topology.groups[i].spaces[0]].space.owner);
    if (owner != nullptr && !owner->host) edges.push_back({static_cast<size_t>(owner - topology.spaces.data()), i});
  }
  return edges;
}

std::string dot_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

// Labels have their line breaks as \n, which dot_quote would double.
std::string dot_label(const std::string& text) {
  std::string out;
  for (const std::string& line : split(text, '\n')) {
    std::string quoted = dot_quote(line);
    out += (out.empty() ? "" : "\\n") + quoted.substr(1, quoted.size() - 2);
  }
  return "\"" + out + "\"";
}

// mermaid takes entities as #NN; and nothing else escapes a quote in a label.
std::string mermaid_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text)
    if (c == '"' || c == '#' || c == '<' || c == '>' || c == '&' || c == '`' || c == ';' || c == '\\') out += format("#{};", static_cast<int>(c));
    else out.push_back(c);
  return out + "\"";
}


}  // namespace

std::string map_dot(const Topology& topology) {
  std::string out = "graph hull {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white];\n"
                    "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#888888\"];\n";
  for (size_t i = 0; i < topology.parties.size(); ++i) {
    const Party& party = topology.parties[i];
    const char* colour = party.marks.empty() ? "#444444" : "#c62828";
    out += format("  p{} [label={}, color=\"{}\"{}];\n", i, dot_label(party_lines(party, "\n")), colour, party.type == PartyType::Pin ? ", style=\"rounded,dashed\"" : "");
  }
  for (size_t i = 0; i < topology.groups.size(); ++i) {
    const MapGroup& group = topology.groups[i];
    out += format("  g{} [label={}, shape=ellipse, style=filled, fillcolor=\"{}\"];\n", i,
                  dot_label(group.tag + "\n" + join(kinds_of(topology, group), " ")), kLightPalette.groups[colour_of(topology, group)].fill);
    for (size_t at : group.parties) out += format("  p{} -- g{} [label={}];\n", at, i, dot_label(join(group_reasons(topology, group, topology.parties[at]), ", ")));
  }
  for (size_t i = 1; i < topology.parties.size(); ++i)
    if (std::vector<std::string> kinds = host_kinds(topology.parties[i]); !kinds.empty())
      out += format("  p{} -- p0 [label={}, style=dashed, color=\"{}\"];\n", i, dot_label(join(kinds, " ")), uses_host_weakly(topology.parties[i]) ? "#c62828" : "#bbbbbb");
  for (const OwnerEdge& edge : owner_edges(topology)) {
    out += format("  u{} [label={}, shape=house];\n", edge.owner, dot_label(topology.name_of(topology.spaces[edge.owner])));
    out += format("  u{} -- g{} [label=\"owns\", style=dotted];\n", edge.owner, edge.group);
  }
  return out + "}\n";
}

std::string map_mermaid(const Topology& topology) {
  std::string out = "flowchart LR\n";
  for (size_t i = 0; i < topology.parties.size(); ++i) {
    const Party& party = topology.parties[i];
    out += format("  p{}[{}]\n", i, mermaid_quote(party_lines(party, ", ")));
    if (!party.marks.empty()) out += format("  style p{} stroke:#c62828,stroke-width:2px\n", i);
  }
  for (size_t i = 0; i < topology.groups.size(); ++i) {
    const MapGroup& group = topology.groups[i];
    out += format("  g{}(({}))\n", i, mermaid_quote(group.tag + ": " + join(kinds_of(topology, group), " ")));
    out += format("  style g{} fill:{},color:#222\n", i, kLightPalette.groups[colour_of(topology, group)].fill);
    for (size_t at : group.parties) out += format("  p{} ---|{}| g{}\n", at, mermaid_quote(join(group_reasons(topology, group, topology.parties[at]), ", ")), i);
  }
  for (size_t i = 1; i < topology.parties.size(); ++i)
    if (std::vector<std::string> kinds = host_kinds(topology.parties[i]); !kinds.empty())
      out += format("  p{} -.-|{}| p0\n", i, mermaid_quote(join(kinds, " ")));
  for (const OwnerEdge& edge : owner_edges(topology)) {
    out += format("  u{}{{{{{}}}}}\n", edge.owner, mermaid_quote(topology.name_of(topology.spaces[edge.owner])));
    out += format("  u{} -.-|owns| g{}\n", edge.owner, edge.group);
  }
  return out;
}

}  // namespace hull::ns
