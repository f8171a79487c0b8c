// hull logs: what a container has written.
#include "cli/commands.h"
#include "engine/engine.h"

namespace hull::cli {
namespace {

using engine::LogsOptions;

Result<> set_tail(void* target, const Option&, std::optional<std::string_view> value) {
  auto& options = *static_cast<LogsOptions*>(target);
  if (*value == "all" || value->starts_with('-')) options.tail.reset();
  else if (auto lines = parse_uint(*value)) options.tail = *lines;
  else return fail(ErrorKind::Invalid, format("invalid tail: {}; give a number or all", *value));
  return {};
}

constexpr Option kOptions[] = {
    {0, "details", Takes::Bool, nullptr, "Show extra details provided to logs", store<&LogsOptions::details>},
    {'f', "follow", Takes::Bool, nullptr, "Follow log output", store<&LogsOptions::follow>},
    {0, "since", Takes::Required, "string", "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)", store<&LogsOptions::since>},
    {'n', "tail", Takes::Required, "string", "Number of lines to show from the end of the logs", set_tail},
    {'t', "timestamps", Takes::Bool, nullptr, "Show timestamps", store<&LogsOptions::timestamps>},
    {0, "until", Takes::Required, "string", "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)", store<&LogsOptions::until>},
};

}  // namespace

const Syntax kLogsSyntax{.name = "logs", .synopsis = "[OPTIONS] CONTAINER", .summary = "Fetch the logs of a container", .options = kOptions,
                         .min_operands = 1, .max_operands = 1, .aliases = "hull container logs, hull logs"};

int run_logs(const Invocation& call) {
  LogsOptions options;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kLogsSyntax, &options, names)) return *code;
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  Result<> shown = engine->logs(names[0], options);
  return shown ? 0 : report("", shown.error());
}

}  // namespace hull::cli
