// Order and letters of a topology: parties that share something form a cluster and stand together, containers first.
#include <algorithm>
#include <map>
#include <numeric>

#include "ns/map_build.h"

namespace hull::ns {
namespace {

class Clusters {
 public:
  explicit Clusters(size_t count) : above_(count) { std::iota(above_.begin(), above_.end(), size_t{0}); }
  size_t top(size_t at) {
    while (above_[at] != at) at = above_[at] = above_[above_[at]];
    return at;
  }
  void join(size_t a, size_t b) { above_[top(a)] = top(b); }

 private:
  std::vector<size_t> above_;
};

void fill_members(Topology& topology) {
  for (MapSpace& space : topology.spaces) space.parties.clear();
  for (size_t i = 0; i < topology.parties.size(); ++i)
    for (const MapCell& cell : topology.parties[i].cells)
      if (cell.space >= 0) topology.spaces[static_cast<size_t>(cell.space)].parties.push_back(i);
}

void find_clusters(Topology& topology) {
  Clusters clusters(topology.parties.size());
  for (const MapSpace& space : topology.spaces)
    for (size_t i = 1; i < space.parties.size() && !space.host; ++i)
      if (space.parties[0] != 0) clusters.join(space.parties[0], space.parties[i]);
  for (size_t i = 0; i < topology.parties.size(); ++i) topology.parties[i].cluster = clusters.top(i);
}

// Where a party comes in the list: the host, clusters with a container of ours, with another engine's, sharers, the rest.
struct ClusterKey {
  int rank = 9;
  std::string name;
  size_t members = 0;
};

int rank_of(PartyType type) {
  switch (type) {
    case PartyType::Host: return 0;
    case PartyType::Container: return 1;
    case PartyType::Engine: return 2;
    case PartyType::Process: return 4;
    case PartyType::Pin: return 5;
    case PartyType::Holder: return 6;
  }
  return 9;
}

std::map<size_t, ClusterKey> cluster_keys(const Topology& topology) {
  std::map<size_t, ClusterKey> keys;
  for (const Party& party : topology.parties) {
    ClusterKey& key = keys[party.cluster];
    int rank = rank_of(party.type);
    if (rank < key.rank || (rank == key.rank && party.name < key.name)) key.name = party.name;
    key.rank = std::min(key.rank, rank);
    ++key.members;
  }
  for (auto& [cluster, key] : keys)
    if (key.rank == 4 && key.members > 1) key.rank = 3;  // bare processes that share come before those that do not
  return keys;
}

void sort_parties(Topology& topology) {
  std::map<size_t, ClusterKey> keys = cluster_keys(topology);
  std::sort(topology.parties.begin(), topology.parties.end(), [&](const Party& a, const Party& b) {
    if (a.cluster != b.cluster) {
      const ClusterKey &of_a = keys[a.cluster], &of_b = keys[b.cluster];
      return std::tie(of_a.rank, of_a.name, a.cluster) < std::tie(of_b.rank, of_b.name, b.cluster);
    }
    int rank_a = rank_of(a.type), rank_b = rank_of(b.type);
    if (rank_a != rank_b) return rank_a < rank_b;
    if (a.type == PartyType::Process) return a.pid < b.pid;
    return a.name < b.name;
  });
  size_t number = 0, previous = topology.parties.empty() ? 0 : topology.parties[0].cluster;
  for (Party& party : topology.parties) {
    if (party.cluster != previous) ++number;
    previous = party.cluster;
    party.cluster = number;
  }
}

size_t common(const Party& a, const Party& b, const Topology& topology) {
  size_t count = 0;
  for (size_t i = 0; i < kNsKinds; ++i) {
    const MapSpace* space = topology.space(a.cells[i]);
    count += space != nullptr && !space->host && a.cells[i].space == b.cells[i].space;
  }
  return count;
}

// Within a cluster, the next is who shares most with the last, so that the bars of a picture are whole.
void chain_cluster(Topology& topology, size_t first, size_t end) {
  constexpr size_t kTooMany = 2000;  // the work is the square of it
  if (end - first > kTooMany) return;
  for (size_t at = first + 1; at < end; ++at) {
    size_t best = at, most = 0;
    for (size_t other = at; other < end; ++other)
      if (size_t shares = common(topology.parties[at - 1], topology.parties[other], topology); shares > most) best = other, most = shares;
    auto from = topology.parties.begin() + static_cast<ptrdiff_t>(at);
    std::rotate(from, topology.parties.begin() + static_cast<ptrdiff_t>(best), topology.parties.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

void chain_parties(Topology& topology) {
  for (size_t first = 0, end = 0; first < topology.parties.size(); first = end) {
    for (end = first; end < topology.parties.size() && topology.parties[end].cluster == topology.parties[first].cluster; ++end) {}
    chain_cluster(topology, first, end);
  }
}

std::string letters(size_t number) {
  std::string tag(1, static_cast<char>('A' + number % 26));
  return number < 26 ? tag : letters(number / 26 - 1) + tag;
}

void make_groups(Topology& topology) {
  std::map<std::vector<size_t>, size_t> groups;
  for (size_t i = 0; i < topology.spaces.size(); ++i)
    if (!topology.spaces[i].host && topology.spaces[i].parties.size() > 1) groups.try_emplace(topology.spaces[i].parties, 0);
  for (auto& [parties, number] : groups) {  // in the order of their first rows
    number = topology.groups.size();
    topology.groups.push_back({letters(number), parties, {}});
  }
  for (const kernel::NsInfo& info : kNamespaces)
    for (size_t i = 0; i < topology.spaces.size(); ++i) {
      MapSpace& space = topology.spaces[i];
      if (space.space.kind != info.kind || space.host || space.parties.size() < 2) continue;
      space.group = static_cast<int>(groups[space.parties]);
      topology.groups[static_cast<size_t>(space.group)].spaces.push_back(i);
    }
}

}  // namespace

void order_topology(Topology& topology) {
  fill_members(topology);
  find_clusters(topology);
  sort_parties(topology);
  chain_parties(topology);
  fill_members(topology);
  make_groups(topology);
  for (Party& party : topology.parties)
    for (MapCell& cell : party.cells)
      if (const MapSpace* space = topology.space(cell))
        cell.how = space->host ? How::Host : space->parties.size() > 1 ? How::Shared : How::Own;
}

}  // namespace hull::ns
