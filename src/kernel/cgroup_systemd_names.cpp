// What is asked of systemd: names, limits and annotations as units and properties. Pure; see cgroup_systemd.h.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_systemd.h"

namespace hull::kernel {

// systemd.unit(5): letters, digits and ":-_.\@", at most 255.
static Result<> check_unit_name(std::string_view name) {
  bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view(":-_.\\@").find(c) != std::string_view::npos;
  });
  if (plain && name.size() <= 255) return {};
  return fail(ErrorKind::Invalid, format("linux.cgroupsPath: \"{}\" is no name of a systemd unit", escape_controls(name)));
}

Result<SystemdUnit> parse_systemd_path(std::string_view cgroups_path, std::string_view id, bool user) {
  std::vector<std::string> parts = cgroups_path.empty() ? std::vector<std::string>{"", "runc", std::string(id)} : split(cgroups_path, ':');
  if (parts.size() != 3 || parts[2].empty())
    return fail(ErrorKind::Invalid, format("linux.cgroupsPath: \"{}\": with --systemd-cgroup it is slice:prefix:name, as in system.slice:runc:{}",
                                           escape_controls(cgroups_path), id));
  SystemdUnit unit;
  unit.slice = !parts[0].empty() ? parts[0] : user ? "user.slice" : "system.slice";
  unit.name = parts[2].ends_with(".slice") ? parts[2] : format("{}-{}.scope", parts[1], parts[2]);
  TRY(check_unit_name(unit.slice));
  TRY(check_unit_name(unit.name));
  TRY(expand_slice(unit.slice));
  if (unit.is_slice()) TRY(expand_slice(unit.name));
  return unit;
}

Result<std::string> expand_slice(std::string_view slice) {
  if (slice == "-.slice") return std::string();
  std::string_view name = slice;
  if (name.ends_with(".slice")) name.remove_suffix(6);
  std::string path, before;
  bool good = name.size() < slice.size() && name.find('/') == std::string_view::npos;
  for (const std::string& component : split(name, '-')) {
    good = good && !component.empty();
    before += (before.empty() ? "" : "-") + component;
    path += "/" + before + ".slice";
  }
  if (!good) return fail(ErrorKind::Invalid, format("linux.cgroupsPath: \"{}\" is no slice, as in a-b.slice", escape_controls(slice)));
  return path;
}

