// hull ns watch: namespaces made, joined, emptied and gone, by whatever program on the host.
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/ns_target.h"
#include "cli/template.h"
#include "engine/engine.h"
#include "kernel/proc_connector.h"
#include "ns/proc.h"
#include "ns/scan.h"
#include "ns/watch.h"

namespace hull::cli {
namespace {

struct WatchArgs {
  std::vector<std::string> filters;
  std::string format;
  std::optional<int64_t> interval_ms;
};

constexpr Option kOptions[] = {
    {'f', "filter", Takes::Required, "filter", "Show only what passes: container=, event=, kind=, namespace=", store<&WatchArgs::filters>},
    {0, "format", Takes::Required, "string", "Format output: 'json' or a Go template", store<&WatchArgs::format>},
    {0, "interval", Takes::Required, "ms", "How often to look at everything (default 1000; 200 where the kernel does not tell of processes)",
     store<&WatchArgs::interval_ms>},
};

int64_t now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * int64_t{1000000000} + now.tv_nsec;
}

ns::Watcher::Inodes inodes_of(pid_t pid) {
  ns::Watcher::Inodes inodes{};
  for (const kernel::NsInfo& info : kernel::kNamespaces) inodes[ns::index_of(info.kind)] = kernel::ns_inode(pid, info.kind).value_or(0);
  return inodes;
}

// Namespaces found again by file handle, without being held: whether one that nobody is in is gone. Since 6.18.
class Handles {
 public:
  void take(pid_t pid, kernel::NsKind kind, uint64_t inode) {
    auto ns = kernel::open_ns(pid, kind);
    auto identity = ns ? kernel::identify_ns(*ns) : fail(ErrorKind::NotFound, "");
    auto handle = identity && identity->inode == inode ? kernel::ns_handle(*ns) : fail(ErrorKind::NotFound, "");
    if (handle) handles_[inode] = std::move(*handle);
  }
  void take(const Fd& ns, uint64_t inode) {
    if (auto handle = kernel::ns_handle(ns)) handles_[inode] = std::move(*handle);
  }
  bool known(uint64_t inode) const { return handles_.contains(inode); }
  bool gone(uint64_t inode) const {
    auto found = handles_.find(inode);
    return found != handles_.end() && !kernel::open_ns_handle(found->second);
  }
  void forget(uint64_t inode) { handles_.erase(inode); }

 private:
  std::map<uint64_t, std::string> handles_;
};

class Watch {
 public:
  Watch(const WatchArgs& args, const engine::Engine& engine)
      : args_(args), log_({engine.root(), engine.run_directory()}, engine::EventReader::From::End), connector_(kernel::ProcessConnector::open()) {}

  Result<> run() {
    TRY(prepare());
    ns::Snapshot first = TRY(look());
    watcher_.begin(first.processes);
    for (const ns::Namespace& space : first.namespaces)
      if (space.pid != 0) handles_.take(space.pid, space.kind, space.inode);
    std::vector<ns::Change> held;
    look_at_listed(held);  // there already: not told
    if (!connector_)
      print_note(format("{}; /proc is looked at every {} ms instead, and what lives shorter is missed", connector_.error().text(), args_.interval_ms.value_or(200)));
    int64_t interval_ns = args_.interval_ms.value_or(connector_ ? 1000 : 200) * 1000000;
    int64_t next = now_ns() + interval_ns;
    while (wait(next) && printed_) {
      TRY(hear());
      if (now_ns() < next) continue;
      next = now_ns() + interval_ns;
      TRY(look_at_all());
    }
    return printed_;
  }

 private:
  Result<> prepare() {
    for (const std::string& text : args_.filters) {
      size_t equals = text.find('=');
      if (equals == std::string::npos) return fail(ErrorKind::Invalid, format("invalid filter '{}'; write KEY=VALUE", escape_controls(text)));
      if (text.starts_with("kind=") && !kernel::ns_kind_from_name(text.substr(equals + 1)))
        return fail(ErrorKind::Invalid, format("invalid filter '{}': kinds are mnt, uts, ipc, net, pid, user, cgroup and time", escape_controls(text)));
      TRY(filter_.add(text.substr(0, equals), text.substr(equals + 1)));
    }
    json_ = args_.format == "json" || args_.format == "{{json .}}";
    if (!args_.format.empty() && !json_) template_ = TRY(Template::parse(expand_escapes(args_.format)));
    return {};
  }

