#include "engine/doctor.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "engine/doctor_links.h"
#include "engine/identity.h"
#include "engine/named.h"
#include "engine/names.h"
#include "engine/ports.h"
#include "engine/sharing.h"
#include "engine/state.h"
#include "image/store.h"
#include "kernel/cgroup.h"
#include "kernel/host_facts.h"
#include "ns/ip_netns.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

bool is_id(std::string_view text) { return text.size() == 64 && is_id_prefix(text); }

std::string link_target(const std::string& path) {
  char target[4096];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

// Whoever runs in its group stands on its files, whatever has become of its record.
bool has_processes(const std::string& id) {
  if (host_cgroups() == nullptr) return false;
  auto group = host_cgroups()->find("/hull/" + id);
  return group && !(*group)->empty().value_or(false);
}

// A container's mounts are made in its own namespace: on the host there are none in these directories but the pins'.
std::vector<std::string> leaked_mounts(const Layout& layout) {
  std::vector<std::string> found;
  std::string mounts = read_file("/proc/self/mountinfo").value_or("");
  for (std::string_view line : split_lines(mounts)) {
    auto fields = split_words(line);
    std::string point = fields.size() > 4 ? unescape_octal(fields[4]) : "";
    if (point == layout.mount_point() || point.starts_with(layout.root + "/snapshots/") || point.starts_with(layout.run_containers() + "/")) found.push_back(std::move(point));
  }
  return found;
}

class Examiner {
 public:
  explicit Examiner(const Engine& engine) : layout_{engine.root(), engine.run_directory()}, records_(layout_), store_(pin_store(layout_)) {}

  std::vector<Finding> run() {
    for (const Place& place : records_.all()) {
      known_.insert(place.id);
      auto record = records_.load(place);
      if (record) examine_container(place, *record);
      else find("damaged-record", records_.directory(place), record.error().text() + "; end its process, if it has one, and remove the directory", false);
    }
    examine_directories(layout_.containers(), "record");
    examine_directories(layout_.run_containers(), "runtime directory");
    examine_names();
    examine_pins();
    examine_published();
    examine_snapshots();
    examine_cgroups();
    for (Finding& finding : examine_links(layout_, known_)) findings_.push_back(std::move(finding));
    for (const std::string& mount : leaked_mounts(layout_)) find("leaked-mount", mount, "a mount where hull makes none");
    return std::move(findings_);
  }

 private:
  void find(std::string kind, std::string subject, std::string text, bool repairable = true) {
    findings_.push_back({std::move(kind), escape_controls(subject), std::move(text), repairable});
  }

  // A record that is locked is being worked on: what looks wrong may be half of something right.
  bool busy(const Place& place) const {
    auto lock = RecordLock::try_take(records_.directory(place));
    return lock && !*lock;
  }

  void examine_container(const Place& place, const Record& record) {
    if (busy(place)) return;
    Standing standing = stand(layout_, place);
    if (!records_.has_its_name(record)) find("lost-name", record.name, format("{} has lost its name", short_id(record.id)));
    bool own_pids = record.config.ns(NsKind::Pid).mode == NsMode::Private;
    if (!standing.state.running() && own_pids && has_processes(place.id)) {
      find("unrecorded-process", record.name, format("its record says that it has ended, and processes run in /hull/{}; end them", place.id), false);
      return;
    }
    if (!standing.settled) find("unsettled-end", record.name, "its process has ended and nobody has dealt with it");
    if (standing.state.status == Status::Created && !record.image_id.empty()) {
      auto store = image::ImageStore::open(layout_.root);
      if (store && !store->find_snapshot(record.id)) find("half-made-container", record.name, "its making was cut short, so it has no file system");
    }
    for (const Unindexed& lost : find_unindexed(layout_, record))
      find("lost-index", record.name, format("shares the {} namespace of {}, which would not find it when it is made again", kernel::ns_info(lost.kind).name, lost.root));
    if (!standing.state.running()) return;
    if (standing.state.shim_pid == 0)
      find("lost-shim", record.name, "its hull-shim was killed: it runs on, but its output is lost; restart it when that suits", false);
    if (lost_forwarder(layout_, place.id, standing.state)) find("lost-ports", record.name, "its hull-port was killed: its published ports do not answer");
    if (!place.ephemeral && !kernel::is_unprivileged() && !store_.exists(kept_name(record.id))) find("unkept-namespaces", record.name, "its namespaces are not pinned and would end with its process");
    examine_sharing(record, standing.state.pid);
  }

  // Whether the sharer is still where its target is.
  void examine_sharing(const Record& record, pid_t pid) {
    for (const kernel::NsInfo& info : kernel::kNamespaces) {
      const NamespaceSpec& spec = record.config.ns(info.kind);
      if (spec.mode != NsMode::Container) continue;
      auto target = records_.find(spec.target);
      if (!target) {
        find("orphaned-sharer", record.name, format("shares the {} namespace of {}, which is gone; one made again under that name takes it back", info.name, spec.target), false);
        continue;
      }
      State state = stand(layout_, *target).state;
      if (state.running() && kernel::ns_inode(state.pid, info.kind) != kernel::ns_inode(pid, info.kind))
        find("parted-sharer", record.name, format("{} runs in another {} namespace by now; restart {} to join it again", spec.target, info.name, record.name), false);
    }
  }

  void examine_directories(const std::string& directory, const char* what) {
    for (const std::string& id : list_directory(directory))
      if (is_id(id) && !known_.contains(id) && !has_processes(id) && !busy({id, directory == layout_.run_containers()}))
        find("nameless-record", directory + "/" + id, format("a {} without a configuration, of a container that was being made or removed", what));
  }

  void examine_names() {
    for (bool ephemeral : {false, true})
      for (const std::string& name : list_directory(layout_.names(ephemeral)))
        if (std::string id = link_target(layout_.names(ephemeral) + "/" + name); !known_.contains(id) && !has_processes(id)) find("stale-name", name, "the name of a container that is gone");
  }

  void examine_pins() {
    for (const std::string& entry : list_directory(store_.directory())) {
      if (entry[0] == '.') find("half-made-set", store_.directory() + "/" + entry, "a set of namespaces that was being made or removed");
      else if (entry[0] == '=') examine_index(entry);
      else if (entry[0] == '@' && !known_.contains(entry.substr(1)) && has_processes(entry.substr(1))) continue;
      else if (entry[0] == '@' && !known_.contains(entry.substr(1))) find("leaked-pins", entry, "namespaces of a container that is gone");
      else examine_set(entry);
    }
  }

  void examine_index(const std::string& entry) {
    for (const std::string& file : list_directory(store_.directory() + "/" + entry))
      if (!known_.contains(file.substr(0, file.rfind('.')))) find("stale-index", entry + "/" + file, "says that a container shares which is gone");
  }

  void examine_set(const std::string& name) {
    if (auto damage = store_.damage(name)) {
      auto mounted = store_.load(name);
      find("damaged-set", name, format("{}; {}", damage->text(), mounted ? "its namespaces are kept, and its record can be made anew from them" : "it keeps nothing"));
      return;
    }
    auto set = store_.load(name);
    if (!set) return;  // removed meanwhile
    for (const ns::Pin& pin : set->pins) {
      auto live = store_.live(name, pin.kind);
      if (!live) find("stale-pin", name, format("its {} namespace is gone: the pin was unmounted", kernel::ns_info(pin.kind).name));
      else if (*live != pin.inode) find("stale-pin", name, format("its {} pin holds another namespace than its record says", kernel::ns_info(pin.kind).name));
    }
    if (set->holder > 0 && is_gone({set->holder, set->holder_identity}))
      find("dead-holder", name, "the hull-init that held its pid namespace has ended, and nobody can enter that any more");
  }

  void examine_published() {
    for (const std::string& name : list_directory("/run/netns"))
      if (std::string target = link_target("/run/netns/" + name); target.starts_with(store_.directory() + "/") && !path_exists(target))
        find("stale-ip-netns", name, "/run/netns names a namespace that is gone");
  }

  void examine_snapshots() {
    for (const std::string& id : list_directory(layout_.root + "/snapshots"))
      if (is_id(id) && !known_.contains(id) && !has_processes(id)) find("leaked-layer", layout_.root + "/snapshots/" + id, "the writable layer of a container that is gone");
  }

  void examine_cgroups() {
    if (host_cgroups() == nullptr) return;
    auto layout = kernel::discover_cgroups();
    if (!layout) return;
    std::vector<std::string> tops;
    for (const kernel::CgroupHierarchy& hierarchy : layout->v1) tops.push_back(hierarchy.mount_point);
    if (layout->v2) tops.push_back(layout->v2->mount_point);
    std::set<std::string> told;
    for (const std::string& top : tops)
      for (const std::string& id : list_directory(top + "/hull"))
        if (is_id(id) && !known_.contains(id) && told.insert(id).second) examine_group(top + "/hull/" + id, id);
  }

  void examine_group(const std::string& directory, const std::string& id) {
    std::string processes = read_file(directory + "/cgroup.procs").value_or("");
    if (processes.empty()) find("leaked-cgroup", "/hull/" + id, "the group of a container that is gone");
    else find("unrecorded-process", "/hull/" + id, format("process {} runs in the group of a container that has no record here; end it if it is not another HULL_ROOT's", split_lines(processes).front()), false);
  }

  Layout layout_;
  Records records_;
  ns::PinStore store_;
  std::set<std::string> known_;
  std::vector<Finding> findings_;
};

// What the ordinary clean-up leaves alone: sets whose pins somebody unmounted.
Result<> repair_sets(const Layout& layout, const ns::PinStore& store) {
  Records records(layout);
  for (const std::string& id : store.kept()) {
    if (store.load(kept_name(id))) TRY(mend_set(store, kept_name(id)));
    auto set = store.load(kept_name(id));
    bool whole = set && std::all_of(set->pins.begin(), set->pins.end(), [&](const ns::Pin& pin) { return store.live(kept_name(id), pin.kind) == pin.inode; });
    auto place = records.find(id);
    if (whole || !place) continue;
    TRY(store.remove(kept_name(id)));  // made anew below from the running process, or by the next start
    Record record = TRY(records.load(*place));
    if (State state = stand(layout, *place).state; state.running()) keep_missing(layout, record, state.pid);
  }
  for (const std::string& name : store.names()) {
    if (store.load(name)) TRY(mend_set(store, name));
    auto set = store.load(name);
    if (!set) {
      TRY(store.remove(name));
      continue;
    }
    bool dead = set->holder > 0 && is_gone({set->holder, set->holder_identity});
    size_t left = set->pins.size();
    for (const ns::Pin& pin : set->pins) {
      if (store.live(name, pin.kind) == pin.inode && !(dead && pin.kind == NsKind::Pid)) continue;
      if (--left == 0) TRY(store.remove(name));
      else TRY(store.remove_kind(name, pin.kind));
    }
  }
  return {};
}

void repair_leftovers(const Layout& layout) {
  std::set<std::string> known;
  for (const Place& place : Records(layout).all()) known.insert(place.id);
  auto images = image::ImageStore::open(layout.root);
  for (const std::string& id : list_directory(layout.root + "/snapshots"))
    if (images && is_id(id) && !known.contains(id) && !has_processes(id)) (void)images->remove_snapshot(id);
  for (const std::string& mount : leaked_mounts(layout)) ::umount2(mount.c_str(), MNT_DETACH);
  auto groups = kernel::discover_cgroups();
  if (!groups || host_cgroups() == nullptr) return;
  std::set<std::string> leaked;
  for (const kernel::CgroupHierarchy& hierarchy : groups->v1)
    for (const std::string& id : list_directory(hierarchy.mount_point + "/hull")) leaked.insert(id);
  if (groups->v2)
    for (const std::string& id : list_directory(groups->v2->mount_point + "/hull")) leaked.insert(id);
  for (const std::string& id : leaked)
    if (is_id(id) && !known.contains(id)) (void)host_cgroups()->remove("/hull/" + id, 100);  // refused while a process is in it
}

Result<> repair_ports(const Layout& layout) {
  Records records(layout);
  Result<> all;
  for (const Place& place : records.all()) {
    auto lock = RecordLock::try_take(records.directory(place));
    if (!lock || !*lock || !lost_forwarder(layout, place.id, stand(layout, place).state)) continue;
    if (auto done = publish_again(layout, place.id); !done) all = std::move(done);
  }
  return all;
}

}  // namespace

Result<std::vector<Finding>> examine(const Engine& engine) { return Examiner(engine).run(); }

Result<> repair(const Engine& engine) {
  Layout layout{engine.root(), engine.run_directory()};
  Result<> cleaned = engine.clean_up_all();
  Records records(layout);
  for (const Place& place : records.all())
    if (auto record = records.load(place); record && !records.has_its_name(*record)) (void)records.restore_name(*record);
  ns::PinStore store = pin_store(layout);
  TRY(repair_sets(layout, store));
  for (const Place& place : records.all())
    if (auto record = records.load(place)) TRY(index_again(layout, *record));
  repair_leftovers(layout);
  NamedNamespaces(engine).sweep();
  TRY(repair_ports(layout));
  return cleaned;
}

}  // namespace hull::engine
