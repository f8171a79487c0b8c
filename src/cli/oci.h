// The OCI runtime's command line (`hull oci`, hull-oci, runc, crun): global options, then a command. Private to cli/oci*.
#pragma once

#include "cli/commands.h"
#include "runtime/runtime.h"

namespace hull::cli {

struct OciGlobals {
  std::string root, log, log_format = "text", rootless;
  bool debug = false, systemd_cgroup = false, no_cgroup = false;
};

struct OciCall {
  const OciGlobals& globals;
  Invocation call;
};

// An error goes to standard error and to --log as runc writes it. Returns `code`.
int oci_report(const OciGlobals& globals, const Error& error, int code = 1);
void oci_warn(const OciGlobals& globals, const std::string& text);
json::object oci_stats_json(const kernel::CgroupStats& stats);
std::string oci_notify_socket();  // NOTIFY_SOCKET
// begin() with the exit code of runc for a usage error.
std::optional<int> oci_begin(const OciCall& call, const Syntax& syntax, void* target, std::vector<std::string_view>& operands);

using Words = std::vector<std::string_view>;

// Parses, then acts: action(const Args&, const Words& operands) -> Result<>; what fails is reported.
template <typename Args, typename Act>
int oci_act(const OciCall& call, const Syntax& syntax, Act action) {
  Args args;
  Words words;
  if (auto code = oci_begin(call, syntax, &args, words)) return *code;
  Result<> done = action(args, words);
  return done ? 0 : oci_report(call.globals, done.error());
}

int oci_create(const OciCall& call), oci_run(const OciCall& call), oci_exec(const OciCall& call);
int oci_start(const OciCall& call), oci_state(const OciCall& call), oci_kill(const OciCall& call), oci_delete(const OciCall& call);
int oci_list(const OciCall& call), oci_ps(const OciCall& call), oci_pause(const OciCall& call), oci_resume(const OciCall& call);
int oci_update(const OciCall& call), oci_events(const OciCall& call), oci_features(const OciCall& call), oci_spec(const OciCall& call);

}  // namespace hull::cli
