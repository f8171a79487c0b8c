// hull oci start, state, kill, delete, list, ps, pause, resume, update, features and spec.
#include <unistd.h>

#include "base/text.h"
#include "cli/oci.h"
#include "engine/terminal.h"
#include "kernel/namespaces.h"
#include "oci/parse.h"

namespace hull::cli {
namespace {

struct Args {
  std::string format = "table", resources, bundle = ".";
  bool force = false, all = false, quiet = false;
};
constexpr Option kForce{'f', "force", Takes::Bool, nullptr, "End it if it runs; a missing one is no error", store<&Args::force>};
constexpr Option kAll{'a', "all", Takes::Bool, nullptr, "To every process of the container", store<&Args::all>};
constexpr Option kFormat{'f', "format", Takes::Required, "format", "table or json", store<&Args::format>};
constexpr Option kQuiet{'q', "quiet", Takes::Bool, nullptr, "Ids only", store<&Args::quiet>};
constexpr Option kResources{'r', "resources", Takes::Required, "file", "The runtime-spec's resources as JSON; - reads standard input", store<&Args::resources>};
constexpr Option kBundle{'b', "bundle", Takes::Required, "directory", "Where config.json is written", store<&Args::bundle>};

constexpr Option kDeleteOptions[] = {kForce}, kKillOptions[] = {kAll}, kListOptions[] = {kFormat, kQuiet}, kPsOptions[] = {kFormat},
                 kUpdateOptions[] = {kResources}, kSpecOptions[] = {kBundle};

const Syntax kIdSyntax{.name = "state", .synopsis = "ID", .summary = "Act on one container", .min_operands = 1, .max_operands = 1};
Syntax with(const char* name, std::span<const Option> options, uint16_t least, uint16_t most) {
  return {.name = name, .synopsis = "[OPTIONS] [ID...]", .summary = "Act on a container", .options = options, .min_operands = least, .max_operands = most};
}

// Parses, then acts on the first operand.
template <typename Act>
int act(const OciCall& call, const Syntax& syntax, Act action) {
  Args args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, syntax, &args, words)) return *code;
  Result<> done = action(args, words, words.empty() ? std::string() : std::string(words[0]));
  return done ? 0 : oci_report(call.globals, done.error());
}

using Words = std::vector<std::string_view>;

std::string list_table(const std::vector<runtime::Standing>& all) {
  std::string out = format("{:<12}{:<12}{:<12}{:<12}{:<12}{}\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
  for (const runtime::Standing& one : all)
    out += format("{:<11} {:<11} {:<11} {} {} root\n", one.state.id, one.pid(), one.status, one.state.bundle, one.state.created);
  return out;
}

}  // namespace

int oci_start(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::start(call.globals.root, id); });
}

int oci_state(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) -> Result<> {
    auto standing = TRY(runtime::stand(call.globals.root, id));
    print(json::to_pretty_text(runtime::state_json(standing, false), 2) + "\n");
    return {};
  });
}

int oci_kill(const OciCall& call) {
  return act(call, with("kill", kKillOptions, 1, 2), [&](const Args& args, const Words& words, const std::string& id) -> Result<> {
    int number = TRY(engine::parse_signal(words.size() > 1 ? words[1] : "TERM"));
    return runtime::kill(call.globals.root, id, number, args.all);
  });
}

int oci_delete(const OciCall& call) {
  return act(call, with("delete", kDeleteOptions, 1, 1), [&](const Args& args, const Words&, const std::string& id) {
    return runtime::remove(call.globals.root, id, args.force);
  });
}

int oci_list(const OciCall& call) {
  return act(call, with("list", kListOptions, 0, 0), [&](const Args& args, const Words&, const std::string&) -> Result<> {
    auto all = TRY(runtime::list(call.globals.root));
    if (args.quiet) {
      for (const auto& one : all) print(one.state.id + "\n");
    } else if (args.format == "json") {
      json::array out;
      for (const auto& one : all) out.emplace_back(runtime::state_json(one, true));
      print(json::to_text(out) + "\n");
    } else {
      print(list_table(all));
    }
    return {};
  });
}

