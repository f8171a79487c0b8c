// hull oci spec: writes a configuration to begin with.
#include <unistd.h>

#include "base/text.h"
#include "cli/oci.h"

namespace hull::cli {
namespace {

struct Args {
  std::string bundle = ".", file = "config.json";
  bool rootless = false;
};
constexpr Option kSpecOptions[] = {
    {'b', "bundle", Takes::Required, "directory", "Where config.json is written", store<&Args::bundle>},
    {'f', "file", Takes::Required, "file", "Its name, if not config.json", store<&Args::file>},
    {0, "rootless", Takes::Bool, nullptr, "For the calling user, with a user namespace of his own id", store<&Args::rootless>},
};
const Syntax kOciSpecSyntax{.name = "spec", .synopsis = "[OPTIONS]", .summary = "Write a config.json to begin with", .options = kSpecOptions,
                         .max_operands = 0};

json::array texts(std::initializer_list<const char*> names) {
  json::array out;
  for (const char* name : names) out.emplace_back(name);
  return out;
}

static constexpr std::string_view kTemplate = R"({"ociVersion":"","process":{"terminal":true,"user":{"uid":0,"gid":0},"args":["sh"],
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
json::array own_id(uint32_t id) { return json::array{json::object{{"containerID", 0}, {"hostID", id}, {"size", 1}}}; }

// What an ordinary user has no right to goes: a network of his own he has, groups of his own he has not.
void make_rootless(json::value& document) {
  json::object& linux_ = document.as_object()["linux"].as_object();
  linux_["namespaces"].as_array().push_back(json::object{{"type", "user"}});
  linux_["uidMappings"] = own_id(::geteuid());
  linux_["gidMappings"] = own_id(::getegid());
  linux_.erase("resources");
  for (json::value& mount : document.as_object()["mounts"].as_array())
    if (json::get_string(mount, "destination") == "/dev/pts") mount.as_object()["options"] = texts({"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"});
}

Result<> write_template(const Args& args) {
  std::string path = args.file.starts_with('/') ? args.file : args.bundle + "/" + args.file;
  if (path_exists(path)) return fail(ErrorKind::Exists, format("File {} exists. Remove it first", path));
  json::value document = TRY(json::parse(kTemplate, "template"));
  document.as_object()["ociVersion"] = oci::kSpecVersion;
  if (args.rootless) make_rootless(document);
  return replace_file(path, json::to_pretty_text(document) + "\n", Durability::Volatile, 0644);
}

}  // namespace

int oci_spec(const OciCall& call) {
  return oci_act<Args>(call, kOciSpecSyntax, [](const Args& args, const Words&) { return write_template(args); });
}

}  // namespace hull::cli
