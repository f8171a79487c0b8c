// hull oci create and run.
#include <unistd.h>

#include <cstdlib>
#include <span>

#include "base/text.h"
#include "cli/oci.h"
#include "cli/oci_wait.h"
#include "runtime/config.h"

namespace hull::cli {
namespace {

struct MakeArgs {
  std::string bundle = ".", config, pid_file, console_socket, pidfd_socket;
  uint32_t preserve_fds = 0;
  bool no_pivot = false, no_new_keyring = false, detach = false, keep = false, no_subreaper = false;
};
// The first two are run's alone.
constexpr Option kRunOptions[] = {
    {'d', "detach", Takes::Bool, nullptr, "Do not wait for the end", store<&MakeArgs::detach>},
    {0, "keep", Takes::Bool, nullptr, "Do not delete it after its end", store<&MakeArgs::keep>},
    {'b', "bundle", Takes::Required, "directory", "The bundle; the current directory if not given", store<&MakeArgs::bundle>},
    {'f', "config", Takes::Required, "file", "The configuration, if it is not the bundle's config.json", store<&MakeArgs::config>},
    {0, "pid-file", Takes::Required, "file", "Write the process id to this file", store<&MakeArgs::pid_file>},
    {0, "pidfd-socket", Takes::Required, "socket", "Receives a descriptor of the process", store<&MakeArgs::pidfd_socket>},
    {0, "console-socket", Takes::Required, "socket", "Receives the terminal's master", store<&MakeArgs::console_socket>},
    {0, "preserve-fds", Takes::Required, "count", "Pass this many descriptors on, from 3", store<&MakeArgs::preserve_fds>},
    {0, "no-pivot", Takes::Bool, nullptr, "Move the root instead of pivoting, for a host on an initramfs", store<&MakeArgs::no_pivot>},
    {0, "no-new-keyring", Takes::Bool, nullptr, "Keep the caller's session keyring", store<&MakeArgs::no_new_keyring>},
    {0, "no-subreaper", Takes::Bool, nullptr, "Accepted: hull never is one", store<&MakeArgs::no_subreaper>},
};
const Syntax kOciCreateSyntax{.name = "create", .synopsis = "[OPTIONS] ID", .summary = "Make a container from a bundle, to be started later",
                              .options = std::span(kRunOptions).subspan(2), .min_operands = 1, .max_operands = 1};
const Syntax kOciRunSyntax{.name = "run", .synopsis = "[OPTIONS] ID", .summary = "Make a container from a bundle, run it to its end, and delete it",
                           .options = kRunOptions, .min_operands = 1, .max_operands = 1};

// sd_listen_fds(3): sockets that systemd passed to us go on to the container's process. Those for another process are not ours,
// but engines that pass them on say nothing of the pid, or what it is in the container.
void pass_listen_fds(runtime::CreateOptions& options) {
  const char *text = ::getenv("LISTEN_FDS"), *pid = ::getenv("LISTEN_PID");
  bool ours = pid == nullptr || std::string_view(pid) == "1" || std::string_view(pid) == std::to_string(::getpid());
  auto count = text == nullptr || !ours ? std::nullopt : parse_uint(text, 1, 1024);
  if (!count || !runtime::check_preserved(static_cast<uint32_t>(*count))) return;
  options.preserve_fds += static_cast<uint32_t>(*count);
  options.extra_environment = {format("LISTEN_FDS={}", *count), "LISTEN_PID=1"};
}

Result<runtime::CreateOptions> options_of(const OciCall& call, const MakeArgs& args, std::string_view id) {
  runtime::CreateOptions options;
  options.root = call.globals.root;
  options.id = id;
  options.bundle = args.bundle;
  options.config = TRY(read_file(args.config.empty() ? args.bundle + "/config.json" : args.config));  // once: it may be a pipe
  options.pid_file = args.pid_file;
  options.pidfd_socket = args.pidfd_socket;
  options.console_socket = args.console_socket;
  options.preserve_fds = args.preserve_fds;
  options.no_new_keyring = args.no_new_keyring;
  options.no_pivot = args.no_pivot;
  options.systemd_cgroup = call.globals.systemd_cgroup;
  options.no_cgroup = call.globals.no_cgroup;
  options.warn = [&call](const std::string& text) { oci_warn(call.globals, text); };
  options.notify = !oci_notify_socket().empty();
  pass_listen_fds(options);
  TRY(runtime::check_preserved(options.preserve_fds));
  return options;
}

Result<int> run_to_end(const OciCall& call, const MakeArgs& args, std::string_view id) {
  runtime::CreateOptions options = TRY(options_of(call, args, id));
  oci::Spec spec = TRY(runtime::parse_config(options.config));
  Foreground foreground;
  if (!args.detach) {
    TRY(foreground.open(args.console_socket.empty() && spec.process.terminal));
    options.console_fd = foreground.console_fd();
  }
  runtime::Running running = TRY(runtime::run(options, std::move(spec), oci_notify_socket()));
  Result<int> code = 0;
  if (!args.detach) code = foreground.wait(running.pid, running.notifier);
  else if (Result<> told = running.notifier.wait(); told) return code;
  else code = fail(std::move(told).error());
  if (args.keep) return code;
  if (auto gone = runtime::remove(running, options.warn); !gone) options.warn(gone.error().text());
  return code;
}

}  // namespace

int oci_create(const OciCall& call) {
  return oci_act<MakeArgs>(call, kOciCreateSyntax, [&](const MakeArgs& args, const Words& words) -> Result<> {
    runtime::CreateOptions options = TRY(options_of(call, args, words[0]));
    TRY(runtime::create(options, TRY(runtime::parse_config(options.config))));
    return {};
  });
}

int oci_run(const OciCall& call) {
  MakeArgs args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kOciRunSyntax, &args, words)) return *code;
  auto ended = run_to_end(call, args, words[0]);
  return ended ? *ended : oci_report(call.globals, ended.error());
}

}  // namespace hull::cli
