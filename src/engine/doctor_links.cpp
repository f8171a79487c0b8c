#include "engine/doctor_links.h"

#include <algorithm>

#include "base/text.h"
#include "engine/records.h"
#include "engine/sharing.h"
#include "engine/state.h"
#include "kernel/netlink.h"
#include "ns/inside.h"
#include "ns/scan.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

// Names of all but the loopback, and whether one of them carries anything.
json::value links_beside_loopback(const Fd&) {
  json::array names;
  bool carries = false;
  auto links = kernel::list_links();
  for (const kernel::NetLink& link : links ? *links : std::vector<kernel::NetLink>()) {
    if (link.name == "lo") continue;
    names.push_back(json::string(link.name));
    carries |= link.up && (link.state == "up" || link.state == "unknown");
  }
  return json::object{{"names", std::move(names)}, {"carries", carries}};
}

std::optional<Finding> examine_uplink(const Layout& layout, const Place& place, const Record& record) {
  State state = stand(layout, place).state;
  if (!state.running() || record.config.ns(NsKind::Net).mode != NsMode::Private) return std::nullopt;
  auto ns = kernel::open_ns(state.pid, NsKind::Net);
  auto links = ns ? ns::look_inside(*ns, NsKind::Net, links_beside_loopback) : fail(ErrorKind::NotFound, "");
  if (!links || json::get_bool(*links, "carries")) return std::nullopt;
  std::vector<std::string> names;
  for (const json::value& name : json::find(*links, "names")->as_array()) names.emplace_back(name.as_string());
  if (names.empty()) return std::nullopt;  // it never had any
  return Finding{"lost-uplink", escape_controls(record.name),
                 format("nothing reaches it from outside: of its links none is up ({}); set it up, or what it leads to", escape_controls(join(names, ", "))), false};
}

// The id of a container without a record in whose kept namespaces alone the other end is; "" where that is not so.
std::string gone_owner(const std::string& store, const ns::Namespace& space, const std::set<std::string>& known) {
  std::string owner;
  for (const std::string& path : space.mounts) {
    if (!path.starts_with(store + "/@")) return "";
    owner = path.substr(store.size() + 2, 64);
    if (known.contains(owner)) return "";
  }
  return space.processes == 0 ? owner : "";
}

std::vector<Finding> examine_veths(const Layout& layout, const std::set<std::string>& known) {
  std::vector<Finding> findings;
  auto links = kernel::list_links();
  auto leads_away = [](const kernel::NetLink& link) { return link.kind == "veth" && link.peer_netns_id; };
  if (!links || std::none_of(links->begin(), links->end(), leads_away)) return findings;
  ns::ScanRequest request;
  request.kinds = ns::mask_of(NsKind::Net);
  request.facts = false;
  request.mounts = true;
  auto snapshot = ns::scan(request);
  std::string store = pin_store(layout).directory();
  for (const ns::Namespace& space : snapshot ? snapshot->namespaces : std::vector<ns::Namespace>()) {
    std::string owner = gone_owner(store, space, known);
    auto ns = owner.empty() ? fail(ErrorKind::NotFound, "") : ns::open_found(space);
    auto id = ns ? kernel::netns_id(*ns) : fail(ErrorKind::NotFound, "");
    if (!id || !*id) continue;
    for (const kernel::NetLink& link : *links)
      if (leads_away(link) && link.peer_netns_id == *id)
        findings.push_back({"leaked-veth", escape_controls(link.name), format("its other end is in the net namespace of {}, a container that is gone", owner.substr(0, 12))});
  }
  return findings;
}

}  // namespace

std::vector<Finding> examine_links(const Layout& layout, const std::set<std::string>& known) {
  std::vector<Finding> findings = examine_veths(layout, known);
  Records records(layout);
  for (const Place& place : records.all())
    if (auto record = records.load(place))
      if (auto found = examine_uplink(layout, place, *record)) findings.push_back(std::move(*found));
  return findings;
}

}  // namespace hull::engine
