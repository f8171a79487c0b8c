// Published ports of a container: bound on the host before anything of its start is made, so that a port that is taken
// refuses it; served by a hull-port that ends with its first process, and is ended by whoever settles the run.
//
//   start:  listen ── launch ── hull-port ── run.json (who serves, at which ports) ── the process is let go
//   end:    its pidfd tells hull-port; settle() kills it too and waits, so that the ports are free when the command returns
//
// RUN/containers/ID/ports is locked by hull and hull-port together. Of a start that was killed before it wrote run.json the
// lock alone says whether its hull-port is gone yet.
#pragma once

#include "engine/runtime_record.h"
#include "net/publish.h"

namespace hull::engine {

// What a start of this container publishes; nothing with the host's network.
std::vector<net::PortBinding> bindings_of(const Record& record);
std::vector<net::ContainerPort> exposed_ports(const Record& record);  // sorted
// Those that are shown beside the published ones.
std::vector<net::ContainerPort> only_exposed(const Record& record, const State& state);

class Publishing {
 public:
  static Result<Publishing> listen(const Layout& layout, const Record& record);
  // Where a run had them whose hull-port was killed.
  static Result<Publishing> listen_again(const Layout& layout, std::string_view id, const RunRecord& run);
  // Serves until the process has ended; the sockets are hull-port's from then on.
  Result<> serve(pid_t pid, const Fd& pidfd);
  void note(RunRecord& run) const;
  void give_up();  // after serve(), for a start that failed

 private:
  static Result<Publishing> listen_at(const Layout& layout, std::string_view id, const std::vector<net::PortBinding>& bindings);
  Fd lock_;
  std::vector<net::Listening> listening_;
  ProcessIdentity forwarder_;
  std::vector<net::PublishedPort> ports_;
};

// Call with the record's lock held, while its process has ended or will.
void end_forwarder(const Layout& layout, const Record& record);

// Whether a running container should have a hull-port and has none: it was killed.
bool lost_forwarder(const Layout& layout, std::string_view id, const State& state);
// Gives it one again, at the same ports. Call with the record's lock held.
Result<> publish_again(const Layout& layout, std::string_view id);

}  // namespace hull::engine
