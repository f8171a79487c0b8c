#include "ns/pins.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/text.h"
#include "base/undo.h"

namespace hull::ns {
namespace {

using kernel::NsKind;

struct MountPlace {
  bool is_root = false;  // of its mount
  uint64_t mount = 0;
};

// KERNEL: STATX_ATTR_MOUNT_ROOT and stx_mnt_id since 5.8; statx(2).
std::optional<MountPlace> mount_place(int directory, const char* path, int flags) {
  struct statx status;
  if (::statx(directory, path, flags, STATX_MNT_ID, &status) != 0) return std::nullopt;
  return MountPlace{(status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0, status.stx_mnt_id};
}

Result<Fd> lock_directory(const std::string& path, int operation) {
  Fd directory = TRY(open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  while (::flock(directory.get(), operation) != 0)
    if (errno != EINTR) return fail_errno("flock", path);
  return directory;
}

// The lock was waited for; meanwhile another may have ended the store's mount, and ours is a lock on a ghost.
bool still_there(const Fd& directory, const std::string& path) {
  auto ours = mount_place(directory.get(), "", AT_EMPTY_PATH), now = mount_place(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
  return ours && now && ours->mount == now->mount;
}

Result<> mount_pin(const Fd& ns, const std::string& path) {
  TRY(open_file(path, O_WRONLY | O_CREAT, 0444));
  std::string source = format("/proc/self/fd/{}", ns.get());
  if (::mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  Error error = Error::from_errno("mount", path);
  // KERNEL: a mount namespace may be bound only in one that is older, else two could hold each other for ever;
  // mnt_ns_loop() in fs/namespace.c.
  if (error.errno_value() == EINVAL) return fail(std::move(error).with_remedy("a mount namespace can be kept only from outside, in an older one"));
  return fail(std::move(error));
}

void unmount_pin(const std::string& path) {
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {}
  ::unlink(path.c_str());
}

Pin describe(const NamedFd& named) {
  Pin pin;
  pin.kind = named.kind;
  if (auto identity = kernel::identify_ns(named.fd)) pin.inode = identity->inode, pin.id = identity->id;
  if (auto owner = kernel::ns_owner(named.fd))
    if (auto identity = kernel::identify_ns(*owner)) pin.owner = identity->inode;
  if (auto handle = kernel::ns_handle(named.fd)) pin.handle = std::move(*handle);
  return pin;
}

Result<> write_record(const std::string& directory, const PinSet& set) {
  return replace_file(directory + "/record.json", json::to_text(to_json(set)), Durability::Volatile);
}

void put_pin(PinSet& set, Pin pin) {
  std::erase_if(set.pins, [&](const Pin& other) { return other.kind == pin.kind; });
  set.pins.push_back(std::move(pin));
  std::sort(set.pins.begin(), set.pins.end(), [](const Pin& a, const Pin& b) { return a.kind < b.kind; });
}

Result<PinSet> read_record(const std::string& directory) {
  std::string path = directory + "/record.json";
  std::string text = TRY(read_file(path, 1 << 20));
  json::value v = TRY(json::parse(text, path));
  return pin_set_from_json(v);
}

// Where the record cannot be read, the set is what its mounts are; labels, source and holder are lost.
Result<PinSet> read_set(const std::string& directory) {
  auto recorded = read_record(directory);
  if (recorded || !path_exists(directory)) return recorded;
  PinSet mounted;
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if (auto ns = kernel::open_ns_file(directory + "/" + info.name, info.kind)) put_pin(mounted, describe({info.kind, std::move(*ns)}));
  if (mounted.pins.empty()) return fail(std::move(recorded).error().with_remedy("nothing is kept there: hull ns doctor --fix takes it away"));
  mounted.source = "unknown: its record was lost";
  return mounted;
}

std::string nameless() { return "." + random_id().substr(0, 16); }

}  // namespace

// ---- the record

const Pin* PinSet::find(NsKind kind) const {
  for (const Pin& pin : pins)
    if (pin.kind == kind) return &pin;
  return nullptr;
}

json::value to_json(const PinSet& set) {
  json::object labels, pins;
  for (const auto& [key, text] : set.labels) labels[key] = text;
  for (const Pin& pin : set.pins)
    pins[kernel::ns_info(pin.kind).name] =
        json::object{{"inode", pin.inode}, {"id", pin.id}, {"owner", pin.owner}, {"handle", pin.handle}};
  json::object object{{"created", set.created}, {"boot_id", set.boot_id}, {"source", set.source},
                      {"labels", std::move(labels)}, {"pins", std::move(pins)}};
  if (set.holder > 0) object["holder"] = json::object{{"pid", set.holder}, {"identity", set.holder_identity}};
  return object;
}

static uint64_t get_number(const json::value& v, std::string_view key) {
  const json::value* number = json::find(v, key);
  if (number == nullptr) return 0;
  if (number->is_uint64()) return number->as_uint64();
  return number->is_int64() && number->as_int64() >= 0 ? static_cast<uint64_t>(number->as_int64()) : 0;
}

Result<PinSet> pin_set_from_json(const json::value& v) {
  PinSet set;
  set.created = json::get_string(v, "created");
  set.boot_id = json::get_string(v, "boot_id");
  set.source = json::get_string(v, "source");
  if (const json::value* labels = json::find(v, "labels"); labels != nullptr && labels->is_object())
    for (const auto& [key, text] : labels->as_object())
      if (text.is_string()) set.labels.emplace(key, text.as_string());
  const json::value* pins = json::find(v, "pins");
  if (pins == nullptr || !pins->is_object()) return fail(ErrorKind::Corrupt, "record of pins: \"pins\" is missing");
  for (const auto& [name, pin] : pins->as_object()) {
    auto kind = kernel::ns_kind_from_name(std::string_view(name.data(), name.size()));
    if (!kind) return fail(ErrorKind::Corrupt, "record of pins: unknown kind");
    put_pin(set, {*kind, get_number(pin, "inode"), get_number(pin, "id"), get_number(pin, "owner"),
                  std::string(json::get_string(pin, "handle"))});
  }
  if (const json::value* holder = json::find(v, "holder")) {
    set.holder = static_cast<pid_t>(json::get_int(*holder, "pid"));
    set.holder_identity = json::get_string(*holder, "identity");
  }
  return set;
}

Result<> check_pin_name(std::string_view name) {
  auto alphanumeric = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  bool good = !name.empty() && name.size() <= 64 && alphanumeric(name[0]);
  for (char c : name) good = good && (alphanumeric(c) || c == '_' || c == '.' || c == '-');
  constexpr std::string_view kOtherMeaning[] = {"host", "none", "private", "container"};
  bool number = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (good && (number || std::find(std::begin(kOtherMeaning), std::end(kOtherMeaning), name) != std::end(kOtherMeaning)))
    return fail(ErrorKind::Invalid, format("invalid namespace name \"{}\": {} where namespaces are named; choose another", name, number ? "a number is a PID or an inode" : "it has a meaning of its own"));
  if (good) return {};
  return fail(ErrorKind::Invalid, format("invalid namespace name \"{}\": at most 64 of [a-zA-Z0-9_.-], a letter or digit first", escape_controls(name)));
}

// ---- the store

std::string PinStore::path(std::string_view name, NsKind kind) const {
  return format("{}/{}/{}", directory_, name, kernel::ns_info(kind).name);
}

bool PinStore::exists(std::string_view name) const { return path_exists(format("{}/{}", directory_, name)); }

// KERNEL: a bind of a namespace file on a shared mount would appear in every peer, and a mount namespace cannot be
// bound there at all; mount_namespaces(7). The mount is made private each time: it costs nothing and mends a kill
// between the two calls.
Result<Fd> PinStore::work_in() const {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (::mkdir(directory_.c_str(), 0711) != 0 && errno != EEXIST) return fail_errno("mkdir", directory_);
    auto place = mount_place(AT_FDCWD, directory_.c_str(), AT_SYMLINK_NOFOLLOW);
    if (!place) return fail_errno("statx", directory_);
    if (!place->is_root) {
      Fd alone = TRY(lock_directory(directory_, LOCK_EX));
      place = mount_place(AT_FDCWD, directory_.c_str(), AT_SYMLINK_NOFOLLOW);
      if (place && !place->is_root && ::mount(directory_.c_str(), directory_.c_str(), nullptr, MS_BIND, nullptr) != 0)
        return fail(Error::from_errno("mount", directory_).with_remedy("keeping namespaces needs CAP_SYS_ADMIN over the mount namespace"));
    }
    if (::mount(nullptr, directory_.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
      if (errno == EINVAL) continue;  // its last user took it away
      return fail_errno("mount", directory_);
    }
    Fd shared = TRY(lock_directory(directory_, LOCK_SH));
    place = mount_place(AT_FDCWD, directory_.c_str(), AT_SYMLINK_NOFOLLOW);
    if (place && place->is_root && still_there(shared, directory_)) return shared;
  }
  return fail(ErrorKind::Conflict, directory_ + ": its mount comes and goes; is another program unmounting it?");
}

// Everything of a set that has no name, or none any more.
Result<> PinStore::destroy(const std::string& directory) const {
  if (auto set = read_set(directory); set && set->holder > 0 && end_) end_(*set);
  for (const kernel::NsInfo& info : kernel::kNamespaces) unmount_pin(directory + "/" + info.name);
  return remove_tree(directory);
}

Result<PinSet> PinStore::create(PinSet set, const std::vector<NamedFd>& namespaces, const std::function<Result<>()>& before_naming) const {
  Fd lock = TRY(work_in());
  std::string draft = directory_ + "/" + nameless(), place = directory_ + "/" + set.name;
  if (path_exists(place)) return fail(ErrorKind::Exists, format("namespace name \"{}\" is already in use; hull ns rm {}, or choose another", set.name, set.name));
  if (::mkdir(draft.c_str(), 0711) != 0) return fail_errno("mkdir", draft);
  Undo undo;
  undo.add([&] { (void)destroy(draft); });
  set.boot_id = boot_id_;
  for (const NamedFd& named : namespaces) put_pin(set, describe(named));
  TRY(write_record(draft, set));
  for (const NamedFd& named : namespaces) TRY(mount_pin(named.fd, draft + "/" + kernel::ns_info(named.kind).name));
  if (before_naming) TRY(before_naming());
  if (::renameat2(AT_FDCWD, draft.c_str(), AT_FDCWD, place.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return fail(ErrorKind::Exists, format("namespace name \"{}\" is already in use", set.name));
    return fail_errno("rename", place);
  }
  undo.commit();
  return set;
}

Result<PinSet> PinStore::add(std::string_view name, const std::vector<NamedFd>& namespaces) const {
  Fd lock = TRY(work_in());
  std::string place = format("{}/{}", directory_, name);
  Fd alone = TRY(lock_directory(place, LOCK_EX));
  PinSet set = TRY(load(name));
  for (const NamedFd& named : namespaces) {
    std::string pin = path(name, named.kind);
    unmount_pin(pin);
    TRY(mount_pin(named.fd, pin));
    put_pin(set, describe(named));
  }
  TRY(write_record(place, set));
  return set;
}

Result<PinSet> PinStore::load(std::string_view name) const {
  auto set = read_set(format("{}/{}", directory_, name));
  if (!set && !exists(name))
    return fail(ErrorKind::NotFound, format("no such namespace name: {}; see hull ns ls --named", escape_controls(name)));
  if (set) set->name = std::string(name);
  return set;
}

std::optional<Error> PinStore::damage(std::string_view name) const {
  auto set = read_record(format("{}/{}", directory_, name));
  return set || !exists(name) ? std::nullopt : std::optional(std::move(set).error());
}

Result<> PinStore::mend(std::string_view name, const std::function<void(PinSet&)>& add_holder) const {
  Fd lock = TRY(work_in());
  std::string place = format("{}/{}", directory_, name);
  Fd alone = TRY(lock_directory(place, LOCK_EX));
  PinSet set = TRY(load(name));
  set.created = now_rfc3339();
  set.boot_id = boot_id_;
  add_holder(set);
  return write_record(place, set);
}

Result<> PinStore::rename(std::string_view from, std::string_view to) const {
  Fd lock = TRY(work_in());
  TRY(load(from));
  std::string old_place = format("{}/{}", directory_, from), new_place = format("{}/{}", directory_, to);
  if (::renameat2(AT_FDCWD, old_place.c_str(), AT_FDCWD, new_place.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) return fail(ErrorKind::Exists, format("namespace name \"{}\" is already in use", to));
  return fail_errno("rename", old_place);
}

Result<> PinStore::remove(std::string_view name) const {
  if (!exists(name)) return {};
  {
    Fd lock = TRY(work_in());
    std::string place = format("{}/{}", directory_, name), dying = directory_ + "/" + nameless();
    if (::rename(place.c_str(), dying.c_str()) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno("rename", place);
    }
    TRY(destroy(dying));
  }
  sweep();
  return {};
}

Result<> PinStore::remove_kind(std::string_view name, NsKind kind) const {
  Fd lock = TRY(work_in());
  std::string place = format("{}/{}", directory_, name);
  Fd alone = TRY(lock_directory(place, LOCK_EX));
  PinSet set = TRY(load(name));
  if (set.find(kind) == nullptr) return fail(ErrorKind::NotFound, format("{} keeps no {} namespace", name, kernel::ns_info(kind).name));
  std::erase_if(set.pins, [&](const Pin& pin) { return pin.kind == kind; });
  if (kind == NsKind::Pid) set.holder = 0;
  TRY(write_record(place, set));
  unmount_pin(path(name, kind));
  return {};
}

std::vector<std::string> PinStore::names() const {
  std::vector<std::string> found = list_directory(directory_);
  std::erase_if(found, [](const std::string& name) { return !check_pin_name(name); });
  return found;
}

std::vector<std::string> PinStore::kept() const {
  std::vector<std::string> found;
  for (const std::string& name : list_directory(directory_))
    if (name[0] == '@') found.push_back(name.substr(1));
  return found;
}

std::optional<uint64_t> PinStore::live(std::string_view name, NsKind kind) const {
  auto ns = kernel::open_ns_file(path(name, kind), kind);
  if (!ns) return std::nullopt;
  auto identity = kernel::identify_ns(*ns);
  return identity ? std::optional(identity->inode) : std::nullopt;
}

void PinStore::sweep() const {
  auto place = mount_place(AT_FDCWD, directory_.c_str(), AT_SYMLINK_NOFOLLOW);
  if (!place || !place->is_root) return;
  auto alone = lock_directory(directory_, LOCK_EX | LOCK_NB);
  if (!alone || !still_there(*alone, directory_)) return;  // somebody is at work: the next one sweeps
  for (const std::string& name : list_directory(directory_))
    if (name[0] == '.') (void)destroy(directory_ + "/" + name);
  if (list_directory(directory_).empty()) ::umount2(directory_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace hull::ns
