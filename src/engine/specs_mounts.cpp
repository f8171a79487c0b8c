// -v, --mount, --tmpfs and --device.
#include <algorithm>
#include <optional>

#include "base/text.h"
#include "engine/specs.h"

namespace hull::engine {
namespace {

constexpr std::string_view kPropagations[] = {"private", "rprivate", "slave", "rslave", "shared", "rshared"};

bool is_propagation(std::string_view word) { return std::find(std::begin(kPropagations), std::end(kPropagations), word) != std::end(kPropagations); }

Result<> check_target(std::string_view spec, std::string_view target) {
  if (!target.starts_with('/'))
    return fail(ErrorKind::Invalid, format("invalid volume specification: '{}': mount path must be absolute", spec));
  if (clean_path(target) == "/") return fail(ErrorKind::Invalid, format("invalid volume specification: '{}': destination can't be '/'", spec));
  return {};
}

// What a word of -v's third part says something of; docker takes one word of each kind. None: it is no such word.
std::optional<std::string_view> apply_volume_option(MountSpec& mount, std::string_view option) {
  if (option == "ro" || option == "readonly") return mount.read_only = true, "access";
  if (option == "rw") return "access";
  if (option == "z" || option == "Z") return "label";
  if (option == "nocopy") return "copy";
  if (option == "bind") return mount.recursive = false, "recursion";
  if (option == "rbind") return mount.recursive = true, "recursion";
  if (is_propagation(option)) return mount.propagation = option, "propagation";
  return std::nullopt;
}

Result<> apply_volume_options(MountSpec& mount, std::string_view spec, std::string_view options) {
  std::vector<std::string_view> said;
  for (const std::string& option : split(options, ',')) {
    if (option.empty()) continue;
    auto kind = apply_volume_option(mount, option);
    if (!kind || std::find(said.begin(), said.end(), *kind) != said.end())
      return fail(ErrorKind::Invalid, format("invalid mode: {} in volume specification '{}'", kind ? options : std::string_view(option), spec));
    said.push_back(*kind);
  }
  return {};
}

std::string absolute(std::string_view path, std::string_view working_directory) {
  if (path.starts_with('/')) return clean_path(path);
  return clean_path(std::string(working_directory) + "/" + std::string(path));
}

// key=value fields of --mount, quotes as in CSV left alone: docker's own paths hold no commas either.
struct Field { std::string key, value; bool has_value; };
std::vector<Field> mount_fields(std::string_view text) {
  std::vector<Field> fields;
  for (const std::string& piece : split(text, ',')) {
    size_t equals = piece.find('=');
    fields.push_back({to_lower(piece.substr(0, equals)), equals == std::string::npos ? "" : piece.substr(equals + 1), equals != std::string::npos});
  }
  return fields;
}

Result<bool> truth(const Field& field) {
  if (!field.has_value || field.value == "1" || field.value == "true") return true;
  if (field.value == "0" || field.value == "false") return false;
  return fail(ErrorKind::Invalid, format("invalid value for {}: {}", field.key, field.value));
}

Result<> apply_mount_field(MountSpec& mount, std::string_view text, const Field& field) {
  const std::string& key = field.key;
  if (key == "type") {
    if (field.value != "bind" && field.value != "tmpfs")
      return fail(ErrorKind::Invalid, format("invalid mount type '{}' in '{}'; use bind or tmpfs", field.value, text));
    mount.kind = field.value == "bind" ? MountKind::Bind : MountKind::Tmpfs;
  } else if (key == "source" || key == "src") mount.source = field.value;
  else if (key == "target" || key == "dst" || key == "destination") mount.target = field.value;
  else if (key == "readonly" || key == "ro") mount.read_only = TRY(truth(field));
  else if (key == "bind-propagation" && is_propagation(field.value)) mount.propagation = field.value;
  else if (key == "bind-nonrecursive") mount.recursive = !TRY(truth(field));
  else if (key == "bind-recursive") {
    mount.recursive = field.value != "disabled";
    mount.recursive_read_only = field.value != "writable";
  } else if (key == "tmpfs-size") {
    auto size = parse_bytes(field.value);
    if (!size) return fail(ErrorKind::Invalid, format("invalid value for {}: {}", key, field.value));
    mount.options.push_back(format("size={}", *size));
  } else if (key == "tmpfs-mode") mount.options.push_back("mode=" + field.value);
  else return fail(ErrorKind::Invalid, format("unexpected key '{}' in '{}'", key, text));
  return {};
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string> kept;
  for (std::string& piece : split(path, '/')) {
    if (piece == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!piece.empty() && piece != ".") {
      kept.push_back(std::move(piece));
    }
  }
  return "/" + join(kept, "/");
}

Result<MountSpec> parse_volume(std::string_view text, std::string_view working_directory) {
  std::vector<std::string> parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
    return fail(ErrorKind::Invalid, format("invalid volume specification: '{}'; write SOURCE:TARGET[:OPTIONS]", text));
  TRY(check_target(text, parts[1]));
  if (!parts[0].starts_with('/') && !parts[0].starts_with('.'))
    return fail(ErrorKind::Unsupported, format("invalid volume specification: '{}': named volumes are not supported; give a path (./{} or /{})", text, parts[0], parts[0]));
  MountSpec mount;
  mount.origin = "volume";
  mount.source = absolute(parts[0], working_directory);
  mount.target = clean_path(parts[1]);
  mount.create_source = true;
  mount.propagation = "rprivate";
  if (parts.size() == 3) TRY(apply_volume_options(mount, text, parts[2]));
  return mount;
}

Result<MountSpec> parse_mount(std::string_view text) {
  MountSpec mount;
  mount.origin = "mount";
  mount.propagation = "rprivate";
  bool typed = false;
  for (const Field& field : mount_fields(text)) {
    typed = typed || field.key == "type";
    TRY(apply_mount_field(mount, text, field));
  }
  if (!typed) return fail(ErrorKind::Unsupported, format("invalid argument '{}' for --mount: type is required; use type=bind or type=tmpfs", text));
  if (mount.target.empty()) return fail(ErrorKind::Invalid, format("invalid argument '{}' for --mount: target is required", text));
  TRY(check_target(text, mount.target));
  mount.target = clean_path(mount.target);
  if (mount.kind == MountKind::Tmpfs && !mount.source.empty()) return fail(ErrorKind::Invalid, format("invalid argument '{}' for --mount: tmpfs takes no source", text));
  if (mount.kind == MountKind::Bind && !mount.source.starts_with('/'))
    return fail(ErrorKind::Invalid, format("invalid mount config for type \"bind\": invalid mount path: '{}' mount path must be absolute", mount.source));
  return mount;
}

Result<MountSpec> parse_tmpfs(std::string_view text) {
  size_t colon = text.find(':');
  MountSpec mount;
  mount.kind = MountKind::Tmpfs;
  mount.origin = "tmpfs";
  TRY(check_target(text, text.substr(0, colon)));
  mount.target = clean_path(text.substr(0, colon));
  if (colon == std::string_view::npos) return mount;
  for (std::string& option : split(text.substr(colon + 1), ',')) {
    if (option == "ro") mount.read_only = true;
    if (!option.empty()) mount.options.push_back(std::move(option));
  }
  return mount;
}

Result<DeviceSpec> parse_device(std::string_view text) {
  std::vector<std::string> parts = split(text, ':');
  auto is_access = [](std::string_view word) { return !word.empty() && word.size() <= 3 && word.find_first_not_of("rwm") == std::string_view::npos; };
  DeviceSpec device;
  device.host_path = device.path = parts[0];
  if (parts.size() == 3) device.access = parts[2];
  if (parts.size() >= 2) (parts.size() == 2 && is_access(parts[1]) ? device.access : device.path) = parts[1];
  bool sound = parts.size() <= 3 && device.host_path.starts_with('/') && device.path.starts_with('/') && is_access(device.access);
  if (!sound) return fail(ErrorKind::Invalid, format("invalid device specification: {}; write HOST[:PATH[:rwm]]", text));
  device.path = clean_path(device.path);
  return device;
}

}  // namespace hull::engine
