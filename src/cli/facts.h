// What the host's kernel knows by number and by address, each fact with its owner: the container, pod, unit or process.
// `hull whois` filters these facts by value, `hull owns` by owner; so each answers what the other says. Collected by
// category, for each costs a walk of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/ns_target.h"
#include "engine/engine.h"
#include "ns/scan.h"

namespace hull::cli {

// In the order in which they are told.
enum class FactKind : uint8_t {
  Container, Name, Hostname, Pid, InnerPid, Thread, Inode, NsId, CgroupPath, CgroupId, Interface, Mac, Ip, Port, UnixSocket, Socket,
  MountId, Overlay, Count
};
const char* fact_name(FactKind kind);  // "pid", "ns-id", … as in `whois pid:42`
using FactMask = uint32_t;
constexpr FactMask mask_of(FactKind kind) { return FactMask{1} << static_cast<unsigned>(kind); }
constexpr FactMask kAllFacts = mask_of(FactKind::Count) - 1;

struct Fact {
  FactKind kind = FactKind::Pid;
  std::string value;   // "8080/tcp", "10.0.0.2", "4026532181"
  std::string owner;   // "container db", "process 42 (sshd)", "unit ssh.service"
  pid_t pid = 0;       // a process by which it was found; 0: none
  std::string detail;  // "net namespace", "eth0 in net:[…]": how it was found
};

class FactFinder {
 public:
  // Looks at the host once.
  static Result<FactFinder> open();
  std::vector<Fact> collect(FactMask kinds);

 private:
  explicit FactFinder(engine::Engine engine) : engine_(std::move(engine)) {}
  void add(FactKind kind, std::string value, std::string owner, pid_t pid, std::string detail);
  const std::string& owner_of(pid_t pid);
  // One process for each owner in a namespace; those it has none of are told by what holds it.
  std::vector<std::pair<std::string, pid_t>> owners_of(const ns::Namespace& space);
  void find_containers();
  void find_names();
  void find_hostnames();
  void find_processes();
  void find_namespaces();
  void find_cgroups();
  void find_addresses();
  void find_ports();
  void find_sockets();
  void find_mounts();
  void find_overlays();
  bool wants(FactKind kind) const { return (wanted_ & mask_of(kind)) != 0; }

  engine::Engine engine_;
  OwnerLabels labels_;
  ns::Snapshot snapshot_;
  std::map<pid_t, std::string> owners_;
  std::map<uint64_t, pid_t> socket_holders_;
  FactMask wanted_ = 0;
  std::vector<Fact> facts_;
};

// What a question may be about, and the value as the facts spell it: "net:[4026…]", ":80", "pid:42", "db:7", "/hull/…".
struct Question {
  FactMask kinds = 0;
  std::string value;
};
Result<Question> parse_question(std::string_view text);
bool answers(const Question& question, const Fact& fact);

}  // namespace hull::cli
