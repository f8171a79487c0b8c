#include "engine/events.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace hull::engine {
namespace {

constexpr int64_t kNano = 1000000000;
constexpr off_t kLargest = 8 << 20;  // bytes of one file; there are two

std::string log_path(const Layout& layout) { return layout.root + "/events.log"; }
std::string older_path(const Layout& layout) { return layout.root + "/events.log.1"; }

int64_t now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kNano + now.tv_nsec;
}

bool same_file(const Fd& fd, const std::string& path) {
  struct stat held, there;
  return ::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

// Of those who find the log too long, the first to lock it moves it away; the others see that it is no longer the log.
void rotate(const Layout& layout, const Fd& log) {
  if (::flock(log.get(), LOCK_EX | LOCK_NB) != 0 || !same_file(log, log_path(layout))) return;
  ::rename(log_path(layout).c_str(), older_path(layout).c_str());
}

}  // namespace

Event container_event(const Record& record, std::string action, EventAttributes more) {
  more.insert(record.process.labels.begin(), record.process.labels.end());
  more["image"] = record.config.rootfs.empty() ? record.config.image : record.config.rootfs;
  more["name"] = record.name;
  return {0, "container", std::move(action), record.id, std::move(more)};
}

Event namespace_event(std::string action, kernel::NsKind kind, uint64_t inode, EventAttributes more) {
  const char* name = kernel::ns_info(kind).name;
  more["kind"] = name;
  more["inode"] = std::to_string(inode);
  return {0, "namespace", std::move(action), format("{}:[{}]", name, inode), std::move(more)};
}

