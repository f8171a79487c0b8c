#include "runtime/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/duration.h"
#include "base/text.h"
#include "runtime/notify.h"
#include "runtime/process.h"
#include "sandbox/launch.h"

namespace hull::runtime {

Result<Home> home_of(const std::string& root, const std::string& id) {
  bool plain = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("_+-.").find(c) != std::string_view::npos;
  });
  if (id.empty() || id.size() > 255 || !plain || id == "." || id == "..")
    return fail(ErrorKind::Invalid, format("invalid container ID format: \"{}\"", escape_controls(id)));
  return Home{root + "/" + id};
}

Result<> write_state(const Home& home, const State& state) {
  json::object annotations;
  for (const auto& [key, value] : state.annotations) annotations[key] = value;
  json::object o{{"ociVersion", state.oci_version}, {"id", state.id},         {"pid", state.process.pid},
                 {"identity", state.process.identity}, {"boot", state.boot},  {"bundle", state.bundle},
                 {"rootfs", state.rootfs},          {"created", state.created}, {"cgroup", state.cgroup},
                 {"creator", json::object{{"pid", state.creator.pid}, {"identity", state.creator.identity}}}};
  if (!state.unit.empty()) o["unit"] = state.unit;
  if (!state.rdt.directory.empty()) o["intelRdt"] = json::object{{"directory", state.rdt.directory}, {"monitor", state.rdt.monitor}, {"made", state.rdt.made}};
  o["annotations"] = std::move(annotations);
  return replace_file(home.file("state.json"), json::to_text(o), Durability::Volatile);
}

// What hull makes in a container's directory; a directory with anything else in it was never a container's.
static bool is_own(const std::string& name) {
  constexpr std::string_view kNames[] = {"state.json", "config.json", "root", "notify", "making.fifo", "start.fifo", "outcome.fifo"};
  return name.starts_with("state.json.new.") || std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

static bool is_directory(const std::string& name) { return name == "root" || name == "notify"; }

static bool holds_own_alone(const Home& home, const std::string& name) {
  std::vector<std::string> inside = list_directory(home.file(name.c_str()));
  return inside.empty() || (name == "notify" && inside == std::vector<std::string>{kNotifyName});
}

static bool is_whole_own(const Home& home) {
  struct stat status;
  if (::lstat(home.directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return false;
  std::vector<std::string> names = list_directory(home.directory);
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return is_own(name) && (!is_directory(name) || holds_own_alone(home, name)); });
}

// The directories first: what is in them stays, and then so does all the rest.
Result<> remove_home(const Home& home) {
  std::vector<std::string> names = list_directory(home.directory);
  std::stable_partition(names.begin(), names.end(), is_directory);
  auto stays = [&](const std::string& name) {
    return fail(ErrorKind::Conflict, format("{}: is not hull's, and stays; look at it and remove it by hand", escape_controls(home.file(name.c_str()))));
  };
  for (const std::string& name : names)
    if (!is_own(name)) return stays(name);
  for (const std::string& name : names) {
    std::string path = home.file(name.c_str());
    if (name == "notify" && holds_own_alone(home, name)) ::unlink(format("{}/{}", path, kNotifyName).c_str());
    if ((is_directory(name) ? ::rmdir(path.c_str()) : ::unlink(path.c_str())) == 0 || errno == ENOENT) continue;
    return is_directory(name) && errno == ENOTEMPTY ? stays(name) : fail_errno("remove", path);
  }
  return ::rmdir(home.directory.c_str()) == 0 || errno == ENOENT ? Result<>() : fail_errno("rmdir", home.directory);
}

Result<bool> lock_home(const Fd& directory, const Home& home) {
  constexpr int kPatienceMs = 15000, kLookMs = 5;
  for (int waited = 0; ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0; waited += kLookMs) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno("flock", home.directory);
    if (waited >= kPatienceMs) return fail(ErrorKind::Conflict, format("{}: another command is deleting it and does not end", home.directory));
    sleep_ms(kLookMs);
  }
  return is_still_at(directory, home.directory);
}

// Its process waits for the start as long as it has the fifo open; fifo(7).
static bool is_read(const std::string& fifo) { return static_cast<bool>(Fd(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC))); }

