// hull oci exec.
#include "base/text.h"
#include "cli/oci.h"
#include "cli/oci_wait.h"
#include "oci/parse.h"
#include "runtime/config.h"

namespace hull::cli {
namespace {

struct ExecArgs {
  std::string process, cwd, user, pid_file, pidfd_socket, console_socket, apparmor, label;
  std::vector<std::string> env, caps, gids, cgroups;
  uint32_t preserve_fds = 0;
  bool detach = false, tty = false, no_new_privs = false, ignore_paused = false, no_subreaper = false;
};
constexpr Option kExecOptions[] = {
    {'p', "process", Takes::Required, "file", "The process as JSON", store<&ExecArgs::process>},
    {0, "cwd", Takes::Required, "directory", "Working directory", store<&ExecArgs::cwd>},
    {'u', "user", Takes::Required, "uid[:gid]", "User", store<&ExecArgs::user>},
    {'e', "env", Takes::Required, "NAME=value", "Add to the environment", store<&ExecArgs::env>},
    {'c', "cap", Takes::Required, "capability", "Add a capability", store<&ExecArgs::caps>},
    {'g', "additional-gids", Takes::Required, "gid", "Add a group", store<&ExecArgs::gids>},
    {0, "apparmor", Takes::Required, "profile", "AppArmor profile", store<&ExecArgs::apparmor>},
    {0, "process-label", Takes::Required, "label", "SELinux label", store<&ExecArgs::label>},
    {0, "cgroup", Takes::Required, "[controller,...:]path", "Place it in this existing group below the container's own", store<&ExecArgs::cgroups>},
    {0, "pid-file", Takes::Required, "file", "Write the process id to this file", store<&ExecArgs::pid_file>},
    {0, "pidfd-socket", Takes::Required, "socket", "Receives a descriptor of the process", store<&ExecArgs::pidfd_socket>},
    {0, "console-socket", Takes::Required, "socket", "Receives the terminal's master", store<&ExecArgs::console_socket>},
    {0, "preserve-fds", Takes::Required, "count", "Pass this many descriptors on, from 3", store<&ExecArgs::preserve_fds>},
    {'d', "detach", Takes::Bool, nullptr, "Do not wait for the end", store<&ExecArgs::detach>},
    {'t', "tty", Takes::Bool, nullptr, "With a terminal", store<&ExecArgs::tty>},
    {0, "no-new-privs", Takes::Bool, nullptr, "Set no_new_privs", store<&ExecArgs::no_new_privs>},
    {0, "no-subreaper", Takes::Bool, nullptr, "Accepted: hull never is one", store<&ExecArgs::no_subreaper>},
    {0, "ignore-paused", Takes::Bool, nullptr, "Also in a paused container", store<&ExecArgs::ignore_paused>},
};
const Syntax kOciExecSyntax{.name = "exec", .synopsis = "[OPTIONS] ID [COMMAND [ARG...]]", .summary = "Run one more process in a container",
                            .options = kExecOptions, .operands = Operands::EndOptions, .min_operands = 1};

Result<> set_user(oci::User& user, const ExecArgs& args) {
  auto number = [](std::string_view text) { return parse_uint(text, 0, UINT32_MAX - 1); };
  if (!args.user.empty()) {
    std::vector<std::string> parts = split(args.user, ':');
    auto uid = number(parts[0]), gid = parts.size() == 2 ? number(parts[1]) : std::optional<uint64_t>(user.gid);
    if (!uid || !gid || parts.size() > 2) return fail(ErrorKind::Invalid, format("--user: \"{}\" is not uid[:gid]", escape_controls(args.user)));
    user.uid = static_cast<uint32_t>(*uid);
    user.gid = static_cast<uint32_t>(*gid);
  }
  for (const std::string& text : args.gids) {
    auto gid = number(text);
    if (!gid) return fail(ErrorKind::Invalid, format("--additional-gids: \"{}\" is no id", escape_controls(text)));
    user.additional_gids.push_back(static_cast<uint32_t>(*gid));
  }
  return {};
}

void add_capabilities(oci::Process& process, const std::vector<std::string>& names) {
  if (names.empty()) return;
  if (!process.capabilities) process.capabilities.emplace();
  for (const std::string& name : names)
    for (auto* set : {&process.capabilities->bounding, &process.capabilities->effective, &process.capabilities->permitted}) set->push_back(name);
}

Result<oci::Process> read_process(const std::string& path) {
  std::string text = TRY(read_file(path));
  return oci::parse_process(text, path);
}

// With --process the file is all there is, as runc has it.
Result<> change_process(oci::Process& process, const ExecArgs& args, const std::optional<oci::Process>& whole, std::span<const std::string_view> command) {
  if (whole) {
    process = *whole;
    return {};
  }
  process.args.assign(command.begin(), command.end());
  process.terminal = args.tty;
  if (!args.cwd.empty()) process.cwd = args.cwd;
  process.env.insert(process.env.end(), args.env.begin(), args.env.end());
  process.no_new_privileges |= args.no_new_privs;
  if (!args.apparmor.empty()) process.apparmor_profile = args.apparmor;
  if (!args.label.empty()) process.selinux_label = args.label;
  add_capabilities(process, args.caps);
  return set_user(process.user, args);
}

Result<int> exec_to_end(const OciCall& call, const ExecArgs& args, const std::vector<std::string_view>& words) {
  TRY(runtime::check_preserved(args.preserve_fds));
  runtime::ExecOptions options;
  options.root = call.globals.root;
  options.id = words[0];
  options.pid_file = args.pid_file;
  options.pidfd_socket = args.pidfd_socket;
  options.console_socket = args.console_socket;
  options.preserve_fds = args.preserve_fds;
  options.ignore_paused = args.ignore_paused;
  options.cgroups = args.cgroups;
  options.warn = [&call](const std::string& text) { oci_warn(call.globals, text); };
  std::span<const std::string_view> command(words.data() + 1, words.size() - 1);
  std::optional<oci::Process> whole;
  if (!args.process.empty()) whole = TRY(read_process(args.process));  // once: it may be a pipe
  options.change = [&](oci::Process& process) { return change_process(process, args, whole, command); };
  if (args.ignore_paused) TRY(runtime::wait_for_resume(options.root, options.id));
  Foreground foreground;
  if (!args.detach) {
    bool terminal = whole ? whole->terminal : args.tty;
    TRY(foreground.open(terminal && args.console_socket.empty()));
    options.console_fd = foreground.console_fd();
  }
  pid_t child = TRY(runtime::exec(options));
  if (args.detach) return 0;
  runtime::Notifier none;
  auto code = foreground.wait(child, none);
  return code ? std::move(code) : fail(runtime::with_cause(options.root, options.id, std::move(code).error()));
}

}  // namespace

int oci_exec(const OciCall& call) {
  ExecArgs args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kOciExecSyntax, &args, words)) return *code == 0 ? 0 : 255;
  auto code = exec_to_end(call, args, words);
  return code ? *code : oci_report(call.globals, code.error(), 255);
}

}  // namespace hull::cli
