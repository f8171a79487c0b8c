#include "engine/ports.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include <algorithm>

#include "base/duration.h"
#include "engine/launcher.h"
#include "kernel/host_facts.h"

namespace hull::engine {

static std::string lock_path(const Layout& layout, std::string_view id) { return layout.runtime_directory(id) + "/ports"; }

std::vector<net::ContainerPort> exposed_ports(const Record& record) {
  std::vector<net::ContainerPort> ports = record.process.exposed_ports;
  for (const net::PortBinding& binding : record.config.ports) ports.push_back(binding.inside);
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return ports;
}

std::vector<net::ContainerPort> only_exposed(const Record& record, const State& state) {
  if (!state.running() || record.config.ns(kernel::NsKind::Net).mode == NsMode::Host) return {};
  std::vector<net::ContainerPort> ports = exposed_ports(record);
  std::erase_if(ports, [&](const net::ContainerPort& port) {
    return std::any_of(state.ports.begin(), state.ports.end(), [&](const net::PublishedPort& other) { return other.inside == port; });
  });
  return ports;
}

std::vector<net::PortBinding> bindings_of(const Record& record) {
  const ContainerConfig& config = record.config;
  if (config.ns(kernel::NsKind::Net).mode == NsMode::Host) return {};
  std::vector<net::PortBinding> bindings = config.ports;
  if (!config.publish_all) return bindings;
  for (const net::ContainerPort& port : record.process.exposed_ports)
    if (std::none_of(config.ports.begin(), config.ports.end(), [&](const net::PortBinding& b) { return b.inside == port; }))
      bindings.push_back({"", 0, 0, port});
  return bindings;
}

Result<Publishing> Publishing::listen_at(const Layout& layout, std::string_view id, const std::vector<net::PortBinding>& bindings) {
  Publishing made;
  if (bindings.empty()) return made;
  made.lock_ = TRY(open_file(lock_path(layout, id), O_RDONLY | O_CREAT, 0600));
  if (::flock(made.lock_.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno("lock", lock_path(layout, id));
  made.listening_ = TRY(net::listen_on(bindings));
  return made;
}

Result<Publishing> Publishing::listen(const Layout& layout, const Record& record) { return listen_at(layout, record.id, bindings_of(record)); }

Result<Publishing> Publishing::listen_again(const Layout& layout, std::string_view id, const RunRecord& run) {
  std::vector<net::PortBinding> bindings;
  for (const net::PublishedPort& port : run.ports) bindings.push_back({port.host_ip, port.host_port, port.host_port, port.inside});
  return listen_at(layout, id, bindings);
}

Result<> Publishing::serve(pid_t pid, const Fd& pidfd) {
  if (listening_.empty()) return {};
  net::ForwarderPlace place{TRY(find_helper("hull-port")), pid, pidfd, lock_, kernel::is_unprivileged()};
  pid_t forwarder = TRY(net::start_forwarder(place, listening_));
  forwarder_.pid = forwarder;
  for (const net::Listening& one : listening_) ports_.push_back(one.port);
  listening_.clear();
  lock_.reset();
  Fd handle = TRY(open_pidfd(forwarder));
  forwarder_ = TRY(identify_process(forwarder, handle));
  return {};
}

void Publishing::note(RunRecord& run) const {
  run.forwarder = forwarder_;
  run.ports = ports_;
}

// Our child, not yet waited for: its number is its own.
void Publishing::give_up() {
  if (forwarder_.pid <= 0) return;
  ::kill(forwarder_.pid, SIGKILL);
  kernel::reap(forwarder_.pid);
}

void end_forwarder(const Layout& layout, const Record& record) {
  if (bindings_of(record).empty()) return;
  auto run = read_run_record(layout, record.id);
  if (run && run->forwarder.pid > 0 && run->boot_id == boot_id())
    if (auto handle = find_process(run->forwarder)) (void)send_signal(*handle, SIGKILL);
  auto lock = open_file(lock_path(layout, record.id), O_RDONLY);
  constexpr int kPatienceMs = 2000, kLookMs = 2;
  for (int waited = 0; lock && waited < kPatienceMs && ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0; waited += kLookMs) {
    sleep_ms(kLookMs);
  }
}

bool lost_forwarder(const Layout& layout, std::string_view id, const State& state) {
  if (!state.running() || state.forwarder != 0) return false;
  auto run = read_run_record(layout, id);
  return run && run->forwarder.pid > 0 && is_gone(run->forwarder);
}

Result<> publish_again(const Layout& layout, std::string_view id) {
  auto run = read_run_record(layout, id);
  if (!run || !is_gone(run->forwarder)) return {};
  Fd first = TRY(find_process(run->process));
  Publishing ports = TRY(Publishing::listen_again(layout, id, *run));
  TRY(ports.serve(run->process.pid, first));
  ports.note(*run);
  auto noted = write_run_record(layout, id, *run);
  if (!noted) ports.give_up();
  return noted;
}

}  // namespace hull::engine