  Result<ns::Snapshot> look() const {
    ns::ScanRequest request;
    request.every_process = true;
    return ns::scan(request);
  }

  // False when nobody reads our output any more.
  bool wait(int64_t until) const {
    pollfd slots[3] = {{STDOUT_FILENO, 0, 0}, {log_.fd(), POLLIN, 0}, {connector_ ? connector_->fd().get() : -1, POLLIN, 0}};
    int64_t left = (until - now_ns()) / 1000000 + 1;
    ::poll(slots, 3, static_cast<int>(std::max<int64_t>(left, 0)));
    return slots[0].revents == 0;
  }

  // What the kernel and hull's own log have to tell.
  Result<> hear() {
    std::vector<ns::Change> changes;
    bool whole = !connector_ || connector_->read([&](kernel::ProcessChange change, pid_t pid) {
      if (change == kernel::ProcessChange::Ended) watcher_.end(pid, changes);
      else watcher_.see(pid, inodes_of(pid), parent_of(pid), changes);
    });
    tell(changes);
    log_.read([&](const engine::Event& event) {
      // The rest of them is seen in the processes.
      bool of_names = event.action == "pinned" || event.action == "unpinned" || event.action == "renamed" || event.action == "orphaned";
      // `ns create` is over before anybody could look, and its names end without a process.
      bool of_a_name = (event.action == "created" || event.action == "died") && event.attributes.contains("name");
      if (event.type == "namespace" && (of_names || of_a_name)) show(event);
      return true;
    });
    if (whole) return {};
    print_note("the kernel had more to tell than we could take: some changes are missed; looking at everything again");
    return look_at_all();
  }

  pid_t parent_of(pid_t pid) const {
    auto text = read_file(format("/proc/{}/stat", pid));
    auto stat = text ? ns::parse_proc_stat(*text) : std::nullopt;
    return stat ? stat->ppid : 0;
  }

  Result<> look_at_all() {
    std::vector<ns::Change> changes;
    ns::Snapshot snapshot = TRY(look());
    watcher_.see_all(snapshot.processes, changes);
    look_at_listed(changes);
    tell(changes);
    look_at_emptied();
    return {};
  }

  // Made for no process, or by one that was gone before it could be looked at: only the kernel's own list has those.
  void look_at_listed(std::vector<ns::Change>& changes) {
    auto listed = kernel::list_namespaces();
    if (!listed) return;
    std::set<uint64_t> now;
    for (const kernel::ListedNs& one : *listed) {
      now.insert(one.id);
      if (listed_.contains(one.id)) continue;
      auto fd = kernel::open_ns_by_id(one.kind, one.id, 0);
      auto identity = fd ? kernel::identify_ns(*fd) : fail(ErrorKind::NotFound, "");
      if (!identity || !watcher_.list(one.kind, identity->inode)) continue;
      handles_.take(*fd, identity->inode);
      emptied_[identity->inode] = true;  // nobody was in it, so nobody leaves it
      changes.push_back({ns::Change::What::Created, one.kind, identity->inode, 0});
    }
    listed_ = std::move(now);
  }

  // Not at once: a pid namespace lives until its last process has been reaped.
  void look_at_emptied() {
    std::map<uint64_t, bool> before = std::move(emptied_);
    emptied_.clear();
    for (const auto& [kind, inode] : watcher_.empty()) {
      auto seen = before.find(inode);
      ns::Change change{ns::Change::What::Died, kind, inode, 0};
      if (handles_.gone(inode)) {
        show(event_of(change, ""));
        handles_.forget(inode);
        watcher_.forget(inode);
        continue;
      }
      bool told = seen != before.end() && seen->second;
      change.what = ns::Change::What::Emptied;
      if (seen != before.end() && !told) show(event_of(change, "")), told = true;
      // Without a handle nothing tells when it ends, and its number may come again.
      if (told && !handles_.known(inode)) watcher_.forget(inode);
      else emptied_[inode] = told;
    }
  }

