// The table of commands.
#include "cli/commands.h"

namespace hull::cli {
namespace {

constexpr const char* kCommon = "Common Commands";
[[maybe_unused]] constexpr const char* kManagement = "Management Commands";
constexpr const char* kNamespaces = "Namespace Commands";
constexpr const char* kOther = "Commands";

constexpr Command kNsCommands[] = {
    {&kNsDiffSyntax, kOther, run_ns_diff},
    {&kNsShowSyntax, kOther, run_ns_show},
};

constexpr Command kCommands[] = {
    {&kRunSyntax, kCommon, run_run},
    {&kExecSyntax, kCommon, run_exec},
    {&kPsSyntax, kCommon, run_ps},
    {&kAttachSyntax, kOther, run_attach},
    {&kCreateSyntax, kOther, run_create},
    {&kInspectSyntax, kOther, run_inspect},
    {&kKillSyntax, kOther, run_kill},
    {&kLogsSyntax, kOther, run_logs},
    {&kPauseSyntax, kOther, run_pause},
    {&kRenameSyntax, kOther, run_rename},
    {&kRestartSyntax, kOther, run_restart},
    {&kRmSyntax, kOther, run_rm},
    {&kStartSyntax, kOther, run_start},
    {&kStopSyntax, kOther, run_stop},
    {&kUnpauseSyntax, kOther, run_unpause},
    {&kWaitSyntax, kOther, run_wait},
    {&kCleanupSyntax, nullptr, run_cleanup},
    {&kNsSyntax, kNamespaces, nullptr, kNsCommands},
    {&kUnshareSyntax, kNamespaces, run_unshare},
    {&kNsenterSyntax, kNamespaces, run_nsenter},
    {&kLsnsSyntax, kNamespaces, run_lsns},
    {&kInfoSyntax, kCommon, run_info},
    {&kVersionSyntax, kCommon, run_version},
};

}  // namespace

const Syntax kNsSyntax{.name = "ns", .synopsis = "COMMAND", .summary = "See, show and compare namespaces"};

std::span<const Command> commands() { return kCommands; }

}  // namespace hull::cli
