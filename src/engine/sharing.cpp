#include "engine/sharing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cerrno>
#include <memory>
#include <set>

#include "base/duration.h"
#include "base/text.h"
#include "engine/names.h"
#include "engine/share_index.h"
#include "engine/state.h"
#include "kernel/host_facts.h"
#include "ns/ip_netns.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

constexpr uint64_t kKept = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWUSER | CLONE_NEWTIME;
// A cgroup namespace is rooted in its first owner's group, which goes with that owner.
constexpr uint64_t kAdopted = kKept & ~static_cast<uint64_t>(CLONE_NEWCGROUP);
constexpr int kPatienceMs = 30000, kPauseMs = 5;

uint64_t flag_of(NsKind kind) { return kernel::ns_info(kind).clone_flag; }
const char* word_of(NsKind kind) { return kind == NsKind::Net ? "network" : kernel::ns_info(kind).name; }

bool is_locked(const std::string& directory) {
  auto lock = RecordLock::try_take(directory);
  return lock && !*lock;
}

// ---- who is at the end of container:X, container:Y, …

struct Chain {
  std::string root;                   // the name that the namespace belongs to
  std::optional<Place> place;         // of the root, when it has a record and the namespace is its own
  std::optional<Standing> running;    // the first member that runs, any of them will do
  std::optional<Place> running_place;
  std::string path;                   // the last one's namespace is a file, or the host's
};

// By name, or by an id as it is printed: a name that nobody has yet may well be the beginning of somebody's id ("db").
Result<Place> find_target(const Records& records, const std::string& text) {
  constexpr size_t kShortId = 12;
  Place place = TRY(records.find(text));
  if (text.size() < kShortId && TRY(records.load(place)).name != text) return fail(ErrorKind::NotFound, "No such container: " + text);
  return place;
}

Result<Chain> follow(const Layout& layout, NsKind kind, const Record& self, std::string target) {
  Records records(layout);
  Chain chain;
  std::vector<std::string> visited = {self.name};
  for (;;) {
    auto place = find_target(records, target);
    if (!place && place.error().kind() != ErrorKind::NotFound) return fail(std::move(place).error());
    if (!place) {
      if (!is_valid_name(target)) return fail(std::move(place).error());
      chain.root = std::move(target);
      return chain;
    }
    Record record = TRY(records.load(*place));
    auto seen = std::find(visited.begin(), visited.end(), record.name);
    if (seen != visited.end()) {  // a circle: it belongs to the first of its names
      chain.root = *std::min_element(seen, visited.end());
      return chain;
    }
    visited.push_back(record.name);
    if (!chain.running)
      if (Standing standing = stand(layout, *place); standing.state.running()) {
        chain.running = std::move(standing);
        chain.running_place = *place;
      }
    const NamespaceSpec& ns = record.config.ns(kind);
    chain.root = record.name;
    if (ns.mode == NsMode::Container) {
      target = ns.target;
      continue;
    }
    if (ns.mode == NsMode::Private) chain.place = std::move(*place);
    if (ns.mode == NsMode::Host) chain.path = format("/proc/self/ns/{}", kernel::ns_info(kind).name);
    if (ns.mode == NsMode::Path) chain.path = ns.target;
    if (ns.mode == NsMode::Named) chain.path = pin_store(layout).path(ns.target, kind);
    return chain;
  }
}

std::string map_text(const std::vector<IdMap>& map) {
  std::vector<std::string> ranges;
  for (const IdMap& range : map) ranges.push_back(format("{} {} {}", range.container_id, range.host_id, range.size));
  return join(ranges, ",");
}

// ---- a start

class Finder {
 public:
  // `waited_for`: the name of the container for which an earlier look has waited.
  Finder(const Layout& layout, const Record& record, bool act, std::string waited_for)
      : layout_(layout), record_(record), act_(act), waited_for_(std::move(waited_for)), strict_(record.config.strict_ns || !may_pin()), store_(pin_store(layout)), index_(store_.directory()) {}

