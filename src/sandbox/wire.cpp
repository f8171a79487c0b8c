// Encodes a plan for hull-init (wire.h).
#include <cstring>

#include "sandbox/plan.h"

namespace hull::sandbox {
namespace {

void append_text(std::string& out, const std::string& text) {
  auto size = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(text);
  out.append(4 - text.size() % 4, '\0');  // the NUL and padding to four bytes
}

void append_step(std::string& out, const Step& step, bool trace) {
  size_t begin = out.size();
  WireStep wire{};
  wire.kind = static_cast<uint32_t>(step.kind);
  wire.text_count = static_cast<uint32_t>(step.texts.size());
  wire.trace = trace;
  std::memcpy(wire.numbers, step.numbers, sizeof wire.numbers);
  out.append(reinterpret_cast<const char*>(&wire), sizeof wire);
  for (const std::string& text : step.texts) append_text(out, text);
  out.append((8 - out.size() % 8) % 8, '\0');
  auto size = static_cast<uint32_t>(out.size() - begin);
  std::memcpy(out.data() + begin + offsetof(WireStep, size), &size, sizeof size);
}

}  // namespace

std::string encode_plan(const LaunchPlan& plan, bool trace) {
  WireHeader header{kWireMagic, kWireVersion, static_cast<uint32_t>(plan.steps.size()), 0, 0, plan.begins};
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  for (const Step& step : plan.steps) append_step(out, step, trace);
  header.size = static_cast<uint32_t>(out.size());
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

const char* step_name(StepKind kind) {
  static constexpr const char* kNames[] = {
      "wait for hull", "enter cgroup", "enter time namespace", "new network namespace", "new cgroup namespace", "new time namespace", "tell namespaces", "birth", "new session", "become root",
      "loopback up", "mount propagation", "detach mounts", "root file system", "root overlay", "mount", "bind mount", "mount cgroups", "bind cgroups",
      "make device", "bind device", "make link", "make directory", "write file", "console", "mask paths",
      "read-only paths", "remount", "wait for hooks", "hook", "pivot root", "hostname", "domainname", "sysctl", "rlimit", "oom score", "new keyring",
      "scheduler", "io priority", "cpu affinity", "memory policy", "security label", "label", "umask", "personality", "user", "bounding capabilities", "capabilities", "no_new_privs", "seccomp", "working directory",
      "stay as pid 1", "wait for release", "find program", "wait for start", "hold", "exec"};
  static_assert(std::size(kNames) == static_cast<size_t>(StepKind::Count));
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace hull::sandbox
