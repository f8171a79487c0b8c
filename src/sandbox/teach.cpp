// --teach: the plan as the shell lines a person would type.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/text.h"
#include "kernel/capabilities.h"
#include "sandbox/mount_options.h"
#include "sandbox/print.h"

namespace hull::sandbox {
namespace {

std::string inside(const std::string& path) { return "\"$root\"" + shell_quote(path); }

std::string mount_flags(uint64_t attributes) {
  static constexpr std::pair<uint64_t, const char*> kNames[] = {{1, "ro"}, {2, "nosuid"}, {4, "nodev"}, {8, "noexec"}, {0x10, "noatime"}};
  std::string flags;
  for (const auto& [bit, name] : kNames)
    if ((attributes & bit) != 0) flags += std::string(flags.empty() ? "" : ",") + name;
  return flags;
}

std::string teach_root(const Step& step) {
  if (step.kind == StepKind::RootBind) return format("mount --rbind {} \"$root\"\n", shell_quote(step.texts[0]));
  std::string lowers = join({step.texts.begin() + 3, step.texts.end()}, ":");
  if (step.texts[1].empty()) return format("mount -t overlay overlay -o lowerdir={} \"$root\"\n", shell_quote(lowers));
  return format("mkdir -p {0} {1}\nmount -t overlay overlay -o lowerdir={2},upperdir={0},workdir={1} \"$root\"\n",
                shell_quote(step.texts[1]), shell_quote(step.texts[2]), shell_quote(lowers));
}

std::string teach_mount(const Step& step) {
  std::string options = mount_flags(step.numbers[0]);
  for (size_t i = 3; i < step.texts.size(); ++i) options += (options.empty() ? "" : ",") + step.texts[i];
  std::string target = inside(step.texts[0]);
  return format("mkdir -p {}\nmount -t {}{} {} {}\n", target, step.texts[1], options.empty() ? "" : " -o " + shell_quote(options),
                shell_quote(step.texts[2].empty() ? "none" : step.texts[2]), target);
}

std::string teach_bind(const Step& step) {
  std::string source = shell_quote(step.texts[1]), target = inside(step.texts[0]);
  // hull makes hosts, hostname and resolv.conf of its own just before the start: a script finds none, and goes on.
  std::string text = format("if [ -e {} ]; then\n", source);
  text += format("  if [ -d {0} ]; then mkdir -p {1}; else mkdir -p \"$(dirname {1})\"; : >> {1}; fi\n", source, target);
  bool recursive = step.kind == StepKind::MountBind && step.numbers[2] != 0;
  text += format("  mount --{} {} {}\n", recursive ? "rbind" : "bind", source, target);
  std::string flags = step.kind == StepKind::MountBind ? mount_flags(step.numbers[0]) : "";
  if (!flags.empty()) text += format("  mount -o remount,bind,{} {}   # hull: mount_setattr, also on what is mounted below\n", flags, target);
  return text + "fi\n";
}

std::string teach_cgroup_parent(const std::string& base) {
  return format("mkdir -p {0}\nmount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs {0}\n", base);
}

std::string teach_cgroups(const Step& step) {
  std::string base = inside(step.texts[0]);
  std::string text = teach_cgroup_parent(base);
  for (size_t i = 1; i + 1 < step.texts.size(); i += 2) {
    bool unified = step.texts[i + 1] == "unified";
    text += format("mkdir {0}/{1}; mount -t {2}{3} cgroup {0}/{1}\n", base, step.texts[i], unified ? "cgroup2" : "cgroup",
                   unified ? "" : " -o " + step.texts[i + 1]);
  }
  return text + format("mount -o remount,bind,ro,nosuid,nodev,noexec {}\n", base);
}

std::string teach_cgroup_binds(const Step& step) {
  std::string base = inside(step.texts[0]);
  std::string text = teach_cgroup_parent(base);
  for (size_t i = 1; i + 1 < step.texts.size(); i += 2)
    text += format("mkdir {0}/{1}; mount --bind {2} {0}/{1}\n", base, step.texts[i], shell_quote(step.texts[i + 1]));
  return text;
}

std::string teach_node(const Step& step) {
  auto mode = static_cast<mode_t>(step.numbers[0]);
  auto device = static_cast<dev_t>(step.numbers[1]);
  return format("mknod -m {:o} {} {} {} {}\n", mode & 07777, inside(step.texts[0]), S_ISBLK(mode) ? "b" : "c", major(device), minor(device));
}

std::string teach_paths(const Step& step, bool mask) {
  std::string text = "for path in " + shell_quote(step.texts) + "; do\n  [ -e \"$root$path\" ] || continue\n";
  if (mask) return text + "  if [ -d \"$root$path\" ]; then mount -t tmpfs -o ro,size=4k tmpfs \"$root$path\"; else mount --bind /dev/null \"$root$path\"; fi\ndone\n";
  return text + "  mount --rbind \"$root$path\" \"$root$path\"; mount -o remount,bind,ro \"$root$path\"\ndone\n";
}

std::string cap_list(uint64_t mask) {
  std::string list = "-all";
  for (std::string name : kernel::cap_names(mask)) list += ",+" + to_lower(name.substr(4));
  return list;
}

// What the last line needs to know of the steps before it.
struct Identity {
  uint64_t uid = 0, gid = 0, bounding = kernel::kAllCapabilities;
  std::string groups, directory = "/";
  bool no_new_privs = false;
};

std::string teach_exec(const Step& step, const Identity& who) {
  std::vector<std::string> arguments(step.texts.begin(), step.texts.begin() + static_cast<long>(step.numbers[0]));
  std::vector<std::string> environment(step.texts.begin() + static_cast<long>(step.numbers[0]), step.texts.end());
  constexpr int kSysChroot = 18;
  std::string text = "exec ";
  if ((who.bounding >> kSysChroot & 1) != 0 && who.bounding != kernel::kAllCapabilities)
    text += format("setpriv --inh-caps=-all --bounding-set={} {}", cap_list(who.bounding), who.no_new_privs ? "--no-new-privs " : "");
  text += "env -i " + shell_quote(environment) + " \\\n  \"$(command -v chroot)\" ";
  text += format("--userspec={}:{} --groups={} \"$root\" ", who.uid, who.gid, shell_quote(who.groups));
  if (who.directory == "/") return text + shell_quote(arguments) + "\n";
  return text + format("sh -c 'cd \"$0\" && exec \"$@\"' {} {}\n", shell_quote(who.directory), shell_quote(arguments));
}

void note_identity(const Step& step, Identity& who) {
  if (step.kind == StepKind::BoundingCaps) who.bounding = step.numbers[0] & kernel::kAllCapabilities;
  if (step.kind == StepKind::NoNewPrivs) who.no_new_privs = true;
  if (step.kind == StepKind::Chdir) who.directory = step.texts[0];
  if (step.kind != StepKind::SetUser) return;
  who.uid = step.numbers[0];
  who.gid = step.numbers[1];
  for (size_t at = 0; at + sizeof(uint32_t) <= step.texts[0].size(); at += sizeof(uint32_t)) {
    uint32_t group;
    step.texts[0].copy(reinterpret_cast<char*>(&group), sizeof group, at);
    who.groups += (who.groups.empty() ? "" : ",") + std::to_string(group);
  }
}

std::string teach_step(const Step& step) {
  switch (step.kind) {
    case StepKind::Loopback: return "ip link set lo up\n";
    case StepKind::RootBind: case StepKind::RootOverlay: return teach_root(step);
    case StepKind::MountFs: return teach_mount(step);
    case StepKind::MountBind: case StepKind::BindNode: return teach_bind(step);
    case StepKind::MountCgroup1: return teach_cgroups(step);
    case StepKind::BindCgroup1: return teach_cgroup_binds(step);
    case StepKind::MakeNode: return teach_node(step);
    case StepKind::MakeLink: return format("ln -s {} {}\n", shell_quote(step.texts[1]), inside(step.texts[0]));
    case StepKind::MakeDir: return format("mkdir -p {}\n", inside(step.texts[0]));
    case StepKind::WriteFile: return format("printf %s {} > {}\n", shell_quote(step.texts[1]), inside(step.texts[0]));
    case StepKind::Console: return "# hull opens a pty in $root/dev/pts, binds it on dev/console and makes it the controlling terminal\n";
    case StepKind::MaskPaths: return teach_paths(step, true);
    case StepKind::ReadonlyPaths: return teach_paths(step, false);
    case StepKind::Remount: return "mount -o remount,ro \"$root\"\n";
    case StepKind::Pivot: return "# hull: pivot_root(\".\", \".\") and a lazy umount of the old root; no tool is left after that, so here chroot\n";
    case StepKind::Hostname: return format("hostname {}\n", shell_quote(step.texts[0]));
    case StepKind::Domainname: return format("echo {} > /proc/sys/kernel/domainname\n", shell_quote(step.texts[0]));
    case StepKind::Sysctl: return format("echo {} > /proc/sys/{}\n", shell_quote(step.texts[1]), step.texts[0]);
    case StepKind::Rlimit: return format("# hull: setrlimit resource {} to {}:{} (prlimit --pid $$ …)\n", step.numbers[0], step.numbers[1], step.numbers[2]);
    case StepKind::OomScoreAdj: return format("echo {} > /proc/self/oom_score_adj\n", step.texts[0]);
    case StepKind::NewKeyring: return "# hull: keyctl(KEYCTL_JOIN_SESSION_KEYRING), a new anonymous session keyring\n";
    case StepKind::Umask: return format("umask {:04o}\n", step.numbers[0]);
    case StepKind::Seccomp: return format("# hull: seccomp(2) loads a filter of {} instructions\n", step.texts[0].size() / sizeof(sock_filter));
    case StepKind::Reaper: return "# hull: hull-init stays as PID 1, reaps orphans and forwards signals\n";
    default: return "";
  }
}

bool stands_outside(StepKind kind) { return kind == StepKind::EnterCgroup; }

std::string unshare_options(const LaunchPlan& plan) {
  std::string options;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if ((plan.new_namespaces & info.clone_flag) != 0) options += format(" --{}", info.kind == kernel::NsKind::Mnt ? "mount" : info.name);
  for (const Step& step : plan.steps) {
    if (step.kind == StepKind::NewCgroupNs) options += " --cgroup";
    if (step.kind == StepKind::NewNetNs) options += " --net";
    if (step.kind != StepKind::NewTimeNs) continue;
    options += " --time";
    for (const std::string& line : step.texts) {
      auto parts = split_words(trim(line));
      options += format(" --{}={}", parts[0], parts[1]);
    }
  }
  if (!plan.uid_map.empty()) options += " --keep-caps";
  if ((plan.new_namespaces & CLONE_NEWPID) != 0 || options.find("--time") != std::string::npos) options += " --fork --kill-child";
  for (const Step& step : plan.steps)
    if (step.kind == StepKind::Propagation) options += (step.numbers[0] & MS_SLAVE) != 0 ? " --propagation slave" : " --propagation private";
  return options;
}

std::string entering(const LaunchPlan& plan) {
  std::string text;
  for (const Step& step : plan.steps)
    if (stands_outside(step.kind))
      for (const std::string& file : step.texts) {
        std::string directory = file.substr(0, file.rfind('/'));
        text += format("  mkdir -p {}; echo 0 > {}\n", shell_quote(directory), shell_quote(file));
      }
  return text;
}

std::string leaving(const LaunchPlan& plan) {
  std::string text = "rm -f \"$script\"; rmdir \"$root\"\n";
  for (const Step& step : plan.steps)
    if (step.kind == StepKind::RootOverlay && !step.texts[1].empty()) {
      const std::string& upper = step.texts[1];
      text += format("rm -rf {} {}; rmdir {}\n", shell_quote(upper), shell_quote(step.texts[2]), shell_quote(upper.substr(0, upper.rfind('/'))));
    } else if (stands_outside(step.kind))
      for (const std::string& file : step.texts) text += format("rmdir {}\n", shell_quote(file.substr(0, file.rfind('/'))));
  return text;
}

// Ids can be mapped only from outside, and until they are nobody in there is root: the first lines inside wait.
constexpr const char* kWaitForMaps =
    "if [ -z \"${mapped:-}\" ]; then\n"
    "  until grep -q . /proc/self/gid_map; do sleep 0.05; done\n"
    "  export mapped=1\n"
    "  exec setpriv --reuid 0 --regid 0 --clear-groups sh -eu \"$0\"\n"
    "fi\n";

std::string map_lines(const std::vector<oci::IdMapping>& map) {
  std::string text;
  for (const oci::IdMapping& range : map) text += format("{} {} {}\\n", range.container_id, range.host_id, range.size);
  return text;
}

std::string launching(const std::string& command, const LaunchPlan& plan) {
  if (plan.uid_map.empty()) return "  exec " + command + "\n";
  std::string text = "  chmod 644 \"$script\"\n  " + command + " &\n";
  text += format("  until printf '{}' > /proc/$!/uid_map; do sleep 0.05; done 2>/dev/null\n", map_lines(plan.uid_map));
  if (!plan.oom_score_adj.empty()) text += format("  echo {} > /proc/$!/oom_score_adj\n", plan.oom_score_adj);
  return text + format("  printf '{}' > /proc/$!/gid_map\n  wait $!\n", map_lines(plan.gid_map));
}

std::string nsenter_prefix(const LaunchPlan& plan) {
  if (plan.joins.empty()) return "";
  std::string text = "nsenter";
  for (const JoinNamespace& ns : plan.joins)
    text += format(" --{}={}", ns.kind == kernel::NsKind::Mnt ? "mount" : kernel::ns_info(ns.kind).name, shell_quote(ns.path));
  return text + " \\\n  ";
}

}  // namespace

std::string teach_script(const LaunchPlan& plan) {
  std::string text = "#!/bin/sh\n# What hull would do, as commands to type. Run it as root.\nset -eu\n";
  text += "export root=$(mktemp -d)\nscript=$(mktemp)\n\n# Inside the new namespaces: put the root together, then become the command.\n";
  std::string inside = plan.uid_map.empty() ? "" : kWaitForMaps;
  Identity who;
  for (const Step& step : plan.steps) {
    note_identity(step, who);
    inside += step.kind == StepKind::Exec ? teach_exec(step, who) : teach_step(step);
  }
  // A text of the caller's or the image's may hold such a line: it must not end what is quoted, for the rest would run outside.
  std::string end = "INSIDE";
  while (("\n" + inside).find("\n" + end + "\n") != std::string::npos) end += "_";
  text += format("cat > \"$script\" <<'{}'\n{}{}", end, inside, end);
  text += "\n\n# The cgroups first (a cgroup namespace is rooted where its maker stands), then the namespaces.\nstatus=0\n(\n" + entering(plan);
  text += launching(nsenter_prefix(plan) + "unshare" + unshare_options(plan) + " -- sh -eu \"$script\"", plan) + ") || status=$?\n\n";
  return text + "# Clean up.\n" + leaving(plan) + "exit $status\n";
}

}  // namespace hull::sandbox