  Result<StartNamespaces> run() {
    TRY(enter_indexes());
    // What is shared comes first: who waits for another has not yet decided about its own.
    for (const kernel::NsInfo& info : kernel::kNamespaces)
      if (const NamespaceSpec& ns = spec(info.kind); ns.mode == NsMode::Container && waits_for_.empty()) TRY(share(info.kind, ns.target));
    if (!waits_for_.empty()) return StartNamespaces();
    bool kept = store_.exists(kept_name(record_.id));
    bool shared = !strict_ && index_.exists(record_.name);
    for (const kernel::NsInfo& info : kernel::kNamespaces) {
      const NamespaceSpec& ns = spec(info.kind);
      if (ns.mode == NsMode::Container) continue;
      if (ns.mode == NsMode::Path) path(info.kind) = ns.target;
      if (ns.mode == NsMode::Named) path(info.kind) = store_.path(ns.target, info.kind);
      if (ns.mode == NsMode::Private && kept) rejoin(info.kind);
      if (shared && path(info.kind).empty()) TRY(adopt(info.kind, ns.mode));
      if (ns.mode == NsMode::Private && !record_.config.rm && may_pin()) found_.keep |= info.clone_flag & kKept;
    }
    return std::move(found_);
  }

  // Not empty: nothing was found, as this container is being started. To be looked at again, without the locks: it may
  // need one of them itself.
  const std::string& waits_for() const { return waits_for_; }

 private:
  // An ordinary user may not mount, so nothing is kept for him: who shares needs a target that runs, as with docker.
  static bool may_pin() { return !kernel::is_unprivileged(); }
  std::string& path(NsKind kind) { return found_.paths[static_cast<size_t>(kind)]; }
  const NamespaceSpec& spec(NsKind kind) const { return record_.config.ns(kind); }

  // The locks are taken in the names' order, so that no two sharers wait for each other.
  Result<> enter_indexes() {
    if (strict_) return {};
    std::set<std::string> names;
    for (const kernel::NsInfo& info : kernel::kNamespaces)
      if ((info.clone_flag & kKept) != 0 && spec(info.kind).mode == NsMode::Container)
        names.insert(found_.roots[info.kind] = TRY(follow(layout_, info.kind, record_, spec(info.kind).target)).root);
    if (!act_) return {};
    for (const std::string& name : names) found_.locks.push_back(TRY(index_.lock(name)));
    for (const auto& [kind, name] : found_.roots)
      if (name != waited_for_) TRY(index_.say(name, record_.id, kind, ""));
    return {};
  }

  void rejoin(NsKind kind) {
    std::string name = kept_name(record_.id);
    if ((flag_of(kind) & kKept) == 0 || !store_.live(name, kind)) return;
    if (kind == NsKind::Cgroup && host_cgroups() != nullptr && !host_cgroups()->find(cgroup_path(record_))) {
      found_.notes.push_back(format("somebody has removed the cgroup {}: it is made anew, and with it the cgroup namespace", cgroup_path(record_)));
      return;
    }
    path(kind) = store_.path(name, kind);
    found_.own |= flag_of(kind);
  }

  // -- container:TARGET

  Result<> share(NsKind kind, const std::string& target) {
    Chain chain = TRY(follow(layout_, kind, record_, target));
    if (kind == NsKind::Net) found_.net_target = chain.running_place ? chain.running_place : chain.place;
    bool kept = (flag_of(kind) & kKept) != 0;
    if (!kept || strict_) {
      if (!chain.running) return fail(not_running(kind, target, chain));
      join(kind, chain);
      if (kept && !may_pin()) found_.notes.push_back(format("shares the {} namespace of {} until that ends: for an ordinary user none is kept", word_of(kind), target));
      return {};
    }
    found_.keep |= flag_of(kind);
    if (chain.running) return join(kind, chain), Result<>();
    if (!chain.path.empty()) return path(kind) = chain.path, Result<>();
    if (!act_ || !chain.place || !starts_now(*chain.place) || waits_for_us(chain)) return take_promised(kind, chain);
    waits_for_ = chain.root;
    return index_.say(chain.root, record_.id, kind, ShareIndex::kWaits);
  }

  Error not_running(NsKind kind, const std::string& target, const Chain& chain) {
    if (!chain.place && !strict_) {
      return Error(ErrorKind::Conflict, format("cannot join the {} namespace of {}: no such container runs", word_of(kind), target))
          .with_remedy("it lives only while its container runs, so start that one first");
    }
    if (!chain.place && !may_pin())
      return Error(ErrorKind::NotFound, "No such container: " + target).with_remedy("start it first; to an ordinary user nothing can be promised");
    if (!chain.place) return Error(ErrorKind::NotFound, "No such container: " + target);
    return Error(ErrorKind::Conflict, format("cannot join {} of a non running container: {} ({})", word_of(kind), target, chain.place->id));
  }

