// hull-seccomp-gen PROFILE OUTPUT: runs while hull is built; writes the default profile's filters for the usual
// capability sets, and the profile itself, as C++ (included by seccomp_default.cpp).
#include <linux/capability.h>

#include <cstdio>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_profile.h"

using namespace hull;
using namespace hull::kernel;

// Capabilities that some rule of the profile asks for: others cannot change the filter.
static Result<CapMask> mentioned_capabilities(const json::value& profile) {
  CapMask mask = 0;
  const json::value* rules = json::find(profile, "syscalls");
  if (rules == nullptr || !rules->is_array()) return fail(ErrorKind::Invalid, "the profile has no list of syscalls");
  for (const json::value& rule : rules->get_array())
    for (const char* key : {"includes", "excludes"}) {
      const json::value* filter = json::find(rule, key);
      const json::value* caps = filter != nullptr ? json::find(*filter, "caps") : nullptr;
      if (caps == nullptr) continue;
      for (const json::value& name : caps->as_array()) {
        std::optional<int> number = cap_number(std::string(name.as_string()));
        if (!number) return fail(ErrorKind::Invalid, "the profile names an unknown capability");
        mask |= cap_bit(*number);
      }
    }
  return mask;
}

static Result<std::string> filter_text(std::string_view profile, CapMask capabilities, size_t index) {
  oci::Seccomp seccomp = TRY(parse_docker_seccomp_profile(profile, capabilities));
  SeccompFilter filter = TRY(compile_seccomp(seccomp));
  if (filter.unknown_syscalls.size() > 2)  // names of other architectures alone may be unknown
    return fail(ErrorKind::Invalid, "unknown system calls: " + join(filter.unknown_syscalls, ", "));
  std::string text = format("constexpr sock_filter kFilter{}[] = {{  // {} instructions\n", index, filter.program.size());
  for (const sock_filter& ins : filter.program) text += format("{{{:#x},{},{},{:#x}}},\n", ins.code, ins.jt, ins.jf, ins.k);
  return text + "};\n";
}

static Result<> generate(const std::string& profile_path, const std::string& output) {
  std::string profile = TRY(read_file(profile_path));
  json::value parsed = TRY(json::parse(profile, profile_path));
  CapMask mentioned = TRY(mentioned_capabilities(parsed));
  const CapMask base = kDockerDefaultCapabilities & mentioned;
  const CapMask sets[] = {base, 0, base | cap_bit(CAP_SYS_ADMIN), base | cap_bit(CAP_SYS_PTRACE),
                          base | cap_bit(CAP_SYS_TIME), base | cap_bit(CAP_SYS_NICE), mentioned};
  std::string text, table;
  size_t index = 0;
  for (CapMask set : sets) {
    text += TRY(filter_text(profile, set, index));
    table += format("{{{:#x}, kFilter{}}},\n", set, index++);
  }
  text += format("constexpr CapMask kMentioned = {:#x};\nconstexpr Prebuilt kPrebuilt[] = {{\n{}}};\n", mentioned, table);
  text += "constexpr char kProfile[] = R\"json(" + profile + ")json\";\n";
  return replace_file(output, text, Durability::Volatile, 0644);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Result<> done = generate(argv[1], argv[2]);
  if (!done) std::fprintf(stderr, "hull-seccomp-gen: %s\n", done.error().text().c_str());
  return done ? 0 : 1;
}
