// hull run and hull create: make a container of an image (or a directory) and start it.
#include <unistd.h>

#include "cli/commands.h"
#include "cli/run_options.h"
#include "engine/engine.h"

namespace hull::cli {
namespace {

using engine::Outcome;
using engine::RunArgs;

Result<RunArgs> with_operands(RunArgs args, const std::vector<std::string_view>& operands) {
  size_t first_of_command = args.rootfs.empty() ? 1 : 0;
  if (operands.size() < first_of_command) return fail(ErrorKind::Invalid, "an image is needed");
  if (first_of_command == 1) args.image = std::string(operands[0]);
  args.command.assign(operands.begin() + static_cast<long>(first_of_command), operands.end());
  return args;
}

engine::RunOptions run_options(const RunArgs& args, const engine::ContainerConfig& config) {
  engine::RunOptions options;
  options.attach.use_stdin = config.attach_stdin;
  options.attach.want_stdout = config.attach_stdout;
  options.attach.want_stderr = config.attach_stderr;
  options.attach.sig_proxy = args.sig_proxy && !args.tty;
  options.attach.detach_keys = args.detach_keys;
  options.cidfile = args.cidfile;
  options.dry_run = args.dry_run;
  options.teach = args.teach;
  options.trace = args.trace;
  options.on_trace = [](std::string_view line) { print_error(line.ends_with('\n') ? line.substr(0, line.size() - 1) : line); };
  options.on_note = print_note;
  return options;
}

int finish(const Result<Outcome>& outcome, const std::string& prefix, bool print_id, int failure) {
  if (!outcome) return report(prefix, outcome.error(), failure);
  for (const std::string& warning : outcome->warnings) print_error("WARNING: " + warning);
  if (outcome->error) return report(prefix, *outcome->error, outcome->exit_code);
  if (!outcome->text.empty()) print(outcome->text);
  else if (print_id) print(outcome->id + "\n");
  return outcome->exit_code;
}

int run_or_create(const Invocation& call, const Syntax& syntax, bool start) {
  RunArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, syntax, &args, operands)) return *code;
  std::string prefix = message_prefix(call, syntax);
  Result<RunArgs> complete = with_operands(std::move(args), operands);
  if (!complete) {
    print_error(format("{}: {}\nSee '{} --help'.", prefix, complete.error().text(), call.program));
    return kExitEngine;
  }
  if (start && complete->tty && complete->interactive && !complete->detach && ::isatty(STDIN_FILENO) == 0) {
    print_error("the input device is not a TTY");
    return kExitFailure;
  }
  Result<engine::RunInputs> inputs = gather_run_inputs(*complete);
  if (!inputs) return report(prefix, inputs.error(), kExitEngine);
  Result<engine::ContainerConfig> config = make_config(*complete, *inputs);
  if (!config) return report(prefix, config.error(), kExitEngine);
  for (const std::string& warning : config_warnings(*config)) print_error("WARNING: " + warning);
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report(prefix, engine.error(), kExitEngine);
  engine::RunOptions options = run_options(*complete, *config);
  // docker: what the engine refuses is 125 to run, and 1 to create as to every other command.
  if (!start) return finish(engine->create(*config, options), prefix, true, kExitFailure);
  return finish(engine->run(*config, options), prefix, config->detach, kExitEngine);
}

}  // namespace

const Syntax kRunSyntax{.name = "run", .synopsis = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
                        .summary = "Create and run a new container from an image", .options = kRunOptions,
                        .operands = Operands::EndOptions, .aliases = "hull container run, hull run"};
const Syntax kCreateSyntax{.name = "create", .synopsis = "[OPTIONS] IMAGE [COMMAND] [ARG...]", .summary = "Create a new container",
                           .options = kRunOptions, .operands = Operands::EndOptions, .aliases = "hull container create, hull create"};

int run_run(const Invocation& call) { return run_or_create(call, kRunSyntax, true); }
int run_create(const Invocation& call) { return run_or_create(call, kCreateSyntax, false); }

}  // namespace hull::cli
