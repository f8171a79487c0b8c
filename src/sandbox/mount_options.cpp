#include "sandbox/mount_options.h"

#include <sys/mount.h>

#include "base/text.h"

namespace hull::sandbox {
namespace {

constexpr uint64_t kRdonly = 0x1, kNosuid = 0x2, kNodev = 0x4, kNoexec = 0x8, kAtime = 0x70, kNoatime = 0x10,
                   kStrictatime = 0x20, kNodiratime = 0x80, kNosymfollow = 0x200000;

struct Flag {
  const char* name;  // with a leading r: the same, recursively
  uint64_t set, clear;
};

constexpr Flag kFlags[] = {
    {"ro", kRdonly, 0},           {"rw", 0, kRdonly},          {"nosuid", kNosuid, 0},
    {"suid", 0, kNosuid},         {"nodev", kNodev, 0},        {"dev", 0, kNodev},
    {"noexec", kNoexec, 0},       {"exec", 0, kNoexec},        {"noatime", kNoatime, kAtime},
    {"atime", 0, kAtime},         {"relatime", 0, kAtime},     {"strictatime", kStrictatime, kAtime},
    {"norelatime", 0, kAtime},    {"nostrictatime", 0, kAtime}, {"nodiratime", kNodiratime, 0},
    {"diratime", 0, kNodiratime}, {"nosymfollow", kNosymfollow, 0}, {"symfollow", 0, kNosymfollow},
};

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : kFlags)
    if (name == flag.name) return &flag;
  return nullptr;
}

// Words that ask for what is so anyway, or that only old mount programs read.
bool says_nothing(std::string_view option) {
  for (std::string_view word : {"", "defaults", "loud", "silent", "async", "nomand", "noiversion", "nolazytime", "noacl", "acl"})
    if (option == word) return true;
  return false;
}

// true: it was one of these.
bool take_word(std::string_view option, MountOptions& parsed) {
  if (option == "bind" || option == "rbind") {
    parsed.recursive_bind = parsed.recursive_bind || option == "rbind";
  } else if (option == "idmap" || option == "ridmap") {
    parsed.map_ids = true;
    parsed.map_ids_recursive = parsed.map_ids_recursive || option == "ridmap";
  } else if (option == "tmpcopyup") {
    parsed.copy_up = true;
  } else if (option == "remount") {
    parsed.remount = true;
  } else {
    return says_nothing(option);
  }
  return true;
}

// A later option wins over an earlier one that said the opposite.
void apply(const Flag& flag, uint64_t& set, uint64_t& clear) {
  set = (set & ~flag.clear) | flag.set;
  clear = (clear & ~flag.set) | flag.clear;
}

}  // namespace

std::optional<uint64_t> propagation_flags(std::string_view name) {
  bool recursive = name.size() > 1 && name[0] == 'r';
  std::string_view type = recursive ? name.substr(1) : name;
  uint64_t flag = type == "private" ? MS_PRIVATE : type == "slave" ? MS_SLAVE : type == "shared" ? MS_SHARED
                : type == "unbindable" ? MS_UNBINDABLE : 0;
  if (flag == 0) return std::nullopt;
  return flag | (recursive ? MS_REC : 0);
}

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
  MountOptions parsed;
  for (const std::string& option : options) {
    if (take_word(option, parsed)) continue;
    if (auto propagation = propagation_flags(option)) {
      if (parsed.propagation != 0 && parsed.propagation != (*propagation & ~static_cast<uint64_t>(MS_REC)))
        return fail(ErrorKind::Invalid, "mount options name two propagation types: " + join(options, ","));
      parsed.propagation = *propagation & ~static_cast<uint64_t>(MS_REC);
      parsed.propagation_recursive = (*propagation & MS_REC) != 0;
    } else if (const Flag* flag = find_flag(option)) {
      apply(*flag, parsed.set, parsed.clear);
    } else if (const Flag* recursive = option.size() > 1 && option[0] == 'r' ? find_flag(option.substr(1)) : nullptr) {
      apply(*recursive, parsed.recursive_set, parsed.recursive_clear);
    } else {
      parsed.data.push_back(option);
    }
  }
  return parsed;
}

}  // namespace hull::sandbox