  // By its pin, where it has one: that holds although the process may end before we are in.
  void join(NsKind kind, Chain& chain) {
    std::string name = kept_name(chain.running_place->id);
    if (auto pinned = store_.live(name, kind); pinned && pinned == kernel::ns_inode(chain.running->state.pid, kind).value_or(0)) {
      path(kind) = store_.path(name, kind);
      return;
    }
    path(kind) = format("/proc/{}/ns/{}", chain.running->state.pid, kernel::ns_info(kind).name);
    found_.targets.push_back(std::move(chain.running->pidfd));
  }

  // Two that share with each other, in different kinds, and start at once: the first by name promises.
  bool waits_for_us(const Chain& chain) const {
    if (record_.name > chain.root) return false;
    for (const kernel::NsInfo& info : kernel::kNamespaces)
      for (const ShareIndex::Entry& entry : index_.entries(record_.name, info.kind))
        if (entry.id == chain.place->id && entry.word == ShareIndex::kWaits) return true;
    return false;
  }

  bool starts_now(const Place& place) const {
    return path_exists(layout_.intent(place.id)) && is_locked(Records(layout_).directory(place));
  }

  // The target does not run: what it keeps, what its other sharers hold, or a promise.
  Result<> take_promised(NsKind kind, const Chain& chain) {
    if (chain.place && store_.live(kept_name(chain.place->id), kind)) {
      path(kind) = store_.path(kept_name(chain.place->id), kind);
      return {};
    }
    for (const ShareIndex::Entry& entry : index_.entries(chain.root, kind))
      if (store_.live(kept_name(entry.id), kind)) {
        path(kind) = store_.path(kept_name(entry.id), kind);
        return {};
      }
    TRY(promise_settings(kind, chain));
    if (act_) TRY(index_.say(chain.root, record_.id, kind, ShareIndex::kPromises));
    found_.notes.push_back(format("{} does not run: its {} namespace is made now, and {} takes it when it starts", chain.root, word_of(kind), chain.root));
    return {};
  }

  // Ids and clocks are settled when the namespace is made, so their owner has to have said how.
  Result<> promise_settings(NsKind kind, const Chain& chain) {
    if (kind != NsKind::User && kind != NsKind::Time) return {};
    if (!chain.place)
      return fail(Error(ErrorKind::NotFound, format("{} does not exist, so nothing says how its {} namespace is to be", chain.root, word_of(kind)))
                      .with_remedy(format("make it first with hull create --name={}", chain.root)));
    Record owner = TRY(Records(layout_).load(*chain.place));
    if (kind == NsKind::User) found_.uid_map = owner.config.uid_map, found_.gid_map = owner.config.gid_map;
    else found_.time_offsets = owner.config.time_offsets;
    return {};
  }

  // -- what sharers hold of us

  Result<> adopt(NsKind kind, NsMode mode) {
    auto holder = TRY(find_holder(kind));
    if (!holder) return {};
    ns::PinSet set = TRY(store_.load(kept_name(holder->id)));
    const ns::Pin* pin = set.find(kind);
    std::string by = holder_name(holder->id);
    if (pin == nullptr) return {};
    if ((flag_of(kind) & kAdopted) == 0) {
      found_.notes.push_back(format("the {} namespace that {} holds was rooted in the container that is gone; this one gets its own", word_of(kind), by));
      return {};
    }
    std::string differs = difference(kind, mode, set, *pin);
    if (!differs.empty())
      return fail(Error(ErrorKind::Conflict, format("{} holds the {} namespace of \"{}\", and this container cannot take it back: {}", by, word_of(kind), record_.name, differs))
                      .with_remedy(format("remove {}, change what differs, or start with --strict-ns to leave it behind", by)));
    path(kind) = store_.path(kept_name(holder->id), kind);
    found_.own |= flag_of(kind);
    found_.adopted |= flag_of(kind);
    found_.notes.push_back(format("takes back the {} namespace that {} holds", word_of(kind), by));
    for (const auto& [key, value] : record_.config.sysctl)
      if ((kind == NsKind::Net) == key.starts_with("net.") && (kind == NsKind::Net || kind == NsKind::Ipc))
        found_.notes.push_back(format("sets {} to {} there, for {} too", key, value, by));
    return {};
  }

