#include "sandbox/mount_options.h"

#include <sys/mount.h>

#include <algorithm>

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

struct Word {
  const char* name;
  bool MountOptions::*first = nullptr;  // none: it asks for what is so anyway, or only old mount programs read it
  bool MountOptions::*second = nullptr;
};
constexpr Word kWords[] = {
    {"bind"}, {"rbind", &MountOptions::recursive_bind}, {"idmap", &MountOptions::map_ids},
    {"ridmap", &MountOptions::map_ids, &MountOptions::map_ids_recursive}, {"tmpcopyup", &MountOptions::copy_up}, {"remount", &MountOptions::remount},
    {""}, {"acl"}, {"async"}, {"defaults"}, {"loud"}, {"noacl"}, {"noiversion"}, {"nolazytime"}, {"nomand"}, {"silent"},
};
// The whole file system's, and by these names the kernel's own.
constexpr const char* kFileSystemWords[] = {"dirsync", "lazytime", "sync"};
constexpr const char* kPropagations[] = {"private", "rprivate", "rshared", "rslave", "runbindable", "shared", "slave", "unbindable"};

// true: it was one of these.
bool take_word(std::string_view option, MountOptions& parsed) {
  for (const Word& word : kWords) {
    if (option != word.name) continue;
    for (auto member : {word.first, word.second})
      if (member != nullptr) parsed.*member = true;
    return true;
  }
  return false;
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

std::vector<std::string> mount_option_names() {
  std::vector<std::string> names(std::begin(kFileSystemWords), std::end(kFileSystemWords));
  names.insert(names.end(), std::begin(kPropagations), std::end(kPropagations));
  for (const Word& word : kWords)
    if (*word.name != '\0') names.emplace_back(word.name);
  for (const Flag& flag : kFlags) names.emplace_back(flag.name), names.emplace_back(std::string("r") + flag.name);
  std::sort(names.begin(), names.end());
  return names;
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