void append_events(const Layout& layout, std::vector<Event> events) {
  if (events.empty()) return;
  std::string text = "\n";
  int64_t now = now_ns();
  for (Event& event : events) {
    event.time_ns = now++;
    text += event_line(event) + "\n";
  }
  auto log = open_file(log_path(layout), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
  if (!log || ::write(log->get(), text.data(), text.size()) < 0) return;
  if (::lseek(log->get(), 0, SEEK_CUR) > kLargest) rotate(layout, *log);
}

std::string event_line(const Event& event) {
  json::object attributes;
  for (const auto& [key, value] : event.attributes) attributes[key] = value;
  return json::to_text(json::object{{"Type", event.type}, {"Action", event.action}, {"ID", event.id},
                                    {"Attributes", std::move(attributes)}, {"timeNano", event.time_ns}});
}

std::optional<Event> parse_event(std::string_view line) {
  if (line.empty() || line[0] != '{') return std::nullopt;
  auto parsed = json::parse(line, "events.log");
  if (!parsed) return std::nullopt;
  Event event{json::get_int(*parsed, "timeNano"), std::string(json::get_string(*parsed, "Type")),
              std::string(json::get_string(*parsed, "Action")), std::string(json::get_string(*parsed, "ID")), {}};
  if (event.time_ns <= 0 || event.type.empty() || event.action.empty()) return std::nullopt;
  const json::value* attributes = json::find(*parsed, "Attributes");
  if (attributes != nullptr && attributes->is_object())
    for (const auto& member : attributes->get_object())
      event.attributes[std::string(member.key())] = json::get_string(*attributes, member.key());
  return event;
}

json::value to_json(const Event& event) {
  json::object attributes, out;
  for (const auto& [key, value] : event.attributes) attributes[key] = value;
  if (event.type == "container" || event.type == "image") {
    out["status"] = event.action;
    out["id"] = event.id;
    if (auto image = event.attributes.find("image"); image != event.attributes.end() && event.type == "container") out["from"] = image->second;
  }
  out["Type"] = event.type;
  out["Action"] = event.action;
  out["Actor"] = json::object{{"ID", event.id}, {"Attributes", std::move(attributes)}};
  out["scope"] = "local";
  out["time"] = event.time_ns / kNano;
  out["timeNano"] = event.time_ns;
  return out;
}

// ---- filters

namespace {

// docker's fuzzy match: the whole, or a beginning of it.
bool begins(const std::string& text, const std::string& wanted) { return !wanted.empty() && text.starts_with(wanted); }

std::string attribute(const Event& event, const char* key) {
  auto found = event.attributes.find(key);
  return found == event.attributes.end() ? "" : found->second;
}

bool matches_container(const Event& event, const std::string& wanted) {
  if (event.type == "namespace") return begins(attribute(event, "container"), wanted);
  return event.type == "container" && (begins(event.id, wanted) || begins(attribute(event, "name"), wanted));
}

bool matches_image(const Event& event, const std::string& wanted) {
  std::string name = attribute(event, event.type == "image" ? "name" : "image");
  bool of_image = event.type == "image" && begins(event.id, wanted);
  return of_image || (!name.empty() && (name == wanted || name.substr(0, name.rfind(':')) == wanted));
}

bool matches_event(const Event& event, const std::string& wanted) {
  return event.action == wanted || event.action.substr(0, event.action.find(':')) == wanted;
}

bool matches_label(const Event& event, const std::string& wanted) {
  size_t equals = wanted.find('=');
  auto found = event.attributes.find(wanted.substr(0, equals));
  return found != event.attributes.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

bool matches_type(const Event& event, const std::string& wanted) { return event.type == wanted; }
bool matches_kind(const Event& event, const std::string& wanted) { return attribute(event, "kind") == wanted; }
bool matches_scope(const Event&, const std::string& wanted) { return wanted == "local"; }
bool matches_namespace(const Event& event, const std::string& wanted) {
  return event.type == "namespace" && (event.id == wanted || attribute(event, "inode") == wanted || attribute(event, "name") == wanted);
}

struct FilterKey {
  std::string_view name;
  bool (*matches)(const Event&, const std::string&);
};
constexpr FilterKey kFilters[] = {{"container", matches_container}, {"event", matches_event},         {"image", matches_image},
                                  {"kind", matches_kind},           {"label", matches_label},         {"namespace", matches_namespace},
                                  {"scope", matches_scope},         {"type", matches_type}};

const FilterKey* find_filter(std::string_view key) {
  auto found = std::find_if(std::begin(kFilters), std::end(kFilters), [&](const FilterKey& filter) { return filter.name == key; });
  return found == std::end(kFilters) ? nullptr : found;
}

}  // namespace

Result<> EventFilter::add(std::string_view key, std::string value) {
  if (find_filter(key) == nullptr) return fail(ErrorKind::Invalid, format("invalid filter '{}'; use container, event, image, kind, label, namespace, scope or type", escape_controls(key)));
  if (key == "kind" && !kernel::ns_kind_from_name(value))
    return fail(ErrorKind::Invalid, format("invalid filter 'kind={}'; use mnt, uts, ipc, net, pid, user, cgroup or time", escape_controls(value)));
  wanted_[std::string(key)].push_back(std::move(value));
  return {};
}

bool EventFilter::passes(const Event& event) const {
  return std::all_of(wanted_.begin(), wanted_.end(), [&](const auto& entry) {
    const FilterKey* filter = find_filter(entry.first);
    return std::any_of(entry.second.begin(), entry.second.end(), [&](const std::string& value) { return filter->matches(event, value); });
  });
}

// ---- reading

EventReader::EventReader(const Layout& layout, From from)
    : layout_(layout), watch_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), older_first_(from == From::Beginning) {
  ::inotify_add_watch(watch_.get(), layout.root.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_FROM);
  if (older_first_) return;
  open_current();
  if (file_) ::lseek(file_.get(), 0, SEEK_END);
}

void EventReader::open_current() {
  auto file = open_file(log_path(layout_), O_RDONLY | O_NOFOLLOW);
  file_ = file ? std::move(*file) : Fd();
  rest_.clear();
}

bool EventReader::drain(const std::function<bool(const Event&)>& visit) {
  char buffer[65536];
  for (ssize_t got; file_ && (got = ::read(file_.get(), buffer, sizeof buffer)) > 0;) {
    rest_.append(buffer, static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1)
      if (auto event = parse_event(std::string_view(rest_).substr(begin, end - begin)); event && !visit(*event)) return false;
    rest_.erase(0, begin);
  }
  return true;
}

// What was written to a file before it was moved away is read to its end first.
bool EventReader::read(const std::function<bool(const Event&)>& visit) {
  char told[4096];
  while (::read(watch_.get(), told, sizeof told) > 0) {}
  if (std::exchange(older_first_, false))
    if (auto older = open_file(older_path(layout_), O_RDONLY | O_NOFOLLOW)) file_ = std::move(*older);
  if (!drain(visit)) return false;
  if (file_ && same_file(file_, log_path(layout_))) return true;
  open_current();
  return drain(visit);
}

Result<> follow_events(const Layout& layout, const EventWindow& window, int output, const std::function<bool(const Event&)>& visit) {
  constexpr int64_t kLookAgainMs = 10000;
  bool past = window.since_ns || (window.until_ns && *window.until_ns <= now_ns());
  EventReader reader(layout, past ? EventReader::From::Beginning : EventReader::From::End);
  for (;;) {
    bool over = window.until_ns && *window.until_ns <= now_ns();  // asked first, so that the last look is after it
    bool go_on = reader.read([&](const Event& event) {
      if ((window.since_ns && event.time_ns < *window.since_ns) || (window.until_ns && event.time_ns > *window.until_ns)) return true;
      return visit(event);
    });
    if (over || !go_on) return {};
    pollfd slots[2] = {{reader.fd(), POLLIN, 0}, {output, 0, 0}};
    int64_t left = window.until_ns ? (*window.until_ns - now_ns()) / 1000000 + 1 : kLookAgainMs;
    ::poll(slots, 2, static_cast<int>(std::clamp<int64_t>(left, 0, kLookAgainMs)));
    if (slots[1].revents != 0) return {};
  }
}

}  // namespace hull::engine