// Without a state: a creation or a removal that was killed, or no container.
static Result<State> read_state(const Home& home, const std::string& id) {
  auto text = read_file(home.file("state.json"));
  if (!text && text.error().kind() == ErrorKind::NotFound) {
    bool has_config = path_exists(home.file("config.json")), whole = is_whole_own(home);
    State blank;
    blank.oci_version = oci::kSpecVersion;
    blank.id = id;
    if (whole && !has_config) return blank;
    if (whole) return fail(ErrorKind::Corrupt, format("{}: is missing; remove the container: delete --force {}", home.file("state.json"), id));
    return fail(ErrorKind::NotFound, format("container \"{}\" does not exist", id));
  }
  std::string content = TRY(std::move(text));
  json::value document = TRY(json::parse(content, home.file("state.json")));
  auto get = [&](const char* key) { return std::string(json::get_string(document, key)); };
  State state{get("ociVersion"), get("id"), get("bundle"), get("rootfs"), get("created"), get("cgroup"), {}, {}, get("boot"), {}, get("unit"), {}};
  if (state.id != id) return fail(ErrorKind::Corrupt, format("{}: is no state of {}", home.file("state.json"), id));
  if (const json::value* rdt = json::find(document, "intelRdt"); rdt != nullptr && rdt->is_object())
    state.rdt = {std::string(json::get_string(*rdt, "directory")), std::string(json::get_string(*rdt, "monitor")), json::get_bool(*rdt, "made")};
  state.process = {static_cast<pid_t>(json::get_int(document, "pid")), get("identity")};
  if (const json::value* creator = json::find(document, "creator"); creator != nullptr && creator->is_object())
    state.creator = {static_cast<pid_t>(json::get_int(*creator, "pid")), std::string(json::get_string(*creator, "identity"))};
  if (const json::value* annotations = json::find(document, "annotations"); annotations != nullptr && annotations->is_object())
    for (const auto& member : annotations->get_object())
      state.annotations[std::string(member.key())] = std::string(json::get_string(*annotations, member.key()));
  return state;
}

Result<Standing> stand(const std::string& root, const std::string& id) {
  Home home = TRY(home_of(root, id));
  Standing standing{TRY(read_state(home, id)), "stopped", Fd()};
  if (standing.state.boot != kernel::boot_id()) return standing;
  bool creating = standing.state.process.pid == 0 || path_exists(home.file("making.fifo"));
  // A run that was killed takes its mark away no more.
  if (creating && standing.state.process.pid > 0) creating = sandbox::is_hull_init(standing.state.process.pid) != false;
  standing.has_creator = creating && standing.state.creator.pid > 0 && kernel::find_process(standing.state.creator).has_value();
  if (standing.has_creator) standing.status = "creating";
  auto pidfd = kernel::find_process(standing.state.process);
  if (!pidfd && pidfd.error().kind() != ErrorKind::NotFound) return fail(std::move(pidfd).error());
  if (!pidfd) return standing;
  standing.pidfd = std::move(*pidfd);
  standing.status = creating ? "creating" : is_read(home.file("start.fifo")) ? "created" : "running";
  if (cgroups() == nullptr || standing.state.cgroup.empty()) return standing;
  auto group = cgroups()->find(standing.state.cgroup);
  if (group && (*group)->frozen().value_or(false)) standing.status = "paused";
  return standing;
}

Result<kernel::ProcessIdentity> creator_of(const Home& home, const std::string& id) {
  return TRY(read_state(home, id)).creator;
}

std::string owner_of(const Standing& standing) {
  struct stat status;
  if (::stat(standing.state.bundle.c_str(), &status) != 0 || status.st_uid == 0) return "root";
  auto passwd = read_file("/etc/passwd");
  for (std::string_view line : split_lines(passwd.value_or(""))) {
    std::vector<std::string> fields = split(line, ':');
    if (fields.size() > 2 && fields[2] == std::to_string(status.st_uid)) return fields[0];
  }
  return std::to_string(status.st_uid);
}

json::object state_json(const Standing& standing, bool listed) {
  const State& state = standing.state;
  json::object o{{"ociVersion", state.oci_version}, {"id", state.id}, {"pid", standing.pid()},
                 {"status", standing.status}, {"bundle", state.bundle}, {"rootfs", state.rootfs}, {"created", state.created}};
  if (!state.annotations.empty()) {
    json::object annotations;
    for (const auto& [key, value] : state.annotations) annotations[key] = value;
    o["annotations"] = std::move(annotations);
  }
  if (listed) o["owner"] = owner_of(standing);
  return o;
}

}  // namespace hull::runtime
