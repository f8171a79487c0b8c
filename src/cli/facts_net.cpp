// The facts about networks, sockets and mounts.
#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "base/text.h"
#include "cli/facts.h"
#include "kernel/netlink.h"
#include "ns/content.h"
#include "ns/inside.h"
#include "ns/proc.h"

namespace hull::cli {

using kernel::NsKind;

static json::value links_as_json(const Fd&) {
  json::array out;
  auto links = kernel::list_links();
  for (const kernel::NetLink& link : links ? *links : std::vector<kernel::NetLink>()) {
    json::array addresses;
    for (const std::string& address : link.addresses) addresses.push_back(json::string(address));
    out.push_back(json::object{{"name", link.name}, {"kind", link.kind}, {"mac", link.mac}, {"addresses", std::move(addresses)},
                               {"index", link.index}, {"peer", link.peer_index}});
  }
  return out;
}

namespace {

struct FoundLink {
  const ns::Namespace* space;
  json::value link;
  std::string name() const { return std::string(json::get_string(link, "name")); }
  bool is_veth() const { return json::get_string(link, "kind") == "veth"; }
};

std::vector<FoundLink> links_of(const ns::Snapshot& snapshot) {
  std::vector<FoundLink> found;
  for (const ns::Namespace& space : snapshot.namespaces) {
    if (space.kind != NsKind::Net) continue;
    auto fd = ns::open_found(space);
    auto links = fd ? ns::look_inside(*fd, NsKind::Net, links_as_json) : fail(ErrorKind::NotFound, "");
    if (!links || !links->is_array()) continue;
    for (const json::value& link : links->as_array()) found.push_back({&space, link});
  }
  return found;
}

// The other end of a veth: each names the index of the other.
const FoundLink* other_end(const std::vector<FoundLink>& all, const FoundLink& one) {
  for (const FoundLink& other : all)
    if (&other != &one && other.is_veth() && json::get_int(other.link, "index") == json::get_int(one.link, "peer") &&
        json::get_int(other.link, "peer") == json::get_int(one.link, "index")) return &other;
  return nullptr;
}

// What every net namespace has on its own loopback.
bool is_everybodys(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

}  // namespace

// Of every net namespace. A veth is also of whom its other end is.
void FactFinder::find_addresses() {
  std::vector<FoundLink> all = links_of(snapshot_);
  for (const FoundLink& found : all) {
    std::string name = found.name(), kind(json::get_string(found.link, "kind"));
    std::string there = format("net:[{}]", found.space->inode), where = format("{} in {}", name, there);
    const FoundLink* other = found.is_veth() ? other_end(all, found) : nullptr;
    for (const auto& [owner, pid] : owners_of(*found.space)) {
      add(FactKind::Interface, name, owner, pid, format("{}in {}", kind.empty() ? "" : kind + " ", there));
      if (auto mac = json::get_string(found.link, "mac"); name != "lo" && !mac.empty()) add(FactKind::Mac, std::string(mac), owner, pid, where);
      for (const json::value& address : json::find(found.link, "addresses")->as_array()) {
        std::string_view text = address.as_string();
        std::string ip(text.substr(0, text.find('/')));
        if (!is_everybodys(ip)) add(FactKind::Ip, std::move(ip), owner, pid, where);
      }
    }
    if (other == nullptr || other->space == found.space) continue;
    for (const auto& [owner, pid] : owners_of(*other->space))
      add(FactKind::Interface, name, owner, pid, format("veth in {}, whose other end is {} in net:[{}]", there, other->name(), other->space->inode));
  }
}

void FactFinder::find_sockets() {
  for (const ns::Process& process : snapshot_.processes) {
    auto directory = open_file(format("/proc/{}/fd", process.pid), O_RDONLY | O_DIRECTORY);
    if (!directory) continue;
    ns::each_number(directory->get(), [&](pid_t number) {
      char link[64];
      ssize_t size = ::readlinkat(directory->get(), std::to_string(number).c_str(), link, sizeof link);
      std::string_view text(link, size > 0 ? static_cast<size_t>(size) : 0);
      if (!text.starts_with("socket:[") || !text.ends_with("]")) return;
      std::string inode(text.substr(8, text.size() - 9));
      if (auto value = parse_uint(inode)) socket_holders_.try_emplace(*value, process.pid);
      add(FactKind::Socket, inode, owner_of(process.pid), process.pid, format("descriptor {}", number));
    });
  }
}

namespace {

struct Listener {
  std::string value, detail;
  uint64_t inode = 0;
};

// A line of net/tcp, tcp6, udp, udp6: "sl local remote st … uid timeout inode".
std::optional<Listener> inet_listener(std::string_view line, std::string_view table) {
  auto words = split_words(line);
  bool udp = table.starts_with("udp");
  if (words.size() < 10 || words[3] != (udp ? "07" : "0A")) return std::nullopt;
  std::string address = ns::socket_address(words[1]);
  return Listener{format("{}/{}", address.substr(address.rfind(':') + 1), udp ? "udp" : "tcp"), address, parse_uint(words[9]).value_or(0)};
}

// "Num RefCount Protocol Flags Type St Inode Path" of net/unix, where it accepts.
std::optional<Listener> unix_listener(std::string_view line, std::string_view) {
  constexpr std::string_view kAccepts = "00010000";
  auto words = split_words(line);
  if (words.size() < 8 || words[3] != kAccepts) return std::nullopt;
  return Listener{std::string(words[7]), "listens", parse_uint(words[6]).value_or(0)};
}

}  // namespace

// The tables of each net namespace, read through one process in it; whose socket it is tells its inode.
void FactFinder::find_ports() {
  struct Table { const char* name; FactKind kind; std::optional<Listener> (*parse)(std::string_view, std::string_view); };
  constexpr Table kTables[] = {{"tcp", FactKind::Port, inet_listener}, {"tcp6", FactKind::Port, inet_listener}, {"udp", FactKind::Port, inet_listener},
                               {"udp6", FactKind::Port, inet_listener}, {"unix", FactKind::UnixSocket, unix_listener}};
  for (const ns::Namespace& space : snapshot_.namespaces) {
    if (space.kind != NsKind::Net || space.pid == 0) continue;
    for (const Table& table : kTables) {
      if (!wants(table.kind)) continue;
      std::string text = read_file(format("/proc/{}/net/{}", space.pid, table.name)).value_or("");
      for (std::string_view line : split_lines(text)) {
        auto listener = table.parse(line, table.name);
        if (!listener) continue;
        auto holder = socket_holders_.find(listener->inode);
        if (holder == socket_holders_.end()) continue;  // it is just being closed
        add(table.kind, listener->value, owner_of(holder->second), holder->second, format("{} in net:[{}]", listener->detail, space.inode));
      }
    }
  }
}

// "36 35 98:0 /root /mount/point options … - type source options" of each mount namespace, by one process in it.
void FactFinder::find_mounts() {
  for (const ns::Namespace& space : snapshot_.namespaces) {
    if (space.kind != NsKind::Mnt || space.pid == 0) continue;
    auto owners = owners_of(space);
    std::string text = read_file(format("/proc/{}/mountinfo", space.pid)).value_or("");
    for (std::string_view line : split_lines(text)) {
      auto words = split_words(line);
      if (words.size() < 5) continue;
      for (const auto& [owner, pid] : owners) add(FactKind::MountId, std::string(words[0]), owner, pid, unescape_octal(words[4]));
    }
  }
}

// The layers of our containers, running or not, and of whatever else has an overlay as its root.
void FactFinder::find_overlays() {
  std::set<std::string> told;
  auto add_layer = [&](std::string path, const std::string& owner, pid_t pid, const char* which) {
    if (!path.empty() && told.insert(owner + path).second) add(FactKind::Overlay, std::move(path), owner, pid, which);
  };
  engine::ListOptions all;
  all.all = true;
  auto containers = engine_.list(all);
  for (const engine::Container& listed : containers ? *containers : std::vector<engine::Container>()) {
    auto container = engine_.inspect(listed.record.id);
    if (!container) continue;
    std::string owner = "container " + listed.record.name;
    add_layer(container->upper_dir, owner, listed.state.pid, "upper");
    add_layer(container->work_dir, owner, listed.state.pid, "work");
    for (std::string& lower : split(container->lower_dirs, ':')) add_layer(std::move(lower), owner, listed.state.pid, "lower");
    add_layer(listed.record.config.rootfs, owner, listed.state.pid, "root");
  }
  for (const ns::Namespace& space : snapshot_.namespaces) {
    if (space.kind != NsKind::Mnt || space.pid == 0) continue;
    std::string text = read_file(format("/proc/{}/mountinfo", space.pid)).value_or("");
    for (std::string_view line : split_lines(text)) {
      if (line.find(" - overlay ") == std::string_view::npos) continue;
      for (std::string& option : split(split_words(line).back(), ','))
        if (option.starts_with("upperdir=")) add_layer(unescape_octal(option.substr(9)), owner_of(space.pid), space.pid, "upper");
    }
  }
}

}  // namespace hull::cli
