// hull oci create, run and exec.
#include "base/text.h"
#include "cli/oci.h"
#include "oci/parse.h"

namespace hull::cli {
namespace {

struct MakeArgs {
  runtime::CreateOptions create;
  std::string bundle = ".", pid_file, console_socket;
  uint32_t preserve_fds = 0;
  bool no_pivot = false, no_new_keyring = false, detach = false, keep = false, no_subreaper = false;
};
constexpr Option kMakeOptions[] = {
    {'b', "bundle", Takes::Required, "directory", "The bundle; the current directory if not given", store<&MakeArgs::bundle>},
    {0, "pid-file", Takes::Required, "file", "Write the process id to this file", store<&MakeArgs::pid_file>},
    {0, "console-socket", Takes::Required, "socket", "Receives the terminal's master", store<&MakeArgs::console_socket>},
    {0, "preserve-fds", Takes::Required, "count", "Not supported but for 0", store<&MakeArgs::preserve_fds>},
    {0, "no-pivot", Takes::Bool, nullptr, "Accepted; the root is always pivoted", store<&MakeArgs::no_pivot>},
    {0, "no-new-keyring", Takes::Bool, nullptr, "Keep the caller's session keyring", store<&MakeArgs::no_new_keyring>},
    {0, "no-subreaper", Takes::Bool, nullptr, "Accepted", store<&MakeArgs::no_subreaper>},
    {'d', "detach", Takes::Bool, nullptr, "run: do not wait for the end", store<&MakeArgs::detach>},
    {0, "keep", Takes::Bool, nullptr, "run: do not delete after the end", store<&MakeArgs::keep>},
};
const Syntax kMakeSyntax{.name = "create", .synopsis = "[OPTIONS] ID", .summary = "Make a container from a bundle", .options = kMakeOptions,
                         .min_operands = 1, .max_operands = 1};

Result<runtime::CreateOptions> options_of(const OciCall& call, const MakeArgs& args, std::string_view id) {
  if (args.preserve_fds != 0) return fail(ErrorKind::Unsupported, "--preserve-fds: hull passes no descriptors yet; give 0");
  runtime::CreateOptions options;
  options.root = call.globals.root;
  options.id = id;
  options.bundle = args.bundle;
  options.pid_file = args.pid_file;
  options.console_socket = args.console_socket;
  options.no_new_keyring = args.no_new_keyring;
  return options;
}

Result<int> run_to_end(const OciCall& call, const MakeArgs& args, std::string_view id) {
  runtime::CreateOptions options = TRY(options_of(call, args, id));
  pid_t child = TRY(runtime::create(options));
  auto started = runtime::start(options.root, options.id);
  if (!started) {
    (void)runtime::remove(options.root, options.id, true);
    return fail(std::move(started).error());
  }
  if (args.detach) return 0;
  int code = TRY(runtime::wait_for(child));
  if (!args.keep) TRY(runtime::remove(options.root, options.id, true));
  return code;
}

struct ExecArgs {
  std::string process, cwd, user, pid_file, console_socket, apparmor, label;
  std::vector<std::string> env, caps, gids;
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
    {0, "pid-file", Takes::Required, "file", "Write the process id to this file", store<&ExecArgs::pid_file>},
    {0, "console-socket", Takes::Required, "socket", "Receives the terminal's master", store<&ExecArgs::console_socket>},
    {0, "preserve-fds", Takes::Required, "count", "Not supported but for 0", store<&ExecArgs::preserve_fds>},
    {'d', "detach", Takes::Bool, nullptr, "Do not wait for the end", store<&ExecArgs::detach>},
    {'t', "tty", Takes::Bool, nullptr, "With a terminal", store<&ExecArgs::tty>},
    {0, "no-new-privs", Takes::Bool, nullptr, "Set no_new_privs", store<&ExecArgs::no_new_privs>},
    {0, "no-subreaper", Takes::Bool, nullptr, "Accepted", store<&ExecArgs::no_subreaper>},
    {0, "ignore-paused", Takes::Bool, nullptr, "Also in a paused container", store<&ExecArgs::ignore_paused>},
};
const Syntax kExecSyntaxOci{.name = "exec", .synopsis = "[OPTIONS] ID [COMMAND [ARG...]]", .summary = "Run one more process in a container",
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

Result<> change_process(oci::Process& process, const ExecArgs& args, std::span<const std::string_view> command) {
  if (!args.apparmor.empty() || !args.label.empty()) return fail(ErrorKind::Unsupported, "--apparmor, --process-label: hull cannot apply them");
  if (!args.process.empty()) {
    process = TRY(oci::parse_process(TRY(read_file(args.process)), args.process));
    return {};
  }
  process.args.assign(command.begin(), command.end());
  process.terminal = args.tty;
  if (!args.cwd.empty()) process.cwd = args.cwd;
  process.env.insert(process.env.end(), args.env.begin(), args.env.end());
  process.no_new_privileges |= args.no_new_privs;
  if (!args.caps.empty() && !process.capabilities) process.capabilities.emplace();
  for (const std::string& cap : args.caps)
    for (auto* set : {&process.capabilities->bounding, &process.capabilities->effective, &process.capabilities->permitted}) set->push_back(cap);
  return set_user(process.user, args);
}

}  // namespace

int oci_create(const OciCall& call) {
  MakeArgs args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kMakeSyntax, &args, words)) return *code;
  auto options = options_of(call, args, words[0]);
  if (!options) return oci_report(call.globals, options.error());
  auto made = runtime::create(*options);
  return made ? 0 : oci_report(call.globals, made.error());
}

int oci_run(const OciCall& call) {
  MakeArgs args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kMakeSyntax, &args, words)) return *code;
  auto ended = run_to_end(call, args, words[0]);
  return ended ? *ended : oci_report(call.globals, ended.error());
}

int oci_exec(const OciCall& call) {
  ExecArgs args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kExecSyntaxOci, &args, words)) return *code == 0 ? 0 : 255;
  if (args.preserve_fds != 0) return oci_report(call.globals, Error(ErrorKind::Unsupported, "--preserve-fds: hull passes no descriptors yet; give 0"), 255);
  runtime::ExecOptions options{call.globals.root, std::string(words[0]), args.pid_file, args.console_socket, {}, args.ignore_paused};
  std::span<const std::string_view> command(words.data() + 1, words.size() - 1);
  options.change = [&](oci::Process& process) { return change_process(process, args, command); };
  auto child = runtime::exec(options);
  if (!child) return oci_report(call.globals, child.error(), 255);
  if (args.detach) return 0;
  auto code = runtime::wait_for(*child);
  return code ? *code : oci_report(call.globals, code.error(), 255);
}

}  // namespace hull::cli
