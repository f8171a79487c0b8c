// hull stop, restart, kill, pause, unpause: signals to running containers.
#include "cli/commands.h"
#include "cli/each.h"

namespace hull::cli {
namespace {

struct StopArgs {
  std::optional<int64_t> timeout;
  std::string signal;
};

constexpr Option kStopOptions[] = {
    {'s', "signal", Takes::Required, "string", "Signal to send to the container", store<&StopArgs::signal>},
    {0, "time", Takes::Required, "int", nullptr, store<&StopArgs::timeout>},
    {'t', "timeout", Takes::Required, "int", "Seconds to wait before killing the container (-1: forever)", store<&StopArgs::timeout>},
};
constexpr Option kKillOptions[] = {
    {'s', "signal", Takes::Required, "string", "Signal to send to the container", store<&StopArgs::signal>},
};

template <typename Act>
int run_on_each(const Invocation& call, const Syntax& syntax, Act act) {
  StopArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, syntax, &args, names)) return *code;
  return for_each_container(names, [&](const engine::Engine& engine, std::string_view name) { return act(engine, name, args); });
}

}  // namespace

const Syntax kStopSyntax{.name = "stop", .synopsis = "[OPTIONS] CONTAINER [CONTAINER...]", .summary = "Stop one or more running containers",
                         .options = kStopOptions, .min_operands = 1, .aliases = "hull container stop, hull stop"};
const Syntax kRestartSyntax{.name = "restart", .synopsis = "[OPTIONS] CONTAINER [CONTAINER...]", .summary = "Restart one or more containers",
                            .options = kStopOptions, .min_operands = 1, .aliases = "hull container restart, hull restart"};
const Syntax kKillSyntax{.name = "kill", .synopsis = "[OPTIONS] CONTAINER [CONTAINER...]", .summary = "Kill one or more running containers",
                         .options = kKillOptions, .min_operands = 1, .aliases = "hull container kill, hull kill"};
const Syntax kPauseSyntax{.name = "pause", .synopsis = "CONTAINER [CONTAINER...]", .summary = "Pause all processes within one or more containers",
                          .min_operands = 1, .aliases = "hull container pause, hull pause"};
const Syntax kUnpauseSyntax{.name = "unpause", .synopsis = "CONTAINER [CONTAINER...]",
                            .summary = "Unpause all processes within one or more containers", .min_operands = 1,
                            .aliases = "hull container unpause, hull unpause"};

int run_stop(const Invocation& call) {
  return run_on_each(call, kStopSyntax, [](const engine::Engine& engine, std::string_view name, const StopArgs& args) {
    return engine.stop(name, args.timeout, args.signal);
  });
}

int run_restart(const Invocation& call) {
  return run_on_each(call, kRestartSyntax, [](const engine::Engine& engine, std::string_view name, const StopArgs& args) -> Result<> {
    auto outcome = TRY(engine.restart(name, args.timeout, print_note));
    if (outcome.error) return fail(*outcome.error);
    return {};
  });
}

int run_kill(const Invocation& call) {
  return run_on_each(call, kKillSyntax,
                     [](const engine::Engine& engine, std::string_view name, const StopArgs& args) { return engine.kill(name, args.signal); });
}

int run_pause(const Invocation& call) {
  return run_on_each(call, kPauseSyntax, [](const engine::Engine& engine, std::string_view name, const StopArgs&) { return engine.pause(name); });
}

int run_unpause(const Invocation& call) {
  return run_on_each(call, kUnpauseSyntax, [](const engine::Engine& engine, std::string_view name, const StopArgs&) { return engine.unpause(name); });
}

}  // namespace hull::cli
