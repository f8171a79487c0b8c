// Seeing containers: resolve, inspect, list with docker's filters, and what other rooms ask about them.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/pattern.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/names.h"
#include "engine/ports.h"
#include "engine/sharing.h"
#include "engine/state.h"
#include "image/store.h"

namespace hull::engine {
namespace {

Container make_container(const Layout& layout, const Place& place, Record record, State state) {
  Container container;
  container.directory = Records(layout).directory(place);
  container.hosts_path = container.directory + "/hosts";
  container.hostname_path = container.directory + "/hostname";
  container.resolv_conf_path = container.directory + "/resolv.conf";
  if (record.config.log_driver != "none") container.log_path = container.directory + "/" + log_name(record.id);
  look_at_namespaces(layout, record.id, state.pid, container);
  container.record = std::move(record);
  container.state = std::move(state);
  return container;
}

Result<> add_overlay(const Layout& layout, Container& container) {
  if (container.record.image_id.empty()) return {};
  image::ImageStore store = TRY(image::ImageStore::open(layout.root));
  auto snapshot = store.find_snapshot(container.record.id);
  if (!snapshot) return {};
  container.lower_dirs = join(snapshot->lower_dirs, ":");
  container.upper_dir = snapshot->upper_dir;
  container.work_dir = snapshot->work_dir;
  return {};
}

bool matches_label(const Record& record, const std::string& value) {
  size_t equals = value.find('=');
  auto label = record.process.labels.find(value.substr(0, equals));
  if (label == record.process.labels.end()) return false;
  return equals == std::string::npos || label->second == value.substr(equals + 1);
}

// docker takes a regular expression and tries it on the name with and without its slash; one that is malformed fits
// nothing. The C library's extended expressions do what names need.
bool matches_name(const std::string& name, const std::optional<Pattern>& pattern) {
  return pattern && (pattern->matches(name) || pattern->matches("/" + name));
}

Result<std::optional<Pattern>> name_pattern(const std::string& text) {
  Result<Pattern> pattern = Pattern::compile(text);
  if (pattern) return std::optional(std::move(*pattern));
  if (pattern.error().kind() != ErrorKind::Unsupported) return std::optional<Pattern>();
  return fail(ErrorKind::Invalid, format("invalid filter 'name': {}", pattern.error().text()));
}

// What `ps` shows under Networks.
bool matches_network(const ContainerConfig& config, const std::string& value) {
  const NamespaceSpec& net = config.ns(kernel::NsKind::Net);
  if (!net.text.empty()) return net.text == value;
  return value == (net.mode == NsMode::Host ? "host" : "none");
}

bool matches_volume(const ContainerConfig& config, const std::string& value) {
  return std::any_of(config.mounts.begin(), config.mounts.end(),
                     [&](const MountSpec& mount) { return mount.source == value || mount.target == value; });
}

// "80", "80/udp", "80-90/tcp"; without a protocol: tcp, as docker.
bool matches_port(const std::vector<net::ContainerPort>& ports, const std::string& value) {
  auto wanted = net::parse_expose(value);
  return wanted && std::any_of(ports.begin(), ports.end(), [&](const net::ContainerPort& port) { return std::find(wanted->begin(), wanted->end(), port) != wanted->end(); });
}

std::vector<net::ContainerPort> published_ports(const Record& record) {
  std::vector<net::ContainerPort> ports;
  for (const net::PortBinding& binding : bindings_of(record)) ports.push_back(binding.inside);
  return ports;
}

struct FilterContext {
  std::string before_created, since_created;
  std::map<std::string, std::string> sharing;  // the name of the container that is asked about, by its text
  std::map<std::string, std::optional<Pattern>> names;  // by their text
};

// One key's values are alternatives, different keys all have to hold.
bool matches(const Container& container, const std::string& key, const std::string& value, const FilterContext& context) {
  const Record& record = container.record;
  if (key == "id") return record.id.starts_with(value);
  if (key == "name") return matches_name(record.name, context.names.at(value));
  if (key == "label") return matches_label(record, value);
  if (key == "status") return status_name(container.state.status) == value;
  if (key == "exited")
    return container.state.status == Status::Exited && std::to_string(container.state.exit_code) == value;
  if (key == "ancestor") return record.config.image == value || record.config.image == value + ":latest" ||
                                (!value.empty() && (record.image_id.starts_with(value) || record.image_id.starts_with("sha256:" + value)));
  if (key == "before") return record.created < context.before_created;
  if (key == "since") return record.created > context.since_created;
  if (key == "sharing") {
    const std::string& name = context.sharing.at(value);
    const auto& specs = record.config.namespaces;  // says so also while there is no container of that name
    if (std::any_of(specs.begin(), specs.end(), [&](const NamespaceSpec& ns) { return ns.mode == NsMode::Container && ns.target == name; })) return true;
    return std::any_of(container.sharers.begin(), container.sharers.end(), [&](const auto& sharer) { return sharer.second == name; });
  }
  if (key == "network") return matches_network(record.config, value);
  if (key == "volume") return matches_volume(record.config, value);
  if (key == "health") return value == "none";
  if (key == "is-task") return value == "false";
  if (key == "publish") return matches_port(published_ports(record), value);
  return key == "expose" && matches_port(exposed_ports(record), value);
}

constexpr std::string_view kFilterKeys[] = {"id", "name", "label", "status", "exited", "ancestor", "before", "since", "network",
                                            "volume", "health", "is-task", "publish", "expose", "sharing"};

Result<> check_filters(const ListOptions& options) {
  for (const auto& [key, value] : options.filters) {
    if (std::find(std::begin(kFilterKeys), std::end(kFilterKeys), key) == std::end(kFilterKeys))
      return fail(ErrorKind::Invalid, format("invalid filter '{}'", escape_controls(key)));
    if (key == "exited" && !parse_uint(value, 0, 255)) return fail(ErrorKind::Invalid, format("invalid filter 'exited={}'", value));
    if (key == "publish" || key == "expose")
      if (!net::parse_expose(value)) return fail(ErrorKind::Invalid, format("invalid filter '{}={}'", key, escape_controls(value)));
    constexpr std::string_view kStatuses[] = {"created", "running", "paused", "restarting", "removing", "exited", "dead"};
    if (key == "status" && std::find(std::begin(kStatuses), std::end(kStatuses), value) == std::end(kStatuses))
      return fail(ErrorKind::Invalid, format("invalid filter 'status={}'", value));
  }
  return {};
}

bool matches_all(const Container& container, const ListOptions& options, const FilterContext& context) {
  for (const auto& [key, unused] : options.filters) {
    bool any = false;
    for (const auto& [other, value] : options.filters) any = any || (other == key && matches(container, key, value, context));
    if (!any) return false;
  }
  return true;
}

// Who else is in each namespace that is not the host's.
void fill_sharers(std::vector<Container>& all) {
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    auto at = static_cast<size_t>(info.kind);
    uint64_t host = kernel::ns_inode(0, info.kind).value_or(0);
    std::map<uint64_t, std::vector<Container*>> members;
    for (Container& container : all)
      if (uint64_t inode = container.namespaces[at]; inode != 0 && inode != host) members[inode].push_back(&container);
    for (const auto& [inode, group] : members)
      for (Container* one : group)
        for (const Container* other : group)
          if (one != other) one->sharers.emplace_back(info.kind, other->record.name);
  }
  for (Container& container : all) std::sort(container.sharers.begin(), container.sharers.end());
}

std::vector<Container> all_containers(const Layout& layout) {
  Records records(layout);
  std::vector<Container> found;
  for (const Place& place : records.all())
    if (auto record = records.load(place))  // else it is being made or removed
      found.push_back(make_container(layout, place, std::move(*record), stand(layout, place).state));
  fill_sharers(found);
  return found;
}

bool shows_stopped(const ListOptions& options) {
  return options.all || options.last ||
         std::any_of(options.filters.begin(), options.filters.end(),
                     [](const auto& filter) { return filter.first == "status" || filter.first == "exited"; });
}

}  // namespace

