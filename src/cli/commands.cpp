// The table of commands.
#include "cli/commands.h"

namespace hull::cli {
namespace {

constexpr const char* kCommon = "Common Commands";
constexpr const char* kManagement = "Management Commands";
constexpr const char* kNamespaces = "Namespace Commands";
constexpr const char* kOther = "Commands";

constexpr Command kNsCommands[] = {
    {&kNsCreateSyntax, kOther, run_ns_create}, {&kNsDiffSyntax, kOther, run_ns_diff},     {&kNsLsSyntax, kOther, run_ns_ls},
    {&kNsPinSyntax, kOther, run_ns_pin},       {&kNsPruneSyntax, kOther, run_ns_prune},   {&kNsRenameSyntax, kOther, run_ns_rename},
    {&kNsDoctorSyntax, kOther, run_ns_doctor},
    {&kNsWatchSyntax, kOther, run_ns_watch},
    {&kNsRmSyntax, kOther, run_ns_rm},         {&kNsShowSyntax, kOther, run_ns_show},     {&kNsUnpinSyntax, kOther, run_ns_unpin},
};

// The same commands under docker's other spelling; names that differ there have a Syntax of their own.
constexpr Syntax as(const char* name, const Syntax& syntax) {
  Syntax renamed = syntax;
  renamed.name = name;
  return renamed;
}
const Syntax kContainerLsSyntax = as("ls", kPsSyntax), kImageLsSyntax = as("ls", kImagesSyntax), kImageRmSyntax = as("rm", kRmiSyntax);

constexpr Command kContainerCommands[] = {
    {&kAttachSyntax, kOther, run_attach},   {&kCreateSyntax, kOther, run_create}, {&kExecSyntax, kOther, run_exec},
    {&kInspectSyntax, kOther, run_inspect}, {&kKillSyntax, kOther, run_kill},     {&kLogsSyntax, kOther, run_logs},
    {&kContainerLsSyntax, kOther, run_ps},  {&kPauseSyntax, kOther, run_pause},   {&kPortSyntax, kOther, run_port},     {&kRenameSyntax, kOther, run_rename},
    {&kRestartSyntax, kOther, run_restart}, {&kRmSyntax, kOther, run_rm},         {&kRunSyntax, kOther, run_run},
    {&kStartSyntax, kOther, run_start},     {&kStopSyntax, kOther, run_stop},     {&kUnpauseSyntax, kOther, run_unpause},
    {&kWaitSyntax, kOther, run_wait},
};

constexpr Command kImageCommands[] = {
    {&kImportSyntax, kOther, run_import}, {&kInspectSyntax, kOther, run_inspect}, {&kLoadSyntax, kOther, run_load},
    {&kImageLsSyntax, kOther, run_images}, {&kImageRmSyntax, kOther, run_rmi},
};

constexpr Command kCommands[] = {
    {&kRunSyntax, kCommon, run_run},
    {&kExecSyntax, kCommon, run_exec},
    {&kPsSyntax, kCommon, run_ps},
    {&kImagesSyntax, kCommon, run_images},
    {&kContainerSyntax, kManagement, nullptr, kContainerCommands},
    {&kImageSyntax, kManagement, nullptr, kImageCommands},
    {&kAttachSyntax, kOther, run_attach},
    {&kCreateSyntax, kOther, run_create},
    {&kImportSyntax, kOther, run_import},
    {&kInspectSyntax, kOther, run_inspect},
    {&kKillSyntax, kOther, run_kill},
    {&kLoadSyntax, kOther, run_load},
    {&kLogsSyntax, kOther, run_logs},
    {&kPauseSyntax, kOther, run_pause},
    {&kPortSyntax, kOther, run_port},
    {&kRenameSyntax, kOther, run_rename},
    {&kRestartSyntax, kOther, run_restart},
    {&kRmSyntax, kOther, run_rm},
    {&kRmiSyntax, kOther, run_rmi},
    {&kStartSyntax, kOther, run_start},
    {&kStopSyntax, kOther, run_stop},
    {&kUnpauseSyntax, kOther, run_unpause},
    {&kWaitSyntax, kOther, run_wait},
    {&kCleanupSyntax, nullptr, run_cleanup},
    {&kNsSyntax, kNamespaces, nullptr, kNsCommands},
    {&kWhoisSyntax, kNamespaces, run_whois},
    {&kOwnsSyntax, kNamespaces, run_owns},
    {&kMapSyntax, kNamespaces, run_map},
    {&kUnshareSyntax, kNamespaces, run_unshare},
    {&kNsenterSyntax, kNamespaces, run_nsenter},
    {&kLsnsSyntax, kNamespaces, run_lsns},
    {&kOciSyntax, kOther, run_oci},
    {&kInfoSyntax, kCommon, run_info},
    {&kEventsSyntax, kOther, run_events},
    {&kVersionSyntax, kCommon, run_version},
};

}  // namespace

const Syntax kNsSyntax{.name = "ns", .synopsis = "COMMAND", .summary = "See, show and compare namespaces"};
const Syntax kContainerSyntax{.name = "container", .synopsis = "COMMAND", .summary = "Manage containers"};
const Syntax kImageSyntax{.name = "image", .synopsis = "COMMAND", .summary = "Manage images"};

std::span<const Command> commands() { return kCommands; }

}  // namespace hull::cli
