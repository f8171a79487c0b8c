// The process of a container: who it is, what it may do, its limits.
#include <algorithm>

#include "base/text.h"
#include "engine/to_oci.h"

namespace hull::engine {
namespace {

constexpr uint64_t kNofileSoft = 1024, kNofileHard = 524288;

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& entry) {
    return entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=';
  });
}

std::vector<oci::Rlimit> rlimits(const ContainerConfig& config, uint64_t nofile_hard_limit) {
  std::vector<oci::Rlimit> limits;
  bool nofile = false;
  for (const Ulimit& limit : config.ulimits) {
    limits.push_back({"RLIMIT_" + to_upper(limit.name), limit.hard, limit.soft});
    nofile = nofile || limit.name == "nofile";
  }
  if (nofile) return limits;
  uint64_t hard = std::min(kNofileHard, nofile_hard_limit);
  limits.push_back({"RLIMIT_NOFILE", hard, std::min(kNofileSoft, hard)});
  return limits;
}

}  // namespace

Result<kernel::CapMask> container_capabilities(const ContainerConfig& config, kernel::CapMask available) {
  kernel::CapMask defaults = config.privileged ? available : kernel::kPodmanDefaultCapabilities & available;
  return kernel::apply_cap_changes(defaults, config.cap_add, config.cap_drop, available);
}

oci::Capabilities capability_sets(kernel::CapMask mask, uint32_t uid) {
  oci::Capabilities sets;
  sets.bounding = kernel::cap_names(mask);
  if (uid == 0) sets.effective = sets.permitted = sets.bounding;
  return sets;
}

Result<oci::Process> oci_process(const Record& record, const OciFacts& facts) {
  const ContainerConfig& config = record.config;
  oci::Process process;
  process.terminal = config.tty;
  process.console_height = facts.rows;
  process.console_width = facts.columns;
  process.user.uid = facts.user.uid;
  process.user.gid = facts.user.gid;
  process.user.additional_gids = facts.user.additional_gids;
  process.args = record.process.args;
  process.env = record.process.env;
  if (!has_variable(process.env, "HOME")) process.env.push_back("HOME=" + facts.user.home);
  process.cwd = record.process.workdir.empty() ? "/" : record.process.workdir;
  process.capabilities = capability_sets(TRY(container_capabilities(config, facts.capabilities)), facts.user.uid);
  process.rlimits = rlimits(config, facts.nofile_hard_limit);
  process.no_new_privileges = config.no_new_privileges;
  if (config.oom_score_adj) process.oom_score_adj = static_cast<int>(*config.oom_score_adj);
  return process;
}

}  // namespace hull::engine