namespace {

void put(std::vector<DbusProperty>& out, const char* name, DbusValue value) {
  std::erase_if(out, [&](const DbusProperty& other) { return other.name == name; });
  out.push_back({name, std::move(value)});
}

// "max" and "-1" are no limit, which systemd writes as the highest number.
std::optional<uint64_t> number_of(std::string_view text) {
  return text == "max" || text == "-1" ? UINT64_MAX : parse_uint(text);
}

// "0-2,8" as a mask, lowest byte first. What is no list is told by the kernel when the file is written.
std::vector<uint8_t> mask_of(std::string_view list) {
  constexpr uint64_t kMost = 8191;
  std::vector<uint8_t> mask;
  for (const NumberRange& range : parse_ranges(trim(list), kMost).value_or(std::vector<NumberRange>())) {
    for (uint64_t i = range.first; i <= range.last; ++i) {
      if (mask.size() <= i / 8) mask.resize(i / 8 + 1);
      mask[i / 8] = static_cast<uint8_t>(mask[i / 8] | 1u << i % 8);
    }
  }
  return mask;
}

// systemd counts in whole percents, and a group may not have more than its parent: so rounded up, as runc does.
void put_quota(std::vector<DbusProperty>& out, std::optional<uint64_t> quota, std::optional<uint64_t> period) {
  if (period && *period != 0) put(out, "CPUQuotaPeriodUSec", *period);
  uint64_t per_second = UINT64_MAX, over = period.value_or(0) != 0 ? *period : 100000;
  if (quota && *quota < UINT64_MAX / 1000000) per_second = (*quota * 1000000 / over + 9999) / 10000 * 10000;
  put(out, "CPUQuotaPerSecUSec", per_second);
}

struct Known { const char* file; const char* property; };
constexpr Known kNumbers[] = {
    {"memory.max", "MemoryMax"}, {"memory.low", "MemoryLow"}, {"memory.min", "MemoryMin"}, {"memory.high", "MemoryHigh"},
    {"memory.swap.max", "MemorySwapMax"}, {"cpu.weight", "CPUWeight"}, {"pids.max", "TasksMax"},
    {"memory.limit_in_bytes", "MemoryLimit"}, {"cpu.shares", "CPUShares"}, {"blkio.weight", "BlockIOWeight"},
};
constexpr Known kMasks[] = {{"cpuset.cpus", "AllowedCPUs"}, {"cpuset.mems", "AllowedMemoryNodes"}};

void put_write(std::vector<DbusProperty>& out, const CgroupWrite& write) {
  for (const Known& known : kNumbers)
    if (write.file == known.file)
      if (auto value = number_of(write.value)) put(out, known.property, *value);
  for (const Known& known : kMasks)
    if (write.file == known.file)
      if (auto mask = mask_of(write.value); !mask.empty()) put(out, known.property, std::move(mask));
  if (write.file != "cpu.max") return;
  std::vector<std::string_view> words = split_words(write.value);
  if (!words.empty()) put_quota(out, number_of(words[0]), words.size() > 1 ? parse_uint(words[1]) : std::nullopt);
}

// /proc/devices: "Character devices:", lines of a major and a name, "Block devices:", the same.
std::string driver_of(std::string_view proc_devices, char type, uint32_t major) {
  char section = 0;
  for (std::string_view line : split_lines(proc_devices)) {
    std::vector<std::string_view> words = split_words(line);
    if (words.size() != 2) continue;
    if (words[1] == "devices:") section = words[0] == "Block" ? 'b' : 'c';
    else if (section == type && parse_uint(words[0]) == major) return std::string(words[1]);
  }
  return {};
}

// systemd.resource-control(5), DeviceAllow=: a node of /dev, or "char-NAME" for all of a driver. "": it has no word for it.
std::string systemd_device(const DeviceException& one, std::string_view proc_devices) {
  std::string kind = one.type == 'b' ? "block" : "char";
  if (!one.major) return one.minor ? "" : kind + "-*";
  if (one.minor) return format("/dev/{}/{}:{}", kind, *one.major, *one.minor);
  std::string driver = driver_of(proc_devices, one.type, *one.major);
  return driver.empty() ? "" : kind + "-" + driver;
}

// On v1 systemd writes its own list of devices into the group at each reload, which is to be ours, then.
Result<> put_devices(std::vector<DbusProperty>& out, const std::vector<oci::DeviceRule>& rules, std::string_view proc_devices) {
  if (rules.empty()) return {};
  DevicePolicy policy = TRY(fold_device_rules(rules));
  DbusPairs allowed;
  for (const DeviceException& one : policy.exceptions) {
    std::string access, device = systemd_device(one, proc_devices);
    if (one.access & kDeviceRead) access += 'r';
    if (one.access & kDeviceWrite) access += 'w';
    if (one.access & kDeviceMknod) access += 'm';
    if (!device.empty()) allowed.emplace_back(std::move(device), std::move(access));
  }
  put(out, "DevicePolicy", std::string(policy.allow_by_default ? "auto" : "strict"));
  put(out, "DeviceAllow", policy.allow_by_default ? DbusPairs{} : std::move(allowed));
  return {};
}

}  // namespace

Result<std::vector<DbusProperty>> systemd_limits(const oci::Resources& resources, CgroupMode mode, std::string_view proc_devices) {
  std::vector<DbusProperty> out;
  bool v2 = mode == CgroupMode::V2;
  for (const CgroupWrite& write : TRY(v2 ? cgroup_v2_writes(resources) : cgroup_v1_writes(resources))) put_write(out, write);
  if (v2) return out;
  const oci::Cpu& cpu = resources.cpu;
  if (cpu.quota || cpu.period) put_quota(out, cpu.quota.value_or(-1) > 0 ? std::optional<uint64_t>(*cpu.quota) : std::nullopt, cpu.period);
  TRY(put_devices(out, resources.devices, proc_devices));
  return out;
}

namespace {

// GVariant's text form, as much of it as properties of scopes are.
struct VariantText {
  std::string_view left;

