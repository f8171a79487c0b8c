// What several renderers share: which columns, which colour, whom a user namespace owns, words for people, escapes.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "ns/map.h"

namespace hull::ns {

// Columns from what people share on purpose to what they do not.
constexpr std::array<NsKind, kNsKinds> kMapColumns{NsKind::Net, NsKind::Pid, NsKind::Ipc, NsKind::Uts,
                                                   NsKind::Mnt, NsKind::Cgroup, NsKind::User, NsKind::Time};
constexpr size_t kMapColours = 8;

inline const MapGroup* group_of(const Topology& topology, const MapCell& cell) {
  const MapSpace* space = topology.space(cell);
  return space != nullptr && space->group >= 0 ? &topology.groups[static_cast<size_t>(space->group)] : nullptr;
}
inline size_t colour_of(const Topology& topology, const MapGroup& group) {
  return static_cast<size_t>(&group - topology.groups.data()) % kMapColours;
}

// The reasons of a row worth a word: those of shared namespaces and those a user asked for; each once.
std::vector<std::string> reasons_of(const Topology& topology, const Party& party);
// "12 processes, pid 42, running" or "exited".
std::string about(const Party& party);
// "net of db, shared by db and web (--net=container:db); inode 4026532, owned by user of host": one cell, in full.
std::string cell_text(const Topology& topology, const Party& party, NsKind kind);
// "db, web and log".
std::string list_names(const Topology& topology, const std::vector<size_t>& parties);
// "net, ipc and uts".
std::string list_words(const std::vector<std::string>& words);
// Why this party is in the group: its reasons, each once.
std::vector<std::string> group_reasons(const Topology& topology, const MapGroup& group, const Party& party);
std::vector<std::string> kinds_of(const Topology& topology, const MapGroup& group);

// User namespaces as a tree, parents before children: depth, the namespace, and how many namespaces of each other kind
// it owns ("2 net, 1 uts").
struct OwnerLine {
  size_t depth = 0;
  const MapSpace* space = nullptr;
  std::string name, owns;
};
std::vector<OwnerLine> owner_tree(const Topology& topology);

// By mark, the severe ones first.
std::vector<Weakness> weaknesses_of(const Topology& topology);

std::string escape_xml(std::string_view text);
// Columns of a terminal that a text takes: its code points.
size_t text_width(std::string_view text);
// At most `width` wide, with an ellipsis where something is left out.
std::string shorten(std::string_view text, size_t width, const char* ellipsis = "…");
// "1 container", "3 containers".
std::string count_of(size_t count, const char* singular, const char* plural);
// "3 containers, 2 bare processes, 1 name; 4 namespaces are shared".
std::string map_summary(const Topology& topology);
// "Namespaces of build7".
std::string map_title(const Topology& topology);

// Colours of pictures and pages. Every text on its background has a contrast of at least 4.5 (WCAG 2.2, 1.4.3).
struct MapPalette {
  const char *back, *text, *dim, *line, *band, *red, *red_back, *amber;
  struct Group { const char *fill, *line, *text; };
  std::array<Group, kMapColours> groups;
};
extern const MapPalette kLightPalette, kDarkPalette;

}  // namespace hull::ns
