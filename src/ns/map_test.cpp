// The map's three passes and its renderers, over made-up hosts.
#include "ns/map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/json.h"
#include "base/text.h"
#include "ns/map_draw.h"

namespace hull::ns {
namespace {

constexpr NsKind kNet = NsKind::Net, kPid = NsKind::Pid, kUser = NsKind::User, kUts = NsKind::Uts;

// A host whose namespaces are 1..8, to which processes with some of their own are added.
struct Host {
  Snapshot snapshot;
  MapInput input;
  std::map<pid_t, ProcessFacts> facts;

  Host() {
    for (const kernel::NsInfo& info : kNamespaces) input.host[index_of(info.kind)] = 1 + index_of(info.kind);
    input.host_name = "build7";
    input.all_capabilities = 0xff;
    add(1, "init", 0, {});
  }

  Inodes with(std::initializer_list<std::pair<NsKind, uint64_t>> own) const {
    Inodes inodes = input.host;
    for (auto [kind, inode] : own) inodes[index_of(kind)] = inode;
    return inodes;
  }

  void add(pid_t pid, const char* name, pid_t parent, std::initializer_list<std::pair<NsKind, uint64_t>> own) {
    Process process{.pid = pid, .ppid = parent, .uid = 0, .command = name, .inode = with(own)};
    snapshot.processes.push_back(process);
    facts[pid] = ProcessFacts{.name = name, .label = "", .parent = parent};
  }

  MapContainer& container(const char* name, pid_t pid) {
    MapContainer made;
    made.name = name;
    made.id = std::string(64, name[0]);
    made.status = "running";
    made.pid = pid;
    input.containers.push_back(made);
    return input.containers.back();
  }