  void skip_blanks() { left.remove_prefix(std::min(left.find_first_not_of(" \t"), left.size())); }
  bool take(char c) {
    skip_blanks();
    if (!left.starts_with(c)) return false;
    left.remove_prefix(1);
    return true;
  }
  std::optional<std::string> quoted() {
    skip_blanks();
    if (left.empty() || (left[0] != '\'' && left[0] != '"')) return std::nullopt;
    std::string out;
    for (size_t i = 1; i < left.size(); ++i) {
      if (left[i] == left[0]) {
        left.remove_prefix(i + 1);
        return out;
      }
      if (left[i] == '\\' && i + 1 < left.size()) ++i;
      out += left[i];
    }
    return std::nullopt;
  }
};

std::optional<DbusValue> list_of(VariantText text) {
  std::vector<std::string> out;
  while (!text.take(']')) {
    if (!out.empty() && !text.take(',')) return std::nullopt;
    auto one = text.quoted();
    if (!one) return std::nullopt;
    out.push_back(std::move(*one));
  }
  text.skip_blanks();
  return text.left.empty() ? std::optional<DbusValue>(std::move(out)) : std::nullopt;
}

std::optional<DbusValue> number_value(std::string_view type, std::string_view text) {
  if (type == "uint64") { if (auto n = parse_uint(text)) return DbusValue(*n); }
  else if (type == "uint32") { if (auto n = parse_uint(text, 0, UINT32_MAX)) return DbusValue(static_cast<uint32_t>(*n)); }
  else if (type == "int64") { if (auto n = parse_int(text)) return DbusValue(*n); }
  else if (type == "int32") { if (auto n = parse_int(text, INT32_MIN, INT32_MAX)) return DbusValue(static_cast<int32_t>(*n)); }
  return std::nullopt;
}

std::optional<DbusValue> value_of(std::string_view text) {
  text = trim(text);
  if (text == "true" || text == "false") return DbusValue(text == "true");
  VariantText rest{text};
  if (rest.take('[')) return list_of(rest);
  if (auto quoted = rest.quoted(); quoted && trim(rest.left).empty()) return DbusValue(std::move(*quoted));
  std::vector<std::string_view> words = split_words(text);
  if (words.size() == 2) return number_value(words[0], words[1]);
  return number_value("int32", text);
}

// "TimeoutStopSec": seconds of any kind of number, to systemd "TimeoutStopUSec" in microseconds.
std::optional<DbusProperty> in_microseconds(std::string_view name, const DbusValue& value) {
  uint64_t seconds = 0;
  if (auto* i = std::get_if<int32_t>(&value); i != nullptr && *i >= 0) seconds = static_cast<uint64_t>(*i);
  else if (auto* l = std::get_if<int64_t>(&value); l != nullptr && *l >= 0) seconds = static_cast<uint64_t>(*l);
  else if (auto* u = std::get_if<uint32_t>(&value)) seconds = *u;
  else if (auto* t = std::get_if<uint64_t>(&value)) seconds = *t;
  else return std::nullopt;
  uint64_t most = UINT64_MAX / 1000000;
  return DbusProperty{std::string(name.substr(0, name.size() - 3)) + "USec", seconds > most ? UINT64_MAX : seconds * 1000000};
}

}  // namespace

Result<std::vector<DbusProperty>> systemd_annotations(const std::map<std::string, std::string>& annotations) {
  constexpr std::string_view kPrefix = "org.systemd.property.";
  std::vector<DbusProperty> out;
  for (const auto& [key, text] : annotations) {
    if (!key.starts_with(kPrefix)) continue;
    std::string_view name = std::string_view(key).substr(kPrefix.size());
    bool letters = std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
    auto value = value_of(text);
    std::optional<DbusProperty> property;
    bool seconds = name.ends_with("Sec") && !name.ends_with("USec");
    if (value && letters && name.size() >= 3) property = seconds ? in_microseconds(name, *value) : DbusProperty{std::string(name), *value};
    if (!property)
      return fail(ErrorKind::Invalid, format("annotations[\"{}\"]: \"{}\" is no value of a property, as in 'text', true, 5, uint64 5, ['a', 'b']",
                                             escape_controls(key), escape_controls(text)));
    out.push_back(std::move(*property));
  }
  return out;
}

std::string dbus_label(std::string_view name) {
  std::string out;
  for (char c : name) {
    bool digit = c >= '0' && c <= '9', letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || (digit && !out.empty())) out += c;
    else out += format("_{:02x}", static_cast<unsigned char>(c));
  }
  return out.empty() ? "_" : out;
}

}  // namespace hull::kernel
