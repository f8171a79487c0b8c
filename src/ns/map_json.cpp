// The topology for programs: hull map --format json.
#include "base/json.h"
#include "ns/map.h"

namespace hull::ns {
namespace {

json::value names(const Topology& topology, const std::vector<size_t>& parties, size_t except = SIZE_MAX) {
  json::array list;
  for (size_t at : parties)
    if (at != except) list.push_back(json::string(topology.parties[at].name));
  return list;
}

json::value cell_json(const Topology& topology, size_t party, const MapCell& cell) {
  const MapSpace& space = *topology.space(cell);
  json::object out{{"inode", space.space.inode}, {"how", how_name(cell.how)}, {"reason", cell.reason}, {"weak", cell.weak}};
  if (cell.how == How::Shared) out["with"] = names(topology, space.parties, party);
  return out;
}

json::value party_json(const Topology& topology, size_t index) {
  const Party& party = topology.parties[index];
  json::object out{{"name", party.name}, {"type", party_type_name(party.type)}, {"pid", party.pid}, {"processes", party.processes}};
  if (!party.id.empty()) out["id"] = party.id;
  if (!party.detail.empty()) out["detail"] = party.detail;
  if (party.within >= 0) out["within"] = topology.parties[static_cast<size_t>(party.within)].name;
  json::object cells;
  for (const kernel::NsInfo& info : kNamespaces)
    if (const MapCell& cell = party.cells[index_of(info.kind)]; cell.space >= 0) cells[info.name] = cell_json(topology, index, cell);
  out["namespaces"] = std::move(cells);
  json::array marks;
  for (const Mark& mark : party.marks) marks.push_back(json::object{{"name", mark.name}, {"severe", mark.severe}, {"text", mark.text}});
  out["marks"] = std::move(marks);
  return out;
}

json::value space_json(const Topology& topology, const MapSpace& space) {
  const Namespace& found = space.space;
  json::object out{{"kind", kernel::ns_info(found.kind).name}, {"inode", found.inode}, {"name", topology.name_of(space)},
                   {"host", space.host}, {"processes", found.processes}, {"held_by", hold_name(found.hold)}};
  for (auto [key, value] : {std::pair{"id", found.id}, {"owner", found.owner}, {"parent", found.parent}})
    if (value != 0) out[key] = value;
  if (found.owner_uid != static_cast<uid_t>(-1)) out["owner_uid"] = found.owner_uid;
  if (space.home >= 0) out["home"] = topology.parties[static_cast<size_t>(space.home)].name;
  if (space.group >= 0) out["group"] = topology.groups[static_cast<size_t>(space.group)].tag;
  json::array kept, mounts;
  for (const std::string& name : space.names) kept.push_back(json::string(name));
  for (const std::string& path : found.mounts) mounts.push_back(json::string(path));
  out["names"] = std::move(kept);
  out["mounts"] = std::move(mounts);
  out["parties"] = names(topology, space.parties);
  return out;
}

}  // namespace

std::string map_json(const Topology& topology) {
  json::array parties, spaces;
  for (size_t i = 0; i < topology.parties.size(); ++i) parties.push_back(party_json(topology, i));
  for (const MapSpace& space : topology.spaces) spaces.push_back(space_json(topology, space));
  return json::to_text(json::object{{"parties", std::move(parties)}, {"namespaces", std::move(spaces)}}) + "\n";
}

}  // namespace hull::ns