  Topology build() {
    std::map<uint64_t, Namespace> spaces;
    for (const Process& process : snapshot.processes)
      for (const kernel::NsInfo& info : kNamespaces) {
        uint64_t inode = process.inode[index_of(info.kind)];
        Namespace& space = spaces[inode];
        space.kind = info.kind;
        space.inode = inode;
        space.owner = input.host[index_of(kUser)];
        if (space.processes++ == 0) space.pid = process.pid;
      }
    for (const Namespace& extra : snapshot.namespaces) spaces[extra.inode] = extra;
    snapshot.namespaces.clear();
    for (auto& [inode, space] : spaces) snapshot.namespaces.push_back(space);
    input.snapshot = &snapshot;
    Look look;
    look.process = [this](pid_t pid) { return facts[pid]; };
    look.privileges = [this](pid_t pid, ProcessFacts& out) { out.capabilities = facts[pid].capabilities, out.seccomp = facts[pid].seccomp; };
    return build_topology(input, look);
  }
};

const Party& party(const Topology& topology, std::string_view name) {
  for (const Party& found : topology.parties)
    if (found.name == name) return found;
  ADD_FAILURE() << "no party " << name;
  return topology.parties.front();
}

std::vector<std::string> names(const Topology& topology) {
  std::vector<std::string> out;
  for (const Party& found : topology.parties) out.push_back(found.name);
  return out;
}

// db, web in its net and pid, a privileged agent of the host's, and a bare process in a net of its own.
Host small_host() {
  Host host;
  host.add(10, "redis", 1, {{kNet, 100}, {kPid, 101}, {kUts, 102}});
  host.add(20, "nginx", 1, {{kNet, 100}, {kPid, 101}, {kUts, 103}});
  host.add(30, "agent", 1, {{kUts, 104}});
  host.add(40, "sleep", 1, {{kNet, 105}});
  host.container("db", 10).asked_private = {true, true, true, true, true, true, true, true};
  MapContainer& web = host.container("web", 20);
  web.reasons[index_of(kNet)] = "--net=container:db";
  web.reasons[index_of(kPid)] = "--pid=container:db";
  MapContainer& agent = host.container("agent", 30);
  agent.privileged = true;
  agent.reasons[index_of(kNet)] = "--net=host";
  host.facts[30].capabilities = 0xff | (1 << 19) | (1 << 21);
  return host;
}

TEST(Map, TellsWhoSharesWithWhomAndWhy) {
  Host host = small_host();
  Topology topology = host.build();
  EXPECT_EQ(names(topology), (std::vector<std::string>{"host", "agent", "db", "web", "sleep (40)"}));
  const MapCell& net = party(topology, "web").cells[index_of(kNet)];
  EXPECT_EQ(net.how, How::Shared);
  EXPECT_EQ(net.reason, "--net=container:db");
  EXPECT_EQ(topology.name_of(*topology.space(net)), "net of db");
  EXPECT_EQ(party(topology, "db").cells[index_of(kNet)].reason, "made for it");
  EXPECT_EQ(party(topology, "web").cells[index_of(kUts)].how, How::Own);
  EXPECT_EQ(party(topology, "sleep (40)").cells[index_of(kPid)].reason, "inherited from host");
  ASSERT_EQ(topology.groups.size(), 1u);  // net and pid have the same sharers
  EXPECT_EQ(kinds_of(topology, topology.groups[0]), (std::vector<std::string>{"net", "pid"}));
}

TEST(Map, MarksWhatWeakensIsolation) {
  Host host = small_host();
  Topology topology = host.build();
  std::vector<std::string> marks;
  for (const Mark& mark : party(topology, "agent").marks) marks.push_back(mark.name);
  EXPECT_EQ(marks, (std::vector<std::string>{"privileged", "host pid + ptrace", "host net", "host ipc", "host mnt"}));
  EXPECT_TRUE(party(topology, "agent").cells[index_of(kNet)].weak);
  EXPECT_TRUE(party(topology, "db").marks.size() == 2);  // the test's db is in the host's ipc and mnt
  EXPECT_TRUE(party(topology, "sleep (40)").marks.empty()) << "only containers are held to isolation";
  EXPECT_TRUE(weaknesses_of(topology).front().mark->severe);
}

TEST(Map, AStoppedContainerAndAKeptNameHaveTheirRows) {
  Host host = small_host();
  MapContainer& old = host.container("old", 0);
  old.status = "exited";
  old.inodes[index_of(kNet)] = 100;
  host.snapshot.namespaces.push_back({.kind = kNet, .inode = 200, .processes = 0, .pid = 0, .hold = Hold::Mount});
  host.input.pins.push_back({"lab", "/run/hull/ns/lab/net", 200});
  Topology topology = host.build();
  EXPECT_EQ(party(topology, "old").cells[index_of(kNet)].how, How::Shared);
  EXPECT_EQ(party(topology, "old").cells[index_of(kPid)].how, How::None);
  EXPECT_EQ(party(topology, "lab").type, PartyType::Pin);
  EXPECT_EQ(topology.name_of(*topology.find(200)), "net of lab");
}

TEST(Map, AnotherEnginesContainerIsNamedByItsCgroup) {
  Host host;
  host.add(50, "conmon-child", 1, {{kNet, 300}});
  host.facts[50].label = "podman 0123456789ab";
  host.add(60, "web-of-unit", 1, {{kNet, 301}});
  host.facts[60].label = "unit web.service";
  Topology topology = host.build();
  EXPECT_EQ(party(topology, "podman 0123456789ab").type, PartyType::Engine);
  EXPECT_EQ(party(topology, "web-of-unit (60)").detail, "unit web.service");
}

TEST(Map, ProcessesThatEndedAndKernelThreadsAreLeftOut) {
  Host host;
  host.add(70, "zombie", 1, {});
  host.snapshot.processes.back().inode = {};
  host.snapshot.processes.back().inode[index_of(kPid)] = host.input.host[index_of(kPid)];
  host.add(80, "kdevtmpfs", 2, {{NsKind::Mnt, 400}});
  host.facts[80].kernel_thread = true;
  EXPECT_EQ(names(host.build()), (std::vector<std::string>{"host"}));
  host.input.kernel_threads = true;
  EXPECT_EQ(names(host.build()), (std::vector<std::string>{"host", "kdevtmpfs (80)"}));
}

TEST(Map, SharersStandTogether) {
  Host host;
  host.add(10, "a", 1, {{kUts, 100}});
  host.add(11, "b", 1, {{kNet, 101}});
  host.add(12, "c", 1, {{kUts, 100}, {kNet, 102}});
  host.add(13, "d", 1, {{kNet, 102}, {kPid, 103}});
  for (auto [name, pid] : {std::pair{"a", 10}, {"b", 11}, {"c", 12}, {"d", 13}}) host.container(name, pid);
  EXPECT_EQ(names(host.build()), (std::vector<std::string>{"host", "a", "c", "d", "b"}));
}

TEST(Map, TextFitsEveryWidth) {
  Topology topology = small_host().build();
  for (size_t width = 24; width < 200; ++width)
    for (const std::string& text : {map_matrix(topology, {width, true, false}), map_tree(topology, {width, true, false})})
      for (std::string_view line : split_lines(text)) EXPECT_LE(text_width(line), width) << line;
  EXPECT_EQ(map_matrix(topology, {60, false, false}).find('\xe2'), std::string::npos) << "plain letters for a terminal without UTF-8";
}

TEST(Map, NarrowTerminalsAreToldWhatTheirSignsMean) {
  Topology topology = small_host().build();
  EXPECT_NE(map_matrix(topology, {40, true, false}).find("net pid ipc uts mnt cgroup user time\no its own, · the host's, A shared\n"), std::string::npos);
  EXPECT_EQ(map_matrix(topology, {200, true, false}).find("its own"), std::string::npos);
}

TEST(Map, ThePictureLeavesNothingOut) {
  Host host;
  std::string name(60, 'n');
  host.add(10, "a", 1, {{kNet, 100}});
  host.add(11, "b", 1, {{kUts, 101}});
  host.container(name.c_str(), 10);
  host.container("b", 11);
  Topology topology = host.build();
  topology.parties[1].marks.push_back({"privileged", "root inside is root outside", true});
  std::string svg = map_svg(topology);
  EXPECT_NE(svg.find(">" + name + "<"), std::string::npos) << "a long name, whole";
  EXPECT_NE(svg.find("What weakens isolation"), std::string::npos);
  EXPECT_NE(svg.find("root inside is root outside</tspan>"), std::string::npos);
}

TEST(Map, EveryFormatQuotesHostileNames) {
  Host host;
  host.add(10, "\x1b]0;x\x07<script>\"'&\\", 1, {{kNet, 100}});
  host.add(11, "`;]\n--|x|#", 1, {{kNet, 100}});
  for (auto& [pid, facts] : host.facts) facts.name = escape_controls(facts.name);  // as map_input gives them
  Topology topology = host.build();
  for (const std::string& text : {map_svg(topology), map_html(topology), map_dot(topology), map_mermaid(topology), map_json(topology),
                                  map_matrix(topology, {0, true, false}), map_tree(topology, {0, true, false})})
    for (char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << static_cast<int>(c);
  EXPECT_EQ(map_svg(topology).find("<script"), std::string::npos);
  EXPECT_EQ(map_html(topology).find("<script"), std::string::npos);
  EXPECT_EQ(map_mermaid(topology).find("<script"), std::string::npos);
  EXPECT_TRUE(json::parse(map_json(topology), "map").has_value());
}

double luminance(const char* colour) {
  std::string_view hex = colour + 1;
  auto channel = [&](size_t at) {
    std::string two = hex.size() == 3 ? std::string(2, hex[at]) : std::string(hex.substr(at * 2, 2));
    double value = std::stoi(two, nullptr, 16) / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2);
}

double contrast(const char* a, const char* b) {
  double one = luminance(a), two = luminance(b);
  return (std::max(one, two) + 0.05) / (std::min(one, two) + 0.05);
}

TEST(Map, EveryTextHasContrast) {
  for (const MapPalette* palette : {&kLightPalette, &kDarkPalette}) {
    for (const char* ground : {palette->back, palette->band})
      for (const char* text : {palette->text, palette->dim, palette->red, palette->amber}) EXPECT_GE(contrast(text, ground), 4.5) << text << " on " << ground;
    EXPECT_GE(contrast(palette->red, palette->red_back), 4.5);
    for (const MapPalette::Group& group : palette->groups) EXPECT_GE(contrast(group.text, group.fill), 4.5) << group.text << " on " << group.fill;
  }
}

}  // namespace
}  // namespace hull::ns
