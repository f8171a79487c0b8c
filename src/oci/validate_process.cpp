// process, and the process of exec.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "oci/validate.h"

namespace hull::oci {
namespace {

tl::unexpected<Error> invalid(std::string text) { return fail(ErrorKind::Invalid, std::move(text)); }

Result<> check_rlimits(const Process& process) {
  static constexpr std::string_view kTypes[] = {"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE",
                                                "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"};
  std::set<std::string> seen;
  for (const Rlimit& limit : process.rlimits) {
    std::string_view type = limit.type;
    bool known = type.starts_with("RLIMIT_") && std::find(std::begin(kTypes), std::end(kTypes), type.substr(7)) != std::end(kTypes);
    if (!known) return invalid(format("process.rlimits: unknown type \"{}\"", escape_controls(type)));
    if (!seen.insert(limit.type).second) return invalid(format("process.rlimits: \"{}\" stands twice", type));
    if (limit.soft > limit.hard) return invalid(format("process.rlimits: {}: soft {} is above hard {}", type, limit.soft, limit.hard));
  }
  return {};
}

// sched(7): which values go with which policy.
Result<> check_scheduler(const Scheduler& s) {
  bool realtime = s.policy == "SCHED_FIFO" || s.policy == "SCHED_RR", deadline = s.policy == "SCHED_DEADLINE";
  if (s.nice && (*s.nice < -20 || *s.nice > 19)) return invalid("process.scheduler.nice: not from -20 to 19");
  if (s.nice.value_or(0) != 0 && (realtime || deadline)) return invalid(format("process.scheduler.nice: not with {}", s.policy));
  if (realtime && (s.priority.value_or(0) < 1 || *s.priority > 99)) return invalid(format("process.scheduler.priority: {} needs 1 to 99", s.policy));
  if (!realtime && s.priority.value_or(0) != 0) return invalid(format("process.scheduler.priority: only with SCHED_FIFO and SCHED_RR"));
  if (deadline && s.runtime.value_or(0) == 0) return invalid("process.scheduler.runtime: SCHED_DEADLINE needs it");
  if (!deadline && (s.runtime.value_or(0) | s.deadline.value_or(0) | s.period.value_or(0)) != 0)
    return invalid("process.scheduler: runtime, deadline and period are for SCHED_DEADLINE");
  return {};
}

bool is_plain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char letter) { return letter > ' ' && letter != 0x7f; });
}

Result<> check_labels(const Process& process) {
  if (!process.selinux_label.empty() && !process.apparmor_profile.empty())
    return invalid("process.selinuxLabel: given with apparmorProfile; a kernel has one of the two");
  if (!is_plain(process.selinux_label)) return invalid("process.selinuxLabel: is no security context");
  if (!is_plain(process.apparmor_profile)) return invalid("process.apparmorProfile: is no name of a profile");
  return {};
}

}  // namespace

Result<> validate(const Process& process) {
  if (process.args.empty() || process.args[0].empty()) return invalid("process.args: no command given");
  if (!process.cwd.starts_with('/')) return invalid(format("process.cwd: \"{}\" is not absolute", escape_controls(process.cwd)));
  for (size_t i = 0; i < process.env.size(); ++i)
    if (process.env[i].find('=') == std::string::npos || process.env[i][0] == '=')
      return invalid(format("process.env[{}]: is not NAME=value", i));
  constexpr size_t kMostGroups = 65536;  // NGROUPS_MAX
  if (process.user.additional_gids.size() > kMostGroups) return invalid(format("process.user.additionalGids: more than {}", kMostGroups));
  if (process.user.umask && *process.user.umask > 0777) return invalid("process.user.umask: above 0777");
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000))
    return invalid("process.oomScoreAdj: not from -1000 to 1000");
  if (process.scheduler) TRY(check_scheduler(*process.scheduler));
  if (process.io_priority && (process.io_priority->priority < 0 || process.io_priority->priority > 7))
    return invalid("process.ioPriority.priority: not from 0 to 7");
  TRY(check_labels(process));
  return check_rlimits(process);
}

}  // namespace hull::oci
