#include "engine/named.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>

#include "base/text.h"
#include "engine/events.h"
#include "engine/identity.h"
#include "engine/sharing.h"
#include "kernel/host_facts.h"
#include "ns/ip_netns.h"
#include "ns/preflight.h"
#include "ns/proc.h"
#include "ns/scan.h"
#include "sandbox/launch.h"
#include "sandbox/plan.h"

namespace hull::engine {
namespace {

using kernel::NsKind;

std::vector<oci::IdMapping> mappings(const std::vector<IdMap>& map) {
  std::vector<oci::IdMapping> out;
  for (const IdMap& range : map) out.push_back({range.container_id, range.host_id, range.size});
  if (out.empty()) out.push_back({kDefaultIdMap.container_id, kDefaultIdMap.host_id, kDefaultIdMap.size});
  return out;
}

Result<sandbox::LaunchPlan> plan_of(const NamedRequest& request, const std::string& store) {
  sandbox::HoldOptions options;
  options.new_namespaces = request.kinds;
  options.not_in_mounts = store;  // or the new mount namespace would hold every pin there is
  if ((request.kinds & CLONE_NEWUSER) != 0) {
    options.uid_map = options.gid_map = mappings(request.id_map);
    bool has_root = std::any_of(options.uid_map.begin(), options.uid_map.end(), [](const oci::IdMapping& range) { return range.container_id == 0 && range.size > 0; });
    if (!has_root) return fail(ErrorKind::Invalid, "--map: id 0 of the new user namespace must be mapped, or nobody could work in it; add 0:HOST:SIZE");
    options.deny_setgroups = kernel::in_user_namespace();
  } else if (!request.id_map.empty()) {
    return fail(ErrorKind::Invalid, "--map goes with a user namespace; add user to the kinds");
  }
  if (request.time_offsets) {
    if ((request.kinds & CLONE_NEWTIME) == 0) return fail(ErrorKind::Invalid, "--time goes with a time namespace; add time to the kinds");
    options.time_offsets["monotonic"].secs = request.time_offsets->monotonic_s;
    options.time_offsets["boottime"].secs = request.time_offsets->boottime_s;
  }
  return sandbox::compile_hold_plan(options);
}

Result<sandbox::Launched> launch_ready(const sandbox::LaunchPlan& plan) {
  sandbox::LaunchIo io;
  io.stdin_fd = io.stdout_fd = io.stderr_fd = -1;
  auto launched = TRY(sandbox::launch(plan, io));
  TRY(launched.wait_ready());
  return launched;
}

uint64_t mount_namespace_id(pid_t pid) {
  auto ns = kernel::open_ns(pid, NsKind::Mnt);
  auto identity = ns ? kernel::identify_ns(*ns) : fail(ErrorKind::NotFound, "");
  return identity ? identity->id : 0;
}

// KERNEL: a mount namespace can be bound only inside one with a lower id, and ids are handed out in batches per
// processor, so a younger one may have the lower id; since 6.18, mnt_ns_loop() in fs/namespace.c. So it is made again on
// each processor until the order is right.
Result<sandbox::Launched> launch_in_order(const sandbox::LaunchPlan& plan) {
  auto launched = TRY(launch_ready(plan));
  cpu_set_t allowed, one;
  if ((plan.new_namespaces & CLONE_NEWNS) == 0 || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return launched;
  uint64_t own = mount_namespace_id(0);
  for (int cpu = 0; cpu < CPU_SETSIZE && mount_namespace_id(launched.pid()) < own; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) continue;
    auto again = launch_ready(plan);
    ::sched_setaffinity(0, sizeof allowed, &allowed);
    if (!again) return again;
    { auto spent = std::move(launched); }
    launched = std::move(*again);
    ::sched_setaffinity(launched.pid(), sizeof allowed, &allowed);
  }
  return launched;
}

Result<std::vector<ns::NamedFd>> open_kinds(uint64_t kinds, pid_t pid) {
  std::vector<ns::NamedFd> opened;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if ((kinds & info.clone_flag) != 0) opened.push_back({info.kind, TRY(kernel::open_ns(pid, info.kind))});
  return opened;
}

}  // namespace

NamedNamespaces::NamedNamespaces(const Engine& engine) : engine_(engine), store_(pin_store(Layout{engine.root(), engine.run_directory()})) {}

// A name is a mount (ns/pins.h): who may not mount hears so before anything is made.
static Result<> check_may_keep() {
  constexpr int kSysAdmin = 21;
  if ((ns::gather_joiner().capabilities & kernel::cap_bit(kSysAdmin)) != 0) return {};
  return fail(Error(ErrorKind::Denied, "keeping a namespace under a name takes a mount, and so CAP_SYS_ADMIN, which we lack")
                  .with_remedy("run as root, or share what a running container has (container:NAME)"));
}

Result<ns::PinSet> NamedNamespaces::create(const NamedRequest& request) const {
  TRY(ns::check_pin_name(request.name));
  TRY(check_may_keep());
  if (store_.exists(request.name)) return fail(ErrorKind::Exists, format("namespace name \"{}\" is already in use; hull ns rm {}, or choose another", request.name, request.name));
  sweep();
  sandbox::LaunchPlan plan = TRY(plan_of(request, store_.directory()));
  auto launched = TRY_CONTEXT(launch_in_order(plan), "make the namespaces");
  auto opened = TRY(open_kinds(request.kinds, launched.pid()));
  ns::PinSet set;
  set.name = request.name;
  set.created = now_rfc3339();
  set.source = "new";
  set.labels = request.labels;
  if ((request.kinds & CLONE_NEWPID) == 0) {
    set = TRY(store_.create(std::move(set), opened));
  } else {
    ProcessIdentity holder = TRY(identify_process(launched.pid(), launched.pidfd()));
    set.holder = holder.pid;
    set.holder_identity = std::move(holder.identity);
    // The record names the holder before it is let go, and the set gets its name after: killed in between, sweep() ends it.
    set = TRY(store_.create(std::move(set), opened, [&] { return launched.go(); }));
  }
  if ((request.kinds & CLONE_NEWNET) != 0) ns::publish_net(request.name, store_.path(request.name, NsKind::Net));
  tell("created", set, request.name, set.pins);
  return set;
}

void NamedNamespaces::tell(std::string_view action, const ns::PinSet& set, std::string_view name, const std::vector<ns::Pin>& pins) const {
  std::vector<Event> events;
  for (const ns::Pin& pin : pins) {
    EventAttributes attributes = set.labels;
    attributes["name"] = name;
    if (!set.source.empty() && set.source != "new") attributes["of"] = set.source;
    events.push_back(namespace_event(std::string(action), pin.kind, pin.inode, std::move(attributes)));
  }
  append_events(Layout{engine_.root(), engine_.run_directory()}, events);
}

// Where nobody is in one any more it ended with its name; a handle tells (ns_handle()), since 6.18.
void NamedNamespaces::tell_gone(const ns::PinSet& set, const std::vector<ns::Pin>& pins) const {
  tell("unpinned", set, set.name, pins);
  std::vector<ns::Pin> dead;
  for (const ns::Pin& pin : pins)
    if (!pin.handle.empty() && !kernel::open_ns_handle(pin.handle)) dead.push_back(pin);
  tell("died", set, set.name, dead);
}

Result<ns::PinSet> NamedNamespaces::pin(std::string_view name, std::string source, std::vector<ns::NamedFd> namespaces) const {
  TRY(ns::check_pin_name(name));
  TRY(check_may_keep());
  sweep();
  ns::PinSet set;
  if (store_.exists(name)) {
    ns::PinSet there = TRY(store_.load(name));
    for (const ns::NamedFd& named : namespaces)
      if (there.find(named.kind) != nullptr)
        return fail(ErrorKind::Exists, format("\"{}\" keeps a {} namespace already; hull ns unpin {} --{}, or choose another name", name,
                                              kernel::ns_info(named.kind).name, name, kernel::ns_info(named.kind).name));
    set = TRY(store_.add(name, namespaces));
  } else {
    set.name = std::string(name);
    set.created = now_rfc3339();
    set.source = std::move(source);
    set = TRY(store_.create(std::move(set), namespaces));
  }
  if (set.find(NsKind::Net) != nullptr) ns::publish_net(name, store_.path(name, NsKind::Net));
  std::vector<ns::Pin> added;
  for (const ns::NamedFd& named : namespaces) added.push_back(*set.find(named.kind));
  tell("pinned", set, name, added);
  return set;
}

// By its own name, or by the kernel's for its memory file, which a hull before this one left it.
static bool is_called_init(pid_t pid) {
  std::string name = read_file(format("/proc/{}/comm", pid)).value_or("");
  return name == "hull-init\n" || name == "memfd:hull-init\n";
}

// The hull-init of `hull ns create`: a container's is in the container's group.
static std::optional<ProcessIdentity> holder_of(uint64_t pid_ns) {
  std::optional<ProcessIdentity> found;
  Fd proc = open_file("/proc", O_RDONLY | O_DIRECTORY).value_or(Fd());
  ns::each_number(proc.get(), [&](pid_t pid) {
    if (found || kernel::ns_inode(pid, NsKind::Pid) != pid_ns || !is_called_init(pid) ||
        read_file(format("/proc/{}/cgroup", pid)).value_or("").find("/hull/") != std::string::npos) return;
    if (auto pidfd = open_pidfd(pid))
      if (auto identity = identify_process(pid, *pidfd)) found = *identity;
  });
  return found;
}

Result<> mend_set(const ns::PinStore& store, const std::string& name) {
  if (!store.damage(name)) return {};
  return store.mend(name, [](ns::PinSet& set) {
    const ns::Pin* pin = set.find(NsKind::Pid);
    auto holder = pin != nullptr ? holder_of(pin->inode) : std::nullopt;
    if (holder) set.holder = holder->pid, set.holder_identity = holder->identity;
  });
}

Result<ns::PinSet> NamedNamespaces::load_mended(std::string_view name) const {
  TRY(store_.load(name));
  TRY(mend_set(store_, std::string(name)));
  return store_.load(name);
}

Result<> NamedNamespaces::unpin(std::string_view name, NsKind kind) const {
  TRY(ns::check_pin_name(name));
  ns::PinSet set = TRY(load_mended(name));
  if (kind == NsKind::Pid && set.holder > 0) return fail(ErrorKind::Conflict, format("the pid namespace of {} lives by its holder; hull ns rm {}", name, name));
  if (set.pins.size() == 1 && set.find(kind) != nullptr) return remove(name, true);
  if (kind == NsKind::Net) ns::withdraw_net(name, store_.path(name, kind));
  const ns::Pin* found = set.find(kind);
  std::vector<ns::Pin> gone;
  if (found != nullptr) gone.push_back(*found);
  TRY(store_.remove_kind(name, kind));
  tell_gone(set, gone);
  return {};
}

Result<> NamedNamespaces::rename(std::string_view from, std::string_view to) const {
  TRY(ns::check_pin_name(from));
  TRY(ns::check_pin_name(to));
  sweep();
  ns::PinSet set = TRY(load_mended(from));
  TRY(check_unused(set));
  ns::withdraw_net(from, store_.path(from, NsKind::Net));
  Result<> renamed = store_.rename(from, to);
  std::string_view name = renamed ? to : from;
  if (path_exists(store_.path(name, NsKind::Net))) ns::publish_net(name, store_.path(name, NsKind::Net));
  if (renamed) tell("renamed", set, to, set.pins);
  return renamed;
}

Result<std::vector<pid_t>> NamedNamespaces::members(const ns::PinSet& set) const {
  ns::ScanRequest request;
  request.kinds = 0;
  for (const ns::Pin& pin : set.pins) request.kinds |= ns::mask_of(pin.kind);
  request.facts = false;
  ns::Snapshot snapshot = TRY(ns::scan(request));
  std::vector<pid_t> found;
  for (const ns::Process& process : snapshot.processes)
    if (process.pid != set.holder && std::any_of(set.pins.begin(), set.pins.end(), [&](const ns::Pin& pin) { return process.inode[ns::index_of(pin.kind)] == pin.inode; }))
      found.push_back(process.pid);
  return found;
}

// A container that was made to use the name could not start again.
Result<> NamedNamespaces::check_unused(const ns::PinSet& set) const {
  ListOptions all;
  all.all = true;
  for (const Container& container : TRY(engine_.list(all)))
    for (const NamespaceSpec& spec : container.record.config.namespaces)
      if (spec.mode == NsMode::Named && spec.target == set.name)
        return fail(ErrorKind::Conflict, format("\"{}\" is what container {} is made to use; remove that first", set.name, container.record.name));
  return {};
}

Result<> NamedNamespaces::remove(std::string_view name, bool force) const {
  TRY(ns::check_pin_name(name));
  ns::PinSet set = TRY(load_mended(name));
  if (!force) {
    TRY(check_unused(set));
    if (set.holder > 0)
      if (size_t count = TRY(members(set)).size(); count > 0)
        return fail(ErrorKind::Conflict, format("{} process{} in \"{}\" would die with its pid namespace; end them, or use --force", count, count == 1 ? "" : "es", name));
  }
  ns::withdraw_net(name, store_.path(name, NsKind::Net));
  TRY(store_.remove(name));
  tell_gone(set, set.pins);
  return {};
}

Result<std::vector<std::string>> NamedNamespaces::prune() const {
  std::vector<std::string> removed;
  for (const std::string& name : store_.names()) {
    auto set = store_.load(name);
    if (!set || !check_unused(*set) || !TRY(members(*set)).empty()) continue;
    TRY(remove(name, true));
    removed.push_back(name);
  }
  return removed;
}

bool NamedNamespaces::hidden_from_ip(std::string_view name) const {
  std::string pin = store_.path(name, NsKind::Net);
  return path_exists(pin) && ns::is_taken_by_another(name, pin);
}

void NamedNamespaces::sweep() const {
  store_.sweep();
  ns::sweep_published(store_.directory());
}

}  // namespace hull::engine
