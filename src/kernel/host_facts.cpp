#include "kernel/host_facts.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <bit>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/capabilities.h"

namespace hull::kernel {
namespace {

// A hierarchy mounted again in the same place covers the earlier one.
void set_hierarchy(HostFacts& facts, std::string name, std::string controllers) {
  for (auto& [known, mounted] : facts.cgroup_v1)
    if (known == name) {
      mounted = std::move(controllers);
      return;
    }
  facts.cgroup_v1.emplace_back(std::move(name), std::move(controllers));
}

// One line of /proc/self/mountinfo that is a cgroup mount right under /sys/fs/cgroup.
void note_cgroup_mount(std::string_view line, HostFacts& facts) {
  size_t dash = line.find(" - ");
  if (dash == std::string_view::npos) return;
  auto before = split_words(line.substr(0, dash)), after = split_words(line.substr(dash + 3));
  if (before.size() < 5 || after.size() < 3 || !before[4].starts_with("/sys/fs/cgroup")) return;
  std::string_view name = before[4].substr(std::string_view("/sys/fs/cgroup").size());
  if (after[0] == "cgroup2") {
    if (name.empty()) facts.cgroup_unified = true;
    else set_hierarchy(facts, std::string(name.substr(1)), "unified");
    return;
  }
  if (after[0] != "cgroup" || name.empty()) return;
  std::vector<std::string> controllers;
  for (std::string& option : split(after[2], ',')) {
    if (option.starts_with("name=")) controllers = {"none", option};
    else if (option != "rw" && option != "ro" && option.find('=') == std::string::npos && option != "xattr" &&
             option != "clone_children" && option != "noprefix")
      controllers.push_back(std::move(option));
  }
  set_hierarchy(facts, std::string(name.substr(1)), join(controllers, ","));
}

bool lacks_setgid() {
  constexpr unsigned kVersion3 = 0x20080522, kSetgid = 6;
  struct { uint32_t version; int pid; } header{kVersion3, 0};
  struct { uint32_t effective, permitted, inheritable; } data[2] = {};
  return ::syscall(SYS_capget, &header, data) != 0 || (data[0].effective & 1u << kSetgid) == 0;
}

// The user namespace of an ordinary user (unshare -r), in which root is he alone.
bool setgroups_is_denied() { return read_file("/proc/self/setgroups").value_or("").starts_with("deny"); }

HostFacts probe() {
  HostFacts facts;
  facts.unprivileged = is_unprivileged();
  facts.has_mqueue = path_exists("/dev/mqueue");
  facts.has_kcore = path_exists("/proc/kcore");
  if (auto mounts = read_file("/proc/self/mountinfo"))
    for (std::string_view line : split_lines(*mounts)) note_cgroup_mount(line, facts);
  if (auto map = read_file("/proc/self/uid_map")) {
    auto words = split_words(trim(*map));
    facts.in_user_namespace = words.size() != 3 || words[2] != "4294967295";
  }
  if (auto known = host_capabilities()) facts.last_capability = std::bit_width(*known) - 1;
  return facts;
}

}  // namespace

bool is_unprivileged() {
  static const bool unprivileged = lacks_setgid() || setgroups_is_denied();
  return unprivileged;
}

const HostFacts& host_facts() {
  static const HostFacts facts = probe();
  return facts;
}

}  // namespace hull::kernel