  // Waits for sharers that are in the middle of promising.
  Result<std::optional<ShareIndex::Entry>> find_holder(NsKind kind) {
    for (int waited = 0;; waited += kPauseMs) {
      bool undecided = false;
      for (const ShareIndex::Entry& entry : index_.entries(record_.name, kind)) {
        if (entry.id == record_.id) continue;
        if (store_.live(kept_name(entry.id), kind)) return std::optional(entry);
        undecided = undecided || (entry.word != ShareIndex::kWaits && is_starting(entry.id));
      }
      if (!undecided || !act_) return std::optional<ShareIndex::Entry>();
      if (waited >= kPatienceMs) return fail(ErrorKind::Conflict, "a container that shares with this one is being started for too long; try again");
      sleep_ms(kPauseMs);
    }
  }

  bool is_starting(const std::string& id) const {
    return is_locked(layout_.record_directory(id, false)) || is_locked(layout_.record_directory(id, true));
  }

  std::string holder_name(const std::string& id) const {
    Records records(layout_);
    for (bool ephemeral : {false, true})
      if (auto record = records.load({id, ephemeral})) return record->name;
    return std::string(short_id(id));
  }

  // Why the namespace is not what this configuration asks for; "" when it is.
  std::string difference(NsKind kind, NsMode mode, const ns::PinSet& set, const ns::Pin& pin) {
    const ContainerConfig& config = record_.config;
    if (mode == NsMode::Host) return format("it asks for the host's {} namespace", word_of(kind));
    if (mode != NsMode::Private) return format("it asks for another {} namespace, {}", word_of(kind), config.ns(kind).text);
    auto label = [&](const char* key) { auto found = set.labels.find(key); return found == set.labels.end() ? std::string() : found->second; };
    if (kind == NsKind::User) return label("uid_map") == map_text(config.uid_map) ? "" : format("its ids are mapped as \"{}\" there, and asked for as \"{}\"", label("uid_map"), map_text(config.uid_map));
    if (kind == NsKind::Time) {
      TimeOffsets asked = config.time_offsets.value_or(TimeOffsets{});
      std::string text = format("{} {}", asked.monotonic_s, asked.boottime_s);
      return label("time_offsets") == text ? "" : format("its clocks are {} s and {} s ahead there", label("time_offsets").substr(0, label("time_offsets").find(' ')), asked.monotonic_s);
    }
    uint64_t owner = own_user_namespace();
    if (pin.owner == owner) return "";
    return format("another user namespace owns it (user:[{}], not user:[{}])", pin.owner, owner);
  }

  // User comes first in the table, so what it is joined to is known; 0 is a new one, which owns nothing yet.
  uint64_t own_user_namespace() {
    const std::string& joined = path(NsKind::User);
    auto ns = joined.empty() ? kernel::open_ns(0, NsKind::User) : kernel::open_ns_file(joined, NsKind::User);
    if (joined.empty() && record_.config.ns(NsKind::User).mode != NsMode::Host) return 0;
    if (!ns) return 0;
    auto identity = kernel::identify_ns(*ns);
    return identity ? identity->inode : 0;
  }

  const Layout& layout_;
  const Record& record_;
  bool act_;
  std::string waited_for_, waits_for_;
  bool strict_;
  ns::PinStore store_;
  ShareIndex index_;
  StartNamespaces found_;
};

// "0 100000 65536,…" of uid_map, or the two offsets in seconds: what a later adopter compares.
std::string user_map_of(pid_t pid) {
  std::vector<std::string> ranges;
  std::string text = read_file(format("/proc/{}/uid_map", pid)).value_or("");
  for (std::string_view line : split_lines(text)) {
    auto words = split_words(line);
    if (words.size() == 3) ranges.push_back(format("{} {} {}", words[0], words[1], words[2]));
  }
  return join(ranges, ",");
}

std::string time_offsets_of(pid_t pid) {
  std::string monotonic = "0", boottime = "0";
  std::string text = read_file(format("/proc/{}/timens_offsets", pid)).value_or("");
  for (std::string_view line : split_lines(text)) {
    auto words = split_words(line);
    if (words.size() == 3) (words[0] == "monotonic" ? monotonic : boottime) = std::string(words[1]);
  }
  return monotonic + " " + boottime;
}

