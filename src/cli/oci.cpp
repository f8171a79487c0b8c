// hull oci: global options, the table of commands, and errors as shims read them.
#include "cli/oci.h"
#include "kernel/host_facts.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

namespace hull::cli {
namespace {

struct Globals : OciGlobals {
  std::string cgroup_manager;  // crun's name for systemd_cgroup and no_cgroup
  bool version = false;
};
constexpr Option kOptions[] = {
    {0, "root", Takes::Required, "directory", "Where the state of containers is kept", store<&Globals::root>},
    {0, "log", Takes::Required, "file", "Write errors to this file, too", store<&Globals::log>},
    {0, "log-format", Takes::Required, "format", "text or json", store<&Globals::log_format>},
    {0, "debug", Takes::Bool, nullptr, "Accepted", store<&Globals::debug>},
    {0, "systemd-cgroup", Takes::Bool, nullptr, "Make cgroups through systemd", store<&Globals::systemd_cgroup>},
    {0, "cgroup-manager", Takes::Required, "manager", "cgroupfs, systemd or disabled", store<&Globals::cgroup_manager>},
    {0, "rootless", Takes::Required, "mode", "Accepted: true, false or auto", store<&Globals::rootless>},
    {'v', "version", Takes::Bool, nullptr, "Print the version", store<&Globals::version>},
    {'V', nullptr, Takes::Bool, nullptr, nullptr, store<&Globals::version>},
};

struct OciCommand {
  const char* name;
  int (*run)(const OciCall& call);
};
constexpr OciCommand kOciCommands[] = {
    {"create", oci_create}, {"start", oci_start}, {"state", oci_state},   {"kill", oci_kill},     {"delete", oci_delete},
    {"run", oci_run},       {"exec", oci_exec},   {"list", oci_list},     {"ps", oci_ps},         {"pause", oci_pause},
    {"resume", oci_resume}, {"update", oci_update}, {"events", oci_events},   {"features", oci_features}, {"spec", oci_spec},
};

// As runc: an ordinary user's own, also where rootless podman has made him root of a user namespace.
std::string default_root() {
  const char *runtime = ::getenv("XDG_RUNTIME_DIR"), *user = ::getenv("USER");
  if (runtime == nullptr || *runtime != '/') return "/run/hull-oci";
  bool root_of_a_namespace = (user == nullptr || std::string_view(user) != "root") && kernel::in_user_namespace();
  return ::geteuid() != 0 || root_of_a_namespace ? std::string(runtime) + "/hull-oci" : "/run/hull-oci";
}

std::string log_line(const OciGlobals& globals, const char* level, const std::string& text) {
  char now[32];
  time_t seconds = ::time(nullptr);
  tm parts;
  ::strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&seconds, &parts));
  if (globals.log_format == "json") return json::to_text(json::object{{"level", level}, {"msg", text}, {"time", now}}) + "\n";
  return format("time=\"{}\" level={} msg={}\n", now, level, json::to_text(json::value(text)));
}

void append_log(const OciGlobals& globals, const char* level, const std::string& text) {
  if (auto file = open_file(globals.log, O_WRONLY | O_CREAT | O_APPEND, 0644)) (void)write_all(*file, log_line(globals, level, text), globals.log);
}

}  // namespace

static Result<> check_globals(Globals& globals) {
  auto check = [](const char* option, const std::string& value, std::initializer_list<std::string_view> known) -> Result<> {
    if (std::find(known.begin(), known.end(), value) != known.end()) return {};
    return fail(ErrorKind::Invalid, format("--{}: unknown \"{}\"", option, escape_controls(value)));
  };
  if (globals.root.empty()) return fail(ErrorKind::Invalid, "--root: is empty; give a directory");
  if (!globals.root.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof here) == nullptr) return fail_errno("getcwd", "--root " + globals.root);
    globals.root = std::string(here) + "/" + globals.root;
  }
  TRY(check("log-format", globals.log_format, {"text", "json"}));
  TRY(check("cgroup-manager", globals.cgroup_manager, {"", "cgroupfs", "systemd", "disabled"}));
  if (auto boolean = parse_bool(globals.rootless); !boolean) TRY(check("rootless", globals.rootless, {"", "auto"}));
  globals.systemd_cgroup |= globals.cgroup_manager == "systemd";
  globals.no_cgroup = globals.cgroup_manager == "disabled";
  if (!globals.log.empty()) TRY_CONTEXT(open_file(globals.log, O_WRONLY | O_CREAT | O_APPEND, 0644), "--log");
  return {};
}

const Syntax kOciSyntax{.name = "oci", .synopsis = "[OPTIONS] COMMAND [ARG...]", .summary = "Run OCI bundles, with runc's command line",
                        .options = kOptions, .operands = Operands::EndOptions,
                        .epilogue = "Commands: create delete events exec features kill list pause ps resume run spec start state update"};

int oci_report(const OciGlobals& globals, const Error& error, int code) {
  print_error(error.text());
  if (!globals.log.empty()) append_log(globals, "error", error.text());
  return code;
}

void oci_warn(const OciGlobals& globals, const std::string& text) {
  if (globals.log.empty()) print_error("warning: " + text);
  else append_log(globals, "warning", text);
}

std::string oci_notify_socket() {
  const char* path = ::getenv("NOTIFY_SOCKET");
  return path != nullptr ? path : "";
}

std::optional<int> oci_begin(const OciCall& call, const Syntax& syntax, void* target, std::vector<std::string_view>& operands) {
  auto code = begin(call.call, syntax, target, operands);
  if (code && *code != 0) return 1;
  return code;
}

int run_oci(const Invocation& call) {
  Globals globals;
  globals.root = default_root();
  std::vector<std::string_view> words;
  if (auto code = begin(call, kOciSyntax, &globals, words)) return *code == 0 ? 0 : 1;
  if (globals.version) {
    bool other = call.program == "crun" || call.program == "runc";
    print(format("{} version {}\nspec: {}\n", other ? call.program : "hull-oci", HULL_VERSION, oci::kSpecVersion));
    return 0;
  }
  if (auto done = check_globals(globals); !done) return oci_report(globals, done.error());
  if (words.empty()) {
    print(help_text(kOciSyntax, call.program));
    return 0;
  }
  if (words[0] == "checkpoint" || words[0] == "restore")
    return oci_report(globals, Error(ErrorKind::Unsupported, format("{}: hull cannot checkpoint containers", words[0])));
  for (const OciCommand& command : kOciCommands)
    if (words[0] == command.name)
      return command.run({globals, {call.program + " " + command.name, call.arguments.subspan(call.arguments.size() - words.size() + 1)}});
  return oci_report(globals, Error(ErrorKind::Unsupported, format("\"{}\" is no command of {}", escape_controls(words[0]), call.program)));
}

}  // namespace hull::cli
