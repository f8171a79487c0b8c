#include "sandbox/print.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/text.h"
#include "kernel/capabilities.h"

namespace hull::sandbox {
namespace {

std::string namespace_names(uint64_t flags) {
  std::vector<std::string> names;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if ((flags & info.clone_flag) != 0) names.emplace_back(info.name);
  return join(names, " ");
}

std::string attribute_names(uint64_t attributes) {
  static constexpr std::pair<uint64_t, const char*> kNames[] = {
      {0x1, "ro"}, {0x2, "nosuid"}, {0x4, "nodev"}, {0x8, "noexec"}, {0x10, "noatime"}, {0x20, "strictatime"},
      {0x80, "nodiratime"}, {0x200000, "nosymfollow"}};
  std::vector<std::string> names;
  for (const auto& [bit, name] : kNames)
    if ((attributes & bit) != 0) names.emplace_back(name);
  return join(names, ",");
}

std::string propagation_name(uint64_t flags) {
  std::string prefix = (flags & MS_REC) != 0 ? "r" : "";
  if ((flags & MS_SHARED) != 0) return prefix + "shared";
  if ((flags & MS_SLAVE) != 0) return prefix + "slave";
  return prefix + ((flags & MS_UNBINDABLE) != 0 ? "unbindable" : "private");
}

std::string mask_names(uint64_t mask) {
  return mask == 0 ? "none" : (mask & kernel::kAllCapabilities) == kernel::kAllCapabilities ? "all" : join(kernel::cap_names(mask), " ");
}

std::string words(const Step& step, size_t first) {
  return shell_quote(std::vector<std::string>(step.texts.begin() + static_cast<long>(std::min(first, step.texts.size())), step.texts.end()));
}

std::string exec_words(const Step& step) {
  auto end = step.texts.begin() + static_cast<long>(step.numbers[0]);
  return shell_quote(std::vector<std::string>(step.texts.begin(), end));
}

std::string mount_details(const Step& step) {
  std::string options = attribute_names(step.numbers[0]);
  for (size_t i = 3; i < step.texts.size(); ++i) options += (options.empty() ? "" : ",") + step.texts[i];
  return format("{} on {}{}", step.texts[1], step.texts[0], options.empty() ? "" : " (" + options + ")");
}

std::string bind_details(const Step& step) {
  std::string options = step.numbers[2] != 0 ? "rbind" : "bind";
  std::string attributes = attribute_names(step.numbers[0]);
  if (!attributes.empty()) options += "," + std::string(step.numbers[4] != 0 ? "recursively " : "") + attributes;
  if (step.numbers[3] != 0) options += "," + propagation_name(step.numbers[3] | (step.numbers[4] != 0 ? MS_REC : 0));
  return format("{} on {} ({})", step.texts[1], step.texts[0], options);
}

std::string node_details(const Step& step) {
  auto mode = static_cast<mode_t>(step.numbers[0]);
  auto device = static_cast<dev_t>(step.numbers[1]);
  return format("{} {} {}:{} mode {:o}", step.texts[0], S_ISBLK(mode) ? "b" : S_ISFIFO(mode) ? "p" : "c", major(device), minor(device), mode & 07777);
}

std::string user_details(const Step& step) {
  std::string groups;
  const std::string& blob = step.texts[0];
  for (size_t at = 0; at + sizeof(uint32_t) <= blob.size(); at += sizeof(uint32_t)) {
    uint32_t group;
    blob.copy(reinterpret_cast<char*>(&group), sizeof group, at);
    groups += " " + std::to_string(group);
  }
  return format("{}:{}{}{}", step.numbers[0], step.numbers[1], groups.empty() ? "" : " groups", groups);
}

std::string caps_details(const Step& step) {
  if (step.numbers[0] == step.numbers[1] && step.numbers[2] == 0 && step.numbers[3] == 0) return mask_names(step.numbers[1]);
  return format("effective {}; permitted {}; inheritable {}; ambient {}", mask_names(step.numbers[0]), mask_names(step.numbers[1]),
                mask_names(step.numbers[2]), mask_names(step.numbers[3]));
}

std::string root_details(const Step& step) {
  if (step.kind == StepKind::RootBind) return step.texts[0];
  std::string details = format("lower {}", join({step.texts.begin() + 3, step.texts.end()}, ":"));
  if (!step.texts[1].empty()) details += format(" upper {}{}", step.texts[1], step.numbers[0] != 0 ? " (volatile)" : "");
  return details;
}

std::string step_details(const Step& step) {
  switch (step.kind) {
    case StepKind::Propagation: return propagation_name(step.numbers[0]);
    case StepKind::RootBind: case StepKind::RootOverlay: return root_details(step);
    case StepKind::MountFs: return mount_details(step);
    case StepKind::MountBind: return bind_details(step);
    case StepKind::MountCgroup1:
    case StepKind::BindCgroup1: return format("{} ({})", step.texts[0], attribute_names(step.numbers[0]));
    case StepKind::MakeNode: return node_details(step);
    case StepKind::MakeLink: return format("{} -> {}", step.texts[0], step.texts[1]);
    case StepKind::Sysctl: return format("{} = {}", step.texts[0], step.texts[1]);
    case StepKind::Rlimit: return format("resource {} soft {} hard {}", step.numbers[0], step.numbers[1], step.numbers[2]);
    case StepKind::Umask: return format("{:04o}", step.numbers[0]);
    case StepKind::SetUser: return user_details(step);
    case StepKind::BoundingCaps: return mask_names(step.numbers[0]);
    case StepKind::SetCaps: return caps_details(step);
    case StepKind::Seccomp: return format("filter of {} instructions", step.texts[0].size() / sizeof(sock_filter));
    case StepKind::Exec: return exec_words(step);
    case StepKind::Remount: return format("{} ({})", step.texts[0], attribute_names(step.numbers[0]));
    case StepKind::EnterCgroup: return step.numbers[1] != 0 ? format("{} hierarchies", step.numbers[1]) : words(step, 0);
    default: return words(step, 0);
  }
}

uint64_t made_namespaces(const LaunchPlan& plan) {
  uint64_t flags = plan.new_namespaces;
  for (const Step& step : plan.steps) {
    if (step.kind == StepKind::NewCgroupNs) flags |= CLONE_NEWCGROUP;
    if (step.kind == StepKind::NewNetNs) flags |= CLONE_NEWNET;
    if (step.kind == StepKind::NewTimeNs) flags |= CLONE_NEWTIME;
  }
  return flags;
}

}  // namespace

std::string plan_text(const LaunchPlan& plan) {
  std::string text = format("{:>4}  {:<22} {}\n", "", "new namespaces", namespace_names(made_namespaces(plan)));
  for (const JoinNamespace& ns : plan.joins)
    text += format("{:>4}  {:<22} {} {}\n", "", "join namespace", kernel::ns_info(ns.kind).name, ns.path);
  for (const oci::IdMapping& range : plan.uid_map)
    text += format("{:>4}  {:<22} {} -> {} ({})\n", "", "map user ids", range.container_id, range.host_id, range.size);
  for (const oci::IdMapping& range : plan.gid_map)
    text += format("{:>4}  {:<22} {} -> {} ({})\n", "", "map group ids", range.container_id, range.host_id, range.size);
  if (!plan.oom_score_adj.empty()) text += format("{:>4}  {:<22} {}\n", "", "oom score", plan.oom_score_adj);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    std::string line = format("{:>4}  {:<22} {}", i + 1, step_name(plan.steps[i].kind), step_details(plan.steps[i]));
    text.append(trim(line).empty() ? line : line.substr(0, line.find_last_not_of(' ') + 1)).append("\n");
  }
  return text;
}

