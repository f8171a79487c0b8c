// hull oci features, which tells what this build does on this host, and hull oci spec, which writes a template.
#include <unistd.h>

#include "base/text.h"
#include "cli/oci.h"
#include "kernel/capabilities.h"
#include "kernel/namespaces.h"
#include "runtime/process.h"

namespace hull::cli {
namespace {

struct Args {
  std::string bundle = ".";
  bool rootless = false;
};
constexpr Option kSpecOptions[] = {
    {'b', "bundle", Takes::Required, "directory", "Where config.json is written", store<&Args::bundle>},
    {0, "rootless", Takes::Bool, nullptr, "For the calling user, with a user namespace of his own id", store<&Args::rootless>},
};
const Syntax kOciFeaturesSyntax{.name = "features", .synopsis = "", .summary = "What this build does on this host, as JSON", .max_operands = 0};
const Syntax kOciSpecSyntax{.name = "spec", .synopsis = "[OPTIONS]", .summary = "Write a config.json to begin with", .options = kSpecOptions,
                         .max_operands = 0};

json::array texts(std::initializer_list<const char*> names) {
  json::array out;
  for (const char* name : names) out.emplace_back(name);
  return out;
}

json::object enabled(bool yes) { return json::object{{"enabled", yes}}; }

json::object cgroup_features() {
  bool v1 = runtime::cgroups() != nullptr && runtime::cgroups()->mode() != kernel::CgroupMode::V2;
  bool v2 = runtime::cgroups() != nullptr && runtime::cgroups()->mode() != kernel::CgroupMode::V1;
  return json::object{{"v1", v1}, {"v2", v2}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}};
}

json::object seccomp_features() {
  json::object out = enabled(true);
  out["actions"] = texts({"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
                          "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"});
  out["operators"] = texts({"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"});
  out["archs"] = texts({"SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"});
  out["knownFlags"] = out["supportedFlags"] = texts({"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
                                                     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"});
  return out;
}

json::object linux_features() {
  json::array namespaces, capabilities;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (kernel::ns_inode(0, info.kind)) namespaces.emplace_back(info.oci_name);
  for (const std::string& name : kernel::cap_names(kernel::host_capabilities().value_or(0))) capabilities.emplace_back(name);
  return json::object{{"namespaces", namespaces}, {"capabilities", capabilities}, {"cgroup", cgroup_features()}, {"seccomp", seccomp_features()},
                      {"apparmor", enabled(true)}, {"selinux", enabled(true)}, {"intelRdt", enabled(false)},
                      {"mountExtensions", json::object{{"idmap", enabled(true)}}}};
}

json::array mount_options() {
  json::array out = texts({"bind", "rbind", "remount", "defaults", "tmpcopyup", "idmap", "ridmap"});
  for (const char* name : {"private", "shared", "slave", "unbindable"}) out.emplace_back(name), out.emplace_back(std::string("r") + name);
  for (const char* name : {"ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime", "relatime", "norelatime",
                           "strictatime", "nostrictatime", "diratime", "nodiratime", "symfollow", "nosymfollow"})
    out.emplace_back(name), out.emplace_back(std::string("r") + name);
  return out;
}

static constexpr std::string_view kTemplate = R"({"ociVersion":"1.2.0","process":{"terminal":true,"user":{"uid":0,"gid":0},"args":["sh"],
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
  std::string path = args.bundle + "/config.json";
  if (path_exists(path)) return fail(ErrorKind::Exists, format("File {} exists. Remove it first", path));
  json::value document = TRY(json::parse(kTemplate, "template"));
  if (args.rootless) make_rootless(document);
  return replace_file(path, json::to_pretty_text(document) + "\n", Durability::Volatile, 0644);
}

}  // namespace

int oci_features(const OciCall& call) {
  Args args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kOciFeaturesSyntax, &args, words)) return *code;
  json::object all{{"ociVersionMin", "1.0.0"}, {"ociVersionMax", "1.2.0"},
                   {"hooks", texts({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})},
                   {"mountOptions", mount_options()}, {"linux", linux_features()}};
  print(json::to_pretty_text(all, 2) + "\n");
  return 0;
}

int oci_spec(const OciCall& call) {
  Args args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kOciSpecSyntax, &args, words)) return *code;
  auto done = write_template(args);
  return done ? 0 : oci_report(call.globals, done.error());
}

}  // namespace hull::cli