Result<std::string> Engine::resolve(std::string_view container) const {
  return TRY(Records(Layout{root_, run_}).find(container)).id;
}

Result<Container> Engine::inspect(std::string_view container) const {
  Layout layout{root_, run_};
  Records records(layout);
  Place place = TRY(records.find(container));
  TRY(records.load(place));
  if (!stand(layout, place).settled) {
    TRY(clean_up(place.id));  // an end that nobody has dealt with yet: whether it ran out of memory, for one
    if (!path_exists(records.directory(place))) return fail(ErrorKind::NotFound, format("No such container: {}", escape_controls(container)));
  }
  for (Container& made : all_containers(layout)) {
    if (made.record.id != place.id) continue;
    TRY(add_overlay(layout, made));
    return std::move(made);
  }
  return fail(ErrorKind::NotFound, format("No such container: {}", escape_controls(container)));
}

// The name of a container, or one that others share with although nobody bears it now.
static Result<std::string> name_of_target(const Engine& engine, const std::vector<Container>& all, const std::string& text) {
  if (auto found = engine.inspect(text)) return found->record.name;
  for (const Container& container : all)
    for (const NamespaceSpec& ns : container.record.config.namespaces)
      if (ns.mode == NsMode::Container && ns.target == text) return text;
  return fail(ErrorKind::NotFound, format("No such container: {}", escape_controls(text)));
}

