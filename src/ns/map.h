// Who shares which namespace with whom, as plain data: a snapshot of the host and what is known of containers become a
// Topology, which the renderers (map_*.cpp, one a format) draw. Pure: what it must ask of a process goes through Look.
// Called by cli/map.cpp. A party is all processes with the same eight namespaces; or a container; or a kept name.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "ns/snapshot.h"

namespace hull::ns {

// ---- what the builder is told

using Inodes = std::array<uint64_t, kNsKinds>;

// A container of ours. `reasons` are as the user asked: "--net=container:db", "" where nothing was said.
struct MapContainer {
  std::string name, id, status;  // status: "running", "exited"
  pid_t pid = 0;                 // 0: does not run
  pid_t forwarder = 0;           // hull-port: ours, and no party of its own
  Inodes inodes{};               // its process's, else those kept for it; 0: none
  std::array<std::string, kNsKinds> reasons;
  std::array<bool, kNsKinds> asked_private{};  // made for it, not joined
  bool privileged = false;
};

// A namespace kept under a name by an nsfs mount.
struct MapPin { std::string name, path; uint64_t inode = 0; };

// What /proc says of one process; asked only for the first of each party and its ancestors.
struct ProcessFacts {
  std::string name;      // comm
  std::string label;     // cgroup_label(): "docker 0123456789ab", "unit ssh.service", ""
  pid_t parent = 0;
  bool kernel_thread = false;
  uint64_t capabilities = 0;  // effective; of containers only
  bool seccomp = true;
};
struct Look {
  std::function<ProcessFacts(pid_t)> process;
  std::function<void(pid_t, ProcessFacts&)> privileges;
};

struct MapInput {
  const Snapshot* snapshot = nullptr;
  Inodes host{};                        // the namespaces that count as the host's
  std::string host_name;
  uint64_t all_capabilities = 0;        // every capability of this kernel
  bool kernel_threads = false;          // whether those with a namespace of their own are shown
  std::vector<MapContainer> containers;
  std::vector<MapPin> pins;
};

// ---- what it builds

enum class PartyType : uint8_t { Host, Container, Engine, Process, Pin, Holder };
const char* party_type_name(PartyType type);  // "host", "container", "engine", "process", "name", "holder"

enum class How : uint8_t { None, Host, Own, Shared };
const char* how_name(How how);  // "none", "host", "own", "shared"

struct MapCell {
  How how = How::None;
  int space = -1;      // index into Topology::spaces
  bool weak = false;   // a mark comes from here
  std::string reason;  // "--net=container:db", "inherited from host", "joined db's"
};

struct Mark {
  std::string name;  // "host pid + ptrace"
  std::string text;  // what it means, one line
  bool severe = false;
};

struct Party {
  PartyType type = PartyType::Process;
  std::string name;    // unique: "db", "docker 0123456789ab", "sshd (42)"
  std::string id;      // a container's
  std::string detail;  // a container's status, the host's name, a process's unit or container
  int within = -1;     // the party whose process began it, when that is not the host
  pid_t pid = 0;       // lowest; 0: none
  uint32_t processes = 0;
  std::array<MapCell, kNsKinds> cells;
  std::vector<Mark> marks;
  size_t cluster = 0;  // parties of one cluster share something, and stand together
};

struct MapSpace {
  Namespace space;
  bool host = false;
  std::vector<size_t> parties;      // rows, in order
  int home = -1;                    // the party it was made for
  int group = -1;                   // into Topology::groups, when shared and not the host's
  std::vector<std::string> names;   // pins
};

// Namespaces with the same set of sharers: one letter, one colour.
struct MapGroup {
  std::string tag;  // "A", "B" … "Z", "AA"
  std::vector<size_t> parties;
  std::vector<size_t> spaces;
};

// A mark, and the parties that have it.
struct Weakness { const Mark* mark = nullptr; std::vector<size_t> parties; };

struct Topology {
  std::vector<Party> parties;    // the host first
  std::vector<MapSpace> spaces;  // by inode
  std::vector<MapGroup> groups;

  const MapSpace* space(const MapCell& cell) const { return cell.space < 0 ? nullptr : &spaces[static_cast<size_t>(cell.space)]; }
  const MapSpace* find(uint64_t inode) const;
  // "net of db", "user of host", "net lab", for people.
  std::string name_of(const MapSpace& space) const;
};

Topology build_topology(const MapInput& input, const Look& look);

// ---- what it is drawn as

struct MapTerminal { size_t width = 0; bool utf8 = true, colour = false; };  // width 0: as wide as needed
std::string map_matrix(const Topology& topology, const MapTerminal& terminal);
std::string map_tree(const Topology& topology, const MapTerminal& terminal);
std::string map_json(const Topology& topology);
std::string map_svg(const Topology& topology);
std::string map_html(const Topology& topology);
std::string map_dot(const Topology& topology);
std::string map_mermaid(const Topology& topology);

}  // namespace hull::ns
