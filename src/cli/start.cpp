// hull start and hull attach: stopped containers run again; streams of running ones.
#include <unistd.h>

#include "cli/commands.h"
#include "cli/each.h"

namespace hull::cli {
namespace {

struct StartArgs {
  bool attach = false, interactive = false, no_stdin = false, sig_proxy = true, strict_ns = false;
  std::string detach_keys;
};
constexpr Option kStartOptions[] = {
    {'a', "attach", Takes::Bool, nullptr, "Attach STDOUT/STDERR and forward signals", store<&StartArgs::attach>},
    {0, "detach-keys", Takes::Required, "string", "Override the key sequence for detaching a container", store<&StartArgs::detach_keys>},
    {'i', "interactive", Takes::Bool, nullptr, "Attach container's STDIN", store<&StartArgs::interactive>},
    {0, "strict-ns", Takes::Bool, nullptr, "This time, a container:NAME must run, and no namespace is taken back from sharers", store<&StartArgs::strict_ns>},
};
constexpr Option kAttachOptions[] = {
    {0, "detach-keys", Takes::Required, "string", "Override the key sequence for detaching a container", store<&StartArgs::detach_keys>},
    {0, "no-stdin", Takes::Bool, nullptr, "Do not attach STDIN", store<&StartArgs::no_stdin>},
    {0, "sig-proxy", Takes::Bool, nullptr, "Proxy all received signals to the process (default true)", store<&StartArgs::sig_proxy>},
};

engine::AttachOptions attach_options(const StartArgs& args, bool use_stdin) {
  engine::AttachOptions options;
  options.use_stdin = use_stdin;
  options.sig_proxy = args.sig_proxy;
  options.detach_keys = args.detach_keys;
  return options;
}

int finish(const Result<engine::Outcome>& outcome) {
  if (!outcome) return report("", outcome.error());
  if (outcome->error) return report("", *outcome->error, outcome->exit_code);
  return outcome->exit_code;
}

}  // namespace

const Syntax kStartSyntax{.name = "start", .synopsis = "[OPTIONS] CONTAINER [CONTAINER...]", .summary = "Start one or more stopped containers",
                          .options = kStartOptions, .min_operands = 1, .aliases = "hull container start, hull start"};
const Syntax kAttachSyntax{.name = "attach", .synopsis = "[OPTIONS] CONTAINER",
                           .summary = "Attach local standard input, output, and error streams to a running container",
                           .options = kAttachOptions, .min_operands = 1, .max_operands = 1, .aliases = "hull container attach, hull attach"};

int run_start(const Invocation& call) {
  StartArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kStartSyntax, &args, names)) return *code;
  if (!args.attach && !args.interactive)
    return for_each_container(names, [&](const engine::Engine& engine, std::string_view name) -> Result<> {
      engine::Outcome outcome = TRY(engine.start(name, {.on_note = print_note, .strict_ns = args.strict_ns}));
      if (outcome.error) return fail(*outcome.error);
      return {};
    });
  if (names.size() > 1) {
    print_error("you cannot start and attach multiple containers at once");
    return kExitFailure;
  }
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  return finish(engine->start(names[0], {true, attach_options(args, args.interactive), print_note, args.strict_ns}));
}

int run_attach(const Invocation& call) {
  StartArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kAttachSyntax, &args, names)) return *code;
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  if (!args.no_stdin && ::isatty(STDIN_FILENO) == 0)
    if (auto container = engine->inspect(names[0]); container && container->state.running() && container->record.config.tty) {
      print_error("the input device is not a TTY");
      return kExitFailure;
    }
  return finish(engine->attach(names[0], attach_options(args, !args.no_stdin)));
}

}  // namespace hull::cli
