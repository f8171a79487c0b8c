// hull oci features: what this build does on this host, as the runtime-spec's features document. What hull knows comes
// from the tables that it works by (but the hooks, and the architectures of x86-64); what the kernel has is asked of it.
#include <algorithm>

#include "base/text.h"
#include "cli/oci.h"
#include "kernel/capabilities.h"
#include "kernel/namespaces.h"
#include "kernel/seccomp.h"
#include "runtime/process.h"
#include "sandbox/mapped_bind.h"
#include "sandbox/mount_options.h"

namespace hull::cli {
namespace {

const Syntax kOciFeaturesSyntax{.name = "features", .synopsis = "", .summary = "What this build does on this host, as JSON", .max_operands = 0};

json::array texts(const std::vector<std::string>& names) {
  json::array out;
  for (const std::string& name : names) out.emplace_back(name);
  return out;
}

json::object enabled(bool yes) { return json::object{{"enabled", yes}}; }

json::object cgroup_features() {
  kernel::Cgroups* cgroups = runtime::cgroups();
  std::vector<std::string> controllers = cgroups != nullptr ? cgroups->controllers() : std::vector<std::string>();
  bool v1 = cgroups != nullptr && cgroups->mode() != kernel::CgroupMode::V2, v2 = cgroups != nullptr && cgroups->mode() != kernel::CgroupMode::V1;
  bool rdma = std::find(controllers.begin(), controllers.end(), "rdma") != controllers.end();
  return json::object{{"v1", v1}, {"v2", v2}, {"systemd", true}, {"systemdUser", true}, {"rdma", rdma}};
}

json::object seccomp_features() {
  kernel::SeccompNames names = kernel::seccomp_names();
  json::object out = enabled(!names.available_actions.empty());
  out["actions"] = texts(names.available_actions);
  out["operators"] = texts(names.operators);
  out["archs"] = texts({"SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"});
  out["knownFlags"] = texts(names.flags);
  out["supportedFlags"] = texts(names.available_flags);
  return out;
}

json::object intel_rdt_features() {
  json::object out = enabled(true);
  out["schemata"] = true;
  out["monitoring"] = true;
  return out;
}

json::object linux_features() {
  json::array namespaces, capabilities;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (kernel::ns_inode(0, info.kind)) namespaces.emplace_back(info.oci_name);
  for (const std::string& name : kernel::cap_names(kernel::host_capabilities())) capabilities.emplace_back(name);
  json::object policies{{"modes", texts(sandbox::memory_policy_modes())}, {"flags", texts(sandbox::memory_policy_flags())}};
  return json::object{{"namespaces", namespaces}, {"capabilities", capabilities}, {"cgroup", cgroup_features()}, {"seccomp", seccomp_features()},
                      {"apparmor", enabled(path_exists("/sys/module/apparmor"))}, {"selinux", enabled(path_exists("/sys/fs/selinux/enforce"))},
                      {"intelRdt", intel_rdt_features()}, {"memoryPolicy", policies}, {"netDevices", enabled(true)},
                      {"mountExtensions", json::object{{"idmap", enabled(sandbox::can_map_binds())}}}};
}

}  // namespace

int oci_features(const OciCall& call) {
  struct {} none;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, kOciFeaturesSyntax, &none, words)) return *code;
  json::object all{{"ociVersionMin", "1.0.0"}, {"ociVersionMax", oci::kSpecVersion},
                   {"hooks", texts({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})},
                   {"mountOptions", texts(sandbox::mount_option_names())}, {"linux", linux_features()},
                   {"annotations", json::object{{"org.opencontainers.runc.checkpoint.enabled", "false"}, {"hull.version", HULL_VERSION}}}};
  print(json::to_pretty_text(all, 2) + "\n");
  return 0;
}

}  // namespace hull::cli
