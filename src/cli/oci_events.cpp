// hull oci events: statistics once or at an interval, and out-of-memory kills as they are seen, as JSON lines.
#include <algorithm>

#include "base/duration.h"
#include "base/text.h"
#include "cli/oci.h"

namespace hull::cli {
namespace {

struct Args {
  std::string interval = "5s";
  bool stats = false;
};
constexpr Option kOptions[] = {
    {0, "interval", Takes::Required, "duration", "Between two lines of statistics, as 5s, 200ms or 1m30s", store<&Args::interval>},
    {0, "stats", Takes::Bool, nullptr, "The statistics once", store<&Args::stats>},
};
const Syntax kOciEventsSyntax{.name = "events", .synopsis = "[OPTIONS] ID", .summary = "Show statistics and events of a container",
                           .options = kOptions, .min_operands = 1, .max_operands = 1};

void print_event(const char* type, const std::string& id, std::optional<json::object> data) {
  json::object event{{"type", type}, {"id", id}};
  if (data) event["data"] = std::move(*data);
  print(json::to_text(event) + "\n");
}

Result<int64_t> milliseconds(std::string_view text) {
  constexpr int64_t kNano = 1000000;
  auto duration = parse_duration(text);
  if (!duration) return fail(ErrorKind::Invalid, format("--interval: \"{}\" is no duration, as 5s, 200ms or 1m30s", escape_controls(text)));
  if (*duration <= 0) return fail(ErrorKind::Invalid, "--interval: must be above 0");
  return std::max<int64_t>(*duration / kNano, 1);
}

// Ends with the container. Kills for want of memory are looked for more often than statistics are shown.
Result<> follow(const OciGlobals& globals, const std::string& id, int64_t interval_ms) {
  constexpr int64_t kLookMs = 200;
  runtime::Standing standing = TRY(runtime::stand(globals.root, id));
  if (standing.status == "stopped") return fail(ErrorKind::Conflict, format("container with id {} is not running", id));
  uint64_t kills = TRY(runtime::stats(globals.root, id)).oom_kills.value_or(0);
  for (int64_t waited = interval_ms;;) {
    auto stats = runtime::stats(globals.root, id);
    if (!stats) return {};
    for (; kills < stats->oom_kills.value_or(0); ++kills) print_event("oom", id, std::nullopt);
    if (waited >= interval_ms) {
      print_event("stats", id, oci_stats_json(*stats));
      waited = 0;
    }
    int64_t pause = std::min(kLookMs, interval_ms - waited);
    if (kernel::wait_for_end(standing.pidfd, pause)) return {};
    waited += pause;
  }
}

Result<> show(const OciGlobals& globals, const Args& args, const std::string& id) {
  if (!args.stats) return follow(globals, id, TRY(milliseconds(args.interval)));
  print_event("stats", id, oci_stats_json(TRY(runtime::stats(globals.root, id))));
  return {};
}

}  // namespace

int oci_events(const OciCall& call) {
  return oci_act<Args>(call, kOciEventsSyntax, [&](const Args& args, const Words& words) { return show(call.globals, args, std::string(words[0])); });
}

}  // namespace hull::cli
