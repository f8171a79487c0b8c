// hull exec: a further command in a running container.
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "engine/config.h"
#include "engine/engine.h"

namespace hull::cli {
namespace {

struct ExecArgs {
  engine::ExecOptions options;
  std::vector<std::string> env_files;
};

template <auto Member>
Result<> set(void* target, const Option&, std::optional<std::string_view> value) {
  auto& member = static_cast<ExecArgs*>(target)->options.*Member;
  if constexpr (std::is_same_v<std::remove_reference_t<decltype(member)>, bool>) member = !value || *value == "true";
  else if constexpr (std::is_same_v<std::remove_reference_t<decltype(member)>, std::string>) member = std::string(*value);
  else member.emplace_back(*value);
  return {};
}

using engine::ExecOptions;
constexpr Option kOptions[] = {
    {'d', "detach", Takes::Bool, nullptr, "Detached mode: run command in the background", set<&ExecOptions::detach>},
    {0, "detach-keys", Takes::Required, "string", "Override the key sequence for detaching a container", set<&ExecOptions::detach_keys>},
    {'e', "env", Takes::Required, "list", "Set environment variables", set<&ExecOptions::env>},
    {0, "env-file", Takes::Required, "list", "Read in a file of environment variables", store<&ExecArgs::env_files>},
    {'i', "interactive", Takes::Bool, nullptr, "Keep STDIN open even if not attached", set<&ExecOptions::interactive>},
    {0, "privileged", Takes::Bool, nullptr, "Give extended privileges to the command", set<&ExecOptions::privileged>},
    {'t', "tty", Takes::Bool, nullptr, "Allocate a pseudo-TTY", set<&ExecOptions::tty>},
    {'u', "user", Takes::Required, "string", "Username or UID (format: \"<name|uid>[:<group|gid>]\")", set<&ExecOptions::user>},
    {'w', "workdir", Takes::Required, "string", "Working directory inside the container", set<&ExecOptions::workdir>},
};

// NAME alone takes the caller's value, as run's -e does; files come before flags.
Result<> complete_environment(ExecArgs& args) {
  std::vector<std::string> given, all;
  for (const std::string& path : args.env_files) {
    std::string text = TRY(read_file(path));
    for (std::string& entry : TRY(engine::env_file_entries(path, text))) given.push_back(std::move(entry));
  }
  given.insert(given.end(), args.options.env.begin(), args.options.env.end());
  for (const std::string& entry : given) {
    size_t equals = entry.find('=');
    if (entry.empty() || equals == 0) return fail(ErrorKind::Invalid, format("invalid environment variable: {}", entry));
    const char* own = equals == std::string::npos ? ::getenv(entry.c_str()) : nullptr;
    if (equals != std::string::npos) all.push_back(entry);
    else if (own != nullptr) all.push_back(entry + "=" + own);
  }
  args.options.env = std::move(all);
  return {};
}

}  // namespace

const Syntax kExecSyntax{.name = "exec", .synopsis = "[OPTIONS] CONTAINER COMMAND [ARG...]",
                         .summary = "Execute a command in a running container", .options = kOptions, .operands = Operands::EndOptions,
                         .min_operands = 2, .aliases = "hull container exec, hull exec"};

int run_exec(const Invocation& call) {
  ExecArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kExecSyntax, &args, operands)) return *code;
  args.options.command.assign(operands.begin() + 1, operands.end());
  if (args.options.tty && args.options.interactive && !args.options.detach && ::isatty(STDIN_FILENO) == 0) {
    print_error("the input device is not a TTY");
    return kExitFailure;
  }
  if (auto complete = complete_environment(args); !complete) return report("", complete.error());
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  Result<engine::Outcome> outcome = engine->exec(operands[0], args.options);
  if (!outcome) return report("", outcome.error());
  if (outcome->error) return report("", *outcome->error, outcome->exit_code);
  return outcome->exit_code;
}

}  // namespace hull::cli
