// hull rm, hull wait, hull rename, and the internal `hull __cleanup`, which a shim runs when its container has ended.
#include "cli/commands.h"
#include "cli/each.h"

namespace hull::cli {
namespace {

struct RmArgs { bool force = false, volumes = false, link = false; };
constexpr Option kRmOptions[] = {
    {'f', "force", Takes::Bool, nullptr, "Force the removal of a running container (uses SIGKILL)", store<&RmArgs::force>},
    {'l', "link", Takes::Bool, nullptr, nullptr, store<&RmArgs::link>},
    {'v', "volumes", Takes::Bool, nullptr, "Remove anonymous volumes associated with the container", store<&RmArgs::volumes>},
};

}  // namespace

const Syntax kRmSyntax{.name = "rm", .synopsis = "[OPTIONS] CONTAINER [CONTAINER...]", .summary = "Remove one or more containers",
                       .options = kRmOptions, .min_operands = 1, .aliases = "hull container rm, hull container remove, hull rm"};
const Syntax kWaitSyntax{.name = "wait", .synopsis = "CONTAINER [CONTAINER...]",
                         .summary = "Block until one or more containers stop, then print their exit codes", .min_operands = 1,
                         .aliases = "hull container wait, hull wait"};
const Syntax kRenameSyntax{.name = "rename", .synopsis = "CONTAINER NEW_NAME", .summary = "Rename a container", .min_operands = 2,
                           .max_operands = 2, .aliases = "hull container rename, hull rename"};
const Syntax kCleanupSyntax{.name = "__cleanup", .synopsis = "ID", .summary = "Finish what an ended container left", .min_operands = 1, .max_operands = 1};

int run_rm(const Invocation& call) {
  RmArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kRmSyntax, &args, names)) return *code;
  return for_each_container(names, [&](const engine::Engine& engine, std::string_view name) -> Result<> {
    Result<> removed = engine.remove(name, args.force, args.volumes);
    if (removed) print(std::string(name) + "\n");
    // As docker: with --force a container that is not there is said, but is no failure.
    if (args.force && !removed && removed.error().kind() == ErrorKind::NotFound) {
      report("", removed.error());
      return {};
    }
    return removed;
  }, false);
}

int run_wait(const Invocation& call) {
  std::vector<std::string_view> names;
  if (auto code = begin(call, kWaitSyntax, nullptr, names)) return *code;
  return for_each_container(names, [](const engine::Engine& engine, std::string_view name) -> Result<> {
    int code = TRY(engine.wait(name));
    print(format("{}\n", code));
    return {};
  }, false);
}

int run_rename(const Invocation& call) {
  std::vector<std::string_view> names;
  if (auto code = begin(call, kRenameSyntax, nullptr, names)) return *code;
  return for_each_container({names[0]}, [&](const engine::Engine& engine, std::string_view name) { return engine.rename(name, names[1]); }, false);
}

int run_cleanup(const Invocation& call) {
  std::vector<std::string_view> ids;
  if (auto code = begin(call, kCleanupSyntax, nullptr, ids)) return *code;
  return for_each_container(ids, [](const engine::Engine& engine, std::string_view id) { return engine.clean_up(id); }, false);
}

}  // namespace hull::cli
