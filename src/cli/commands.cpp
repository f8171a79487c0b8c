// The table of commands.
#include "cli/commands.h"

namespace hull::cli {
namespace {

constexpr const char* kCommon = "Common Commands";
[[maybe_unused]] constexpr const char* kManagement = "Management Commands";
constexpr const char* kNamespaces = "Namespace Commands";
[[maybe_unused]] constexpr const char* kOther = "Commands";

constexpr Command kCommands[] = {
    {&kPsSyntax, kCommon, run_ps},
    {&kUnshareSyntax, kNamespaces, run_unshare},
    {&kNsenterSyntax, kNamespaces, run_nsenter},
    {&kVersionSyntax, kCommon, run_version},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace hull::cli