json::value plan_json(const LaunchPlan& plan) {
  json::array steps, joins;
  for (const JoinNamespace& ns : plan.joins)
    joins.push_back(json::object{{"kind", kernel::ns_info(ns.kind).name}, {"path", ns.path}});
  for (const Step& step : plan.steps) steps.push_back(json::object{{"step", step_name(step.kind)}, {"details", step_details(step)}});
  json::array made;
  for (std::string_view name : split_words(namespace_names(made_namespaces(plan)))) made.push_back(json::string(name.data(), name.size()));
  return json::object{{"newNamespaces", made}, {"joinedNamespaces", joins}, {"steps", steps}};
}

std::string trace_text(const LaunchPlan& plan, const std::vector<StepTime>& times) {
  uint64_t total = 0;
  uint32_t slowest = 0;
  for (const StepTime& time : times) {
    total += time.nanoseconds;
    slowest = std::max(slowest, time.nanoseconds);
  }
  std::string text = format("{:>9}  step\n", "us");
  for (const StepTime& time : times) {
    const Step& step = plan.steps[time.step];
    std::string details = step_details(step);
    if (details.size() > 60) details = details.substr(0, 60) + "…";
    text += format("{:>9.1f}{} {:<22} {}\n", time.nanoseconds / 1000.0, time.nanoseconds == slowest ? '*' : ' ', step_name(step.kind), details);
  }
  return text + format("{:>9.1f}  in hull-init, from its first step to exec\n", static_cast<double>(total) / 1000.0);
}

}  // namespace hull::sandbox
