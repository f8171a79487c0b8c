// What happened to containers, images and kept namespaces: JSON lines in ROOT/events.log, with one older file beside it
// when it grows. A batch is one write with O_APPEND that begins with a newline: writers need no lock, and a line that a
// full disk or a kill has cut spoils none but itself. It is a log for people and tools: nothing in hull decides by it,
// and what cannot be written is lost, not an error.
//
// Namespace events are of those that a record or a name keeps: created, pinned, joined, orphaned (its container was
// removed, others are in it still), unpinned, died. A process's own come and go with it: `hull ns watch` shows them.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "engine/layout.h"
#include "kernel/namespaces.h"

namespace hull::engine {

struct Event {
  int64_t time_ns = 0;  // since the epoch; 0: not told yet
  std::string type;     // "container", "image", "namespace"
  std::string action;   // docker's: "start", "die", "exec_start: sh -c date"
  std::string id;       // container, image; of a namespace as the kernel writes it, "net:[4026532008]"
  std::map<std::string, std::string> attributes;
};
using EventAttributes = std::map<std::string, std::string>;

// With the labels, image and name of the container, as docker's.
Event container_event(const Record& record, std::string action, EventAttributes more = {});
Event namespace_event(std::string action, kernel::NsKind kind, uint64_t inode, EventAttributes more);

// Stamps them with the time, in their order.
void append_events(const Layout& layout, std::vector<Event> events);

std::string event_line(const Event& event);
std::optional<Event> parse_event(std::string_view line);  // nothing for a line that is not one
json::value to_json(const Event& event);                  // as docker's API has it

// docker's filters: values of one key are alternatives, keys are conditions. Invalid for an unknown key.
class EventFilter {
 public:
  Result<> add(std::string_view key, std::string value);
  bool passes(const Event& event) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> wanted_;
};

struct EventWindow {
  std::optional<int64_t> since_ns, until_ns;  // without `since`: from now on; without `until`: for ever
};

// The log from some point on, read as it grows. `fd` is readable when there may be more.
class EventReader {
 public:
  enum class From { Beginning, End };
  EventReader(const Layout& layout, From from);
  int fd() const { return watch_.get(); }
  // What is new; false when `visit` said no.
  bool read(const std::function<bool(const Event&)>& visit);

 private:
  bool drain(const std::function<bool(const Event&)>& visit);
  void open_current();
  Layout layout_;
  Fd watch_, file_;
  std::string rest_;  // of a line that is not whole yet
  bool older_first_;
};

// Calls `visit` for each event of the window, in the order of the log, until the window ends or `visit` says no.
// Ends early when nobody reads from the pipe `output` any more.
Result<> follow_events(const Layout& layout, const EventWindow& window, int output, const std::function<bool(const Event&)>& visit);

}  // namespace hull::engine