int oci_ps(const OciCall& call) {
  return act(call, with("ps", kPsOptions, 1, 1), [&](const Args& args, const Words&, const std::string& id) -> Result<> {
    auto pids = TRY(runtime::processes(call.globals.root, id));
    json::array out;
    for (pid_t pid : pids) out.emplace_back(pid);
    if (args.format == "json") print(json::to_text(out) + "\n");
    else for (pid_t pid : pids) print(format("{}\n", pid));
    return {};
  });
}

int oci_pause(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::pause(call.globals.root, id, true); });
}

int oci_resume(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::pause(call.globals.root, id, false); });
}

int oci_update(const OciCall& call) {
  return act(call, with("update", kUpdateOptions, 1, 1), [&](const Args& args, const Words&, const std::string& id) -> Result<> {
    if (args.resources.empty()) return fail(ErrorKind::Invalid, "update: give --resources FILE, or - for standard input");
    Fd in = args.resources == "-" ? Fd(::dup(0)) : TRY(open_file(args.resources, 0));
    auto resources = TRY(oci::parse_resources(TRY(read_all(in, 1 << 20, "resources")), "resources"));
    return runtime::update(call.globals.root, id, resources);
  });
}

int oci_features(const OciCall& call) {
  return act(call, with("features", {}, 0, 0), [](const Args&, const Words&, const std::string&) -> Result<> {
    json::array namespaces, hooks{"prestart", "createRuntime", "poststart", "poststop"};
    for (const kernel::NsInfo& info : kernel::kNamespaces) namespaces.emplace_back(info.oci_name);
    bool v1 = runtime::cgroups() != nullptr && runtime::cgroups()->mode() != kernel::CgroupMode::V2;
    bool v2 = runtime::cgroups() != nullptr && runtime::cgroups()->mode() != kernel::CgroupMode::V1;
    json::object cgroup{{"v1", v1}, {"v2", v2}, {"systemd", false}, {"systemdUser", false}};
    json::object linux_{{"namespaces", namespaces}, {"cgroup", cgroup}, {"seccomp", json::object{{"enabled", true}}},
                        {"apparmor", json::object{{"enabled", false}}}, {"selinux", json::object{{"enabled", false}}},
                        {"intelRdt", json::object{{"enabled", false}}},
                        {"mountExtensions", json::object{{"idmap", json::object{{"enabled", false}}}}}};
    json::object all{{"ociVersionMin", "1.0.0"}, {"ociVersionMax", "1.2.0"}, {"hooks", hooks}, {"linux", linux_}};
    print(json::to_pretty_text(all, 2) + "\n");
    return {};
  });
}

// The template that runc writes, with hull's default masks.
int oci_spec(const OciCall& call) {
  return act(call, with("spec", kSpecOptions, 0, 0), [](const Args& args, const Words&, const std::string&) -> Result<> {
    static constexpr std::string_view kTemplate = R"({"ociVersion":"1.2.0","process":{"user":{"uid":0,"gid":0},"args":["sh"],
"env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","TERM=xterm"],"cwd":"/","capabilities":{
"bounding":["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"],"effective":["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"],
"permitted":["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"]},"noNewPrivileges":true},"root":{"path":"rootfs","readonly":true},
"hostname":"hull","mounts":[{"destination":"/proc","type":"proc","source":"proc"},
{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"]},
{"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=65536k"]},
{"destination":"/dev/mqueue","type":"mqueue","source":"mqueue","options":["nosuid","noexec","nodev"]},
{"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]}],
"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}]},
"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"cgroup"}],
"maskedPaths":["/proc/acpi","/proc/asound","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats",
"/proc/sched_debug","/sys/firmware","/proc/scsi"],"readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}})";
    std::string path = args.bundle + "/config.json";
    if (path_exists(path)) return fail(ErrorKind::Exists, format("file {} exists; remove it first", path));
    return replace_file(path, json::to_pretty_text(TRY(json::parse(kTemplate, "template"))) + "\n", Durability::Volatile, 0644);
  });
}

}  // namespace hull::cli