// Whether somebody is in a namespace still: by its handle, or where the kernel has none, by who else pins it.
bool lives_on(const ns::PinStore& store, const ns::Pin& pin) {
  if (!pin.handle.empty()) return kernel::open_ns_handle(pin.handle).has_value();
  for (const std::string& id : store.kept())
    if (store.live(kept_name(id), pin.kind) == pin.inode) return true;
  return false;
}

// What becomes of the namespaces of a container that was removed.
std::vector<Event> ends_of(const ns::PinStore& store, const Record& record, const ns::PinSet& set) {
  std::vector<Event> events;
  for (const ns::Pin& pin : set.pins) {
    bool lives = lives_on(store, pin), own = record.config.ns(pin.kind).mode == NsMode::Private;
    if (lives && !own) continue;  // a sharer has left it
    events.push_back(namespace_event(lives ? "orphaned" : "died", pin.kind, pin.inode, {{"container", record.name}}));
  }
  return events;
}

// A set of an earlier run: what was joined again stays untouched, so that no kill can lose it.
Result<> keep_more(const ns::PinStore& store, const std::string& name, const std::vector<ns::NamedFd>& opened) {
  std::vector<ns::NamedFd> other;
  for (const ns::NamedFd& named : opened) {
    kernel::NsIdentity identity = TRY(kernel::identify_ns(named.fd));
    if (store.live(name, named.kind) != identity.inode) other.push_back({named.kind, TRY(named.fd.duplicate())});
  }
  if (!other.empty()) TRY(store.add(name, other));
  return {};
}

}  // namespace

ns::PinStore pin_store(const Layout& layout) {
  return ns::PinStore(layout.run, boot_id(), [](const ns::PinSet& set) {
    if (auto pidfd = find_process({set.holder, set.holder_identity})) (void)send_signal(*pidfd, SIGKILL);
  });
}

std::string kept_name(std::string_view id) { return "@" + std::string(id); }

Result<StartNamespaces> find_namespaces(const Layout& layout, const Record& record, bool act) {
  std::string waited_for;
  for (int waited = 0;; waited += kPauseMs) {
    {
      Finder finder(layout, record, act, waited_for);
      StartNamespaces found = TRY(finder.run());
      if (finder.waits_for().empty()) return found;
      waited_for = finder.waits_for();
    }
    if (waited >= kPatienceMs) return fail(ErrorKind::Conflict, format("container {} is being started for too long; try again", waited_for));
    sleep_ms(kPauseMs);
  }
}

Result<std::vector<ns::NamedFd>> open_kept(const StartNamespaces& namespaces, pid_t pid) {
  std::vector<ns::NamedFd> opened;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if ((namespaces.keep & info.clone_flag) != 0) opened.push_back({info.kind, TRY(kernel::open_ns(pid, info.kind))});
  return opened;
}

Result<> keep(const Layout& layout, const Record& record, StartNamespaces& namespaces, pid_t pid,
              const std::vector<ns::NamedFd>& opened) {
  if (opened.empty()) return {};
  ns::PinStore store = pin_store(layout);
  std::string name = kept_name(record.id);
  ns::publish_net(record.name, store.path(name, NsKind::Net));
  if (store.exists(name)) return keep_more(store, name, opened);
  ns::PinSet set;
  set.name = std::move(name);
  set.created = now_rfc3339();
  set.source = "container " + record.name;
  if ((namespaces.keep & CLONE_NEWUSER) != 0) set.labels["uid_map"] = user_map_of(pid);
  if ((namespaces.keep & CLONE_NEWTIME) != 0) set.labels["time_offsets"] = time_offsets_of(pid);
  ns::PinSet made = TRY_CONTEXT(store.create(std::move(set), opened), "keep the container's namespaces");
  for (const ns::Pin& pin : made.pins)
    if (record.config.ns(pin.kind).mode == NsMode::Private && (namespaces.own & flag_of(pin.kind)) == 0)
      namespaces.kept_events.push_back(namespace_event("created", pin.kind, pin.inode, {{"container", record.name}}));
  return {};
}

void keep_missing(const Layout& layout, const Record& record, pid_t pid) {
  if (record.config.rm || pin_store(layout).exists(kept_name(record.id))) return;
  StartNamespaces namespaces;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (record.config.ns(info.kind).mode == NsMode::Private) namespaces.keep |= info.clone_flag & kKept;
  auto opened = open_kept(namespaces, pid);
  if (opened) (void)keep(layout, record, namespaces, pid, *opened);
  append_events(layout, namespaces.kept_events);
}

