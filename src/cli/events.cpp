// hull events: what happened to containers, images and namespaces, and what happens now.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/fd.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/template.h"
#include "engine/engine.h"
#include "engine/log_time.h"

namespace hull::cli {
namespace {

struct EventsArgs {
  std::vector<std::string> filters;
  std::string format, since, until;
};

constexpr Option kOptions[] = {
    {'f', "filter", Takes::Required, "filter", "Filter output based on conditions provided", store<&EventsArgs::filters>},
    {0, "format", Takes::Required, "string", "Format output: 'json' or a Go template", store<&EventsArgs::format>},
    {0, "since", Takes::Required, "string", "Show all events created since timestamp", store<&EventsArgs::since>},
    {0, "until", Takes::Required, "string", "Stream events until this timestamp", store<&EventsArgs::until>},
};

constexpr int64_t kNano = 1000000000;

Result<std::optional<int64_t>> moment(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  timespec time = TRY(engine::parse_log_time(text, now));
  return std::optional<int64_t>(time.tv_sec * kNano + time.tv_nsec);
}

Result<engine::EventFilter> filter_of(const std::vector<std::string>& texts) {
  engine::EventFilter filter;
  for (const std::string& text : texts) {
    size_t equals = text.find('=');
    if (equals == std::string::npos)
      return fail(ErrorKind::Invalid, format("invalid argument \"{0}\" for \"-f, --filter\" flag: invalid filter '{0}'; write KEY=VALUE", escape_controls(text)));
    TRY(filter.add(to_lower(trim(text.substr(0, equals))), std::string(trim(text.substr(equals + 1)))));
  }
  return filter;
}

Result<> show(const EventsArgs& args) {
  engine::EventFilter filter = TRY(filter_of(args.filters));
  engine::EventWindow window{TRY(moment(args.since)), TRY(moment(args.until))};
  bool as_json = args.format == "json" || args.format == "{{json .}}";
  std::optional<Template> chosen;
  if (!args.format.empty() && !as_json) chosen = TRY(Template::parse(expand_escapes(args.format)));
  engine::Engine engine = TRY(engine::Engine::open());
  Result<> printed;
  TRY(engine::follow_events({engine.root(), engine.run_directory()}, window, STDOUT_FILENO, [&](const engine::Event& event) {
    if (!filter.passes(event)) return true;
    if (as_json) return print(json::to_text(engine::to_json(event)) + "\n"), true;
    if (!chosen) return print(event_text(event) + "\n"), true;
    auto line = chosen->render(event_template_data(event));
    if (line) print(*line + "\n");
    else printed = fail(std::move(line).error());
    return printed.has_value();
  }));
  return printed;
}

}  // namespace

json::value event_template_data(const engine::Event& event) {
  json::value data = engine::to_json(event);
  json::object& object = data.as_object();
  for (auto [json_name, go_name] : {std::pair{"status", "Status"}, {"id", "ID"}, {"from", "From"}, {"scope", "Scope"}, {"time", "Time"}, {"timeNano", "TimeNano"}})
    if (auto found = object.find(json_name); found != object.end()) object[go_name] = json::value(found->value());
  return data;
}

// "EST5EDT" is a file of the zone database, and a rule without the days of change. glibc takes the file, or for a rule without
// a file the days of the United States; musl takes the rule and has summer time all the year.
static void complete_zone() {
  const char* given = ::getenv("TZ");
  std::string zone = given != nullptr ? given : "";
  size_t digit = zone.find_first_of("0123456789");
  if (digit == std::string::npos || zone[0] == ':' || zone[0] == '/' || zone.find(',') != std::string::npos) return;
  if (path_exists("/usr/share/zoneinfo/" + zone)) ::setenv("TZ", (":" + zone).c_str(), 1);
  else if (std::any_of(zone.begin() + static_cast<long>(digit), zone.end(), [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }))
    ::setenv("TZ", (zone + ",M3.2.0,M11.1.0").c_str(), 1);
}

std::string event_time_text(int64_t time_ns) {
  [[maybe_unused]] static const bool once = (complete_zone(), true);
  time_t seconds = time_ns / kNano;
  tm local;
  ::localtime_r(&seconds, &local);
  char date[32];
  ::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
  long minutes = std::abs(local.tm_gmtoff) / 60;
  std::string offset = local.tm_gmtoff == 0 ? "Z" : format("{}{:02}:{:02}", local.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
  return format("{}.{:09}{}", date, time_ns % kNano, offset);
}

std::string event_text(const engine::Event& event) {
  std::vector<std::string> attributes;
  for (const auto& [key, value] : event.attributes) attributes.push_back(format("{}={}", key, value));
  return escape_controls(format("{} {} {} {} ({})", event_time_text(event.time_ns), event.type, event.action, event.id, join(attributes, ", ")));
}

const Syntax kEventsSyntax{.name = "events", .synopsis = "[OPTIONS]", .summary = "Get real time events of containers, images and namespaces",
                           .options = kOptions, .max_operands = 0, .aliases = "hull system events, hull events",
                           .epilogue = "Filters: container, event, image, kind, label, namespace, scope, type. Values of one key are alternatives.\n"
                                       "Namespace events are of those that a container's record or a name keeps; `hull ns watch` shows all of the host."};

int run_events(const Invocation& call) {
  EventsArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kEventsSyntax, &args, operands)) return *code;
  Result<> shown = show(args);
  return shown ? 0 : report("", shown.error());
}

}  // namespace hull::cli