  void tell(const std::vector<ns::Change>& changes) {
    if (changes.empty()) return;
    std::optional<OwnerLabels> labels;
    for (const ns::Change& change : changes) {
      if (change.what == ns::Change::What::Emptied) continue;  // look_at_emptied()
      if (change.what == ns::Change::What::Died) {
        handles_.forget(change.inode);
        show(event_of(change, ""));
        continue;
      }
      if (!labels) labels.emplace();
      if (change.what == ns::Change::What::Created && change.pid != 0) handles_.take(change.pid, change.kind, change.inode);
      show(event_of(change, change.pid != 0 ? labels->of(change.pid) : ""));
    }
  }

  engine::Event event_of(const ns::Change& change, const std::string& owner) const {
    engine::EventAttributes attributes;
    if (change.pid != 0) attributes["pid"] = std::to_string(change.pid);
    if (owner.starts_with("container ")) attributes["container"] = owner.substr(std::string_view("container ").size());
    if (!owner.empty()) attributes["owner"] = owner;
    engine::Event event = engine::namespace_event(ns::change_name(change.what), change.kind, change.inode, std::move(attributes));
    event.time_ns = now_ns();
    return event;
  }

  void show(const engine::Event& event) {
    if (!filter_.passes(event)) return;
    if (json_) return print(json::to_text(engine::to_json(event)) + "\n");
    if (!template_) return print(event_text(event) + "\n");
    auto line = template_->render(event_template_data(event));
    if (line) print(*line + "\n");
    else printed_ = fail(std::move(line).error());
  }

  const WatchArgs& args_;
  engine::EventReader log_;
  Result<kernel::ProcessConnector> connector_;
  engine::EventFilter filter_;
  std::optional<Template> template_;
  bool json_ = false;
  Result<> printed_;
  Handles handles_;
  ns::Watcher watcher_{[this](uint64_t inode) { return handles_.gone(inode); }};
  std::map<uint64_t, bool> emptied_;  // inode: whether it was told
  std::set<uint64_t> listed_;         // ids that the kernel listed at the last look
};

Result<> watch(const WatchArgs& args) {
  constexpr int64_t kLongestMs = 3600 * 1000;
  if (args.interval_ms && (*args.interval_ms < 10 || *args.interval_ms > kLongestMs))
    return fail(ErrorKind::Invalid, format("--interval {}: milliseconds from 10 to {} are accepted", *args.interval_ms, kLongestMs));
  engine::Engine engine = TRY(engine::Engine::open());
  return Watch(args, engine).run();
}

}  // namespace

const Syntax kNsWatchSyntax{
    .name = "watch", .synopsis = "[OPTIONS]", .summary = "Show namespaces being made, joined and left, by any program", .options = kOptions, .max_operands = 0,
    .epilogue = "created: first seen. joined: a process entered one that it did not inherit. emptied: no process is in it any more, and something\n"
                "else keeps it (a mount, a descriptor, another namespace). died: gone; known since Linux 6.18 only.\n"
                "\n"
                "What it can miss: the kernel tells of processes that begin, become another program and end, not of setns(2) and unshare(2).\n"
                "Those are found at the next look, so what is entered and left again between two looks is not seen, nor is a process that\n"
                "ends before its /proc could be read, nor what single threads do; namespaces that are made and kept without a process\n"
                "(a mount, a descriptor) are seen since Linux 6.19 only, by listns(2). Where the kernel does not tell (no root, or not in the\n"
                "host's pid namespace), only the looks remain. A note says so, as it does when too much happened at once."};

int run_ns_watch(const Invocation& call) {
  WatchArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kNsWatchSyntax, &args, operands)) return *code;
  if (Result<> done = watch(args); !done) {
    print_error("hull ns watch: " + done.error().text());
    return kExitFailure;
  }
  return 0;
}

}  // namespace hull::cli