std::vector<Unindexed> find_unindexed(const Layout& layout, const Record& record) {
  std::vector<Unindexed> found;
  ns::PinStore store = pin_store(layout);
  ShareIndex index(store.directory());
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    const NamespaceSpec& spec = record.config.ns(info.kind);
    if (spec.mode != NsMode::Container || !store.live(kept_name(record.id), info.kind)) continue;
    auto chain = follow(layout, info.kind, record, spec.target);
    if (chain && !index.has(chain->root, record.id, info.kind)) found.push_back({std::move(chain->root), info.kind});
  }
  return found;
}

Result<> index_again(const Layout& layout, const Record& record) {
  ShareIndex index(pin_store(layout).directory());
  for (const Unindexed& lost : find_unindexed(layout, record)) {
    Fd lock = TRY(index.lock(lost.root));
    TRY(index.say(lost.root, record.id, lost.kind, ""));
  }
  return {};
}

Result<> forget(const Layout& layout, const Record& record) {
  ns::PinStore store = pin_store(layout);
  const auto& specs = record.config.namespaces;
  bool shares = std::any_of(specs.begin(), specs.end(), [](const NamespaceSpec& ns) { return ns.mode == NsMode::Container; });
  if (shares) ShareIndex(store.directory()).drop(record.id);
  auto set = store.exists(kept_name(record.id)) ? store.load(kept_name(record.id)) : fail(ErrorKind::NotFound, "");
  if (store.exists(kept_name(record.id))) ns::withdraw_net(record.name, store.path(kept_name(record.id), NsKind::Net));
  TRY(store.remove(kept_name(record.id)));
  if (set) append_events(layout, ends_of(store, record, *set));
  if (shares) store.sweep();
  return {};
}

// Those who share with it by its name go on doing so.
Result<> rename_target(const Layout& layout, const std::string& from, const Record& renamed) {
  const std::string& to = renamed.name;
  if (std::string pin = pin_store(layout).path(kept_name(renamed.id), NsKind::Net); path_exists(pin)) {
    ns::withdraw_net(from, pin);
    ns::publish_net(to, pin);
  }
  Records records(layout);
  for (const Place& place : records.all()) {
    auto refers = [&](const NamespaceSpec& ns) { return ns.mode == NsMode::Container && ns.target == from; };
    auto seen = records.load(place);
    if (!seen || std::none_of(seen->config.namespaces.begin(), seen->config.namespaces.end(), refers)) continue;
    RecordLock lock = TRY(RecordLock::take(records.directory(place)));
    Record record = TRY(records.load(place));
    for (NamespaceSpec& ns : record.config.namespaces)
      if (refers(ns)) ns.target = to, ns.text = "container:" + to;
    TRY(records.save(record));
  }
  return ShareIndex(pin_store(layout).directory()).rename(from, to);
}

bool keeps(const Layout& layout, std::string_view id, NsKind kind) {
  return pin_store(layout).live(kept_name(id), kind).has_value();
}

void sweep_kept(const Layout& layout) {
  ns::PinStore store = pin_store(layout);
  if (!path_exists(store.directory())) return;
  ShareIndex(store.directory()).drop_stale([&](const std::string& id) {
    return path_exists(layout.record_directory(id, false)) || path_exists(layout.record_directory(id, true));
  });
  for (const std::string& id : store.kept())
    if (!path_exists(layout.record_directory(id, false)) && !path_exists(layout.record_directory(id, true))) (void)store.remove(kept_name(id));
  store.sweep();
  ns::sweep_published(store.directory());
}

void look_at_namespaces(const Layout& layout, const std::string& id, pid_t pid, Container& container) {
  ns::PinStore store = pin_store(layout);
  std::string name = kept_name(id);
  bool kept = store.exists(name);
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    auto at = static_cast<size_t>(info.kind);
    auto pinned = kept ? store.live(name, info.kind) : std::nullopt;
    if (pinned) container.kept_paths[at] = store.path(name, info.kind);
    container.namespaces[at] = (pid > 0 ? kernel::ns_inode(pid, info.kind) : pinned).value_or(0);
  }
}

}  // namespace hull::engine