Result<std::vector<Container>> Engine::list(const ListOptions& options) const {
  TRY(check_filters(options));
  (void)clean_up_all();  // what could not be dealt with is listed as it stands
  FilterContext context;
  std::vector<Container> all = all_containers(Layout{root_, run_});
  for (const auto& [key, value] : options.filters)
    if (key == "name") context.names[value] = TRY(name_pattern(value));
    else if (key == "sharing") context.sharing[value] = TRY(name_of_target(*this, all, value));
    else if (key == "before" || key == "since")
      (key == "before" ? context.before_created : context.since_created) = TRY(inspect(value)).record.created;
  std::vector<Container> found;
  for (Container& container : all) {
    if (!container.state.running() && !shows_stopped(options)) continue;
    if (matches_all(container, options, context)) found.push_back(std::move(container));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.record.created > b.record.created; });
  if (options.last && found.size() > *options.last) found.resize(*options.last);
  return found;
}

// Goes through a tree that somebody may be changing: by one descriptor at a time, through no link, on one file system, and
// however deep it is.
class SizeWalk {
 public:
  // A file of several names counts for each, as one cannot know which are still there.
  int64_t bytes_below(const std::string& top) {
    here_ = Fd(::open(top.c_str(), kFlags));
    struct stat status;
    if (!here_ || ::fstat(here_.get(), &status) != 0) return 0;
    device_ = status.st_dev;
    look(status.st_ino);
    while (!levels_.empty()) {
      if (!levels_.back().left.empty()) enter();
      else if (!leave()) break;
    }
    return bytes_;
  }

 private:
  static constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  struct Level {
    ino_t inode;
    std::vector<std::string> left;  // directories in it to go through
  };

  void look(ino_t inode) {
    Level level{inode, {}};
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(::openat(here_.get(), ".", kFlags)), ::closedir);
    struct stat status;
    while (const dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
      std::string_view name = entry->d_name;
      if (name == "." || name == ".." || ::fstatat(here_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISDIR(status.st_mode)) level.left.emplace_back(name);
      if (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)) bytes_ += status.st_size;
    }
    levels_.push_back(std::move(level));
  }

  // What cannot be entered is passed over.
  void enter() {
    Fd next(::openat(here_.get(), levels_.back().left.back().c_str(), kFlags));
    levels_.back().left.pop_back();
    struct stat status;
    if (!next || ::fstat(next.get(), &status) != 0 || status.st_dev != device_) return;
    here_ = std::move(next);
    look(status.st_ino);
  }

  // False where the way back does not lead to where we came from: the directory was moved meanwhile.
  bool leave() {
    levels_.pop_back();
    if (levels_.empty()) return true;
    Fd parent(::openat(here_.get(), "..", kFlags));
    struct stat status;
    if (!parent || ::fstat(parent.get(), &status) != 0 || status.st_dev != device_ || status.st_ino != levels_.back().inode) return false;
    here_ = std::move(parent);
    return true;
  }

  Fd here_;
  dev_t device_ = 0;
  std::vector<Level> levels_;  // from the top to where we are
  int64_t bytes_ = 0;
};

Result<Engine::Sizes> Engine::sizes(const Container& container) const {
  Container whole = container;
  TRY(add_overlay(Layout{root_, run_}, whole));
  Sizes sizes{whole.upper_dir.empty() ? 0 : SizeWalk().bytes_below(whole.upper_dir), 0};
  sizes.root = sizes.written;
  if (!whole.record.image_id.empty()) {
    image::ImageStore store = TRY(image::ImageStore::open(root_));
    json::value image = TRY(store.inspect(whole.record.image_id));
    if (const json::value* size = json::find(image, "Size")) sizes.root += size->to_number<int64_t>();
  }
  return sizes;
}

Result<pid_t> Engine::pid_of(std::string_view container) const {
  Layout layout{root_, run_};
  Place place = TRY(Records(layout).find(container));
  State state = stand(layout, place).state;
  if (!state.running()) return fail(ErrorKind::Conflict, format("container {} is not running", escape_controls(container)));
  return state.pid;
}

Result<std::vector<Engine::Label>> Engine::running() const {
  std::vector<Label> labels;
  for (const Container& container : all_containers(Layout{root_, run_}))
    if (container.state.running()) labels.push_back({container.record.id, container.record.name, container.state.pid, container.state.forwarder});
  return labels;
}

std::vector<image::ImageUser> Engine::image_users(std::string_view image_id) const {
  Layout layout{root_, run_};
  Records records(layout);
  std::vector<image::ImageUser> users;
  for (const Place& place : records.all())
    if (auto record = records.load(place); record && record->image_id == image_id)
      users.push_back({place.id, stand(layout, place).state.running()});
  return users;
}

}  // namespace hull::engine
