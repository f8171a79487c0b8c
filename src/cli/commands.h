// The entry of every command: its Syntax and its function, each defined in the file of that name. To add a command,
// declare it here and add its row in commands.cpp.
#pragma once

#include "cli/command.h"

namespace hull::cli {

extern const Syntax kRunSyntax, kCreateSyntax, kStartSyntax, kStopSyntax, kRestartSyntax, kKillSyntax,
    kRmSyntax, kWaitSyntax, kRenameSyntax, kPauseSyntax, kUnpauseSyntax, kExecSyntax, kLogsSyntax, kAttachSyntax,
    kCleanupSyntax;
int run_run(const Invocation& call);
int run_create(const Invocation& call);
int run_start(const Invocation& call);
int run_stop(const Invocation& call);
int run_restart(const Invocation& call);
int run_kill(const Invocation& call);
int run_rm(const Invocation& call);
int run_wait(const Invocation& call);
int run_rename(const Invocation& call);
int run_pause(const Invocation& call);
int run_unpause(const Invocation& call);
int run_exec(const Invocation& call);
int run_logs(const Invocation& call);
int run_attach(const Invocation& call);
int run_cleanup(const Invocation& call);

extern const Syntax kEventsSyntax;
int run_events(const Invocation& call);

extern const Syntax kInspectSyntax, kInfoSyntax;
int run_inspect(const Invocation& call);
int run_info(const Invocation& call);

extern const Syntax kNsSyntax, kNsShowSyntax, kNsDiffSyntax, kNsCreateSyntax, kNsPinSyntax, kNsUnpinSyntax, kNsRenameSyntax, kNsRmSyntax,
    kNsPruneSyntax, kNsDoctorSyntax;
int run_ns_doctor(const Invocation& call);
extern const Syntax kNsWatchSyntax;
int run_ns_watch(const Invocation& call);
int run_ns_create(const Invocation& call);
int run_ns_pin(const Invocation& call);
int run_ns_unpin(const Invocation& call);
int run_ns_rename(const Invocation& call);
int run_ns_rm(const Invocation& call);
int run_ns_prune(const Invocation& call);
int run_ns_show(const Invocation& call);
int run_ns_diff(const Invocation& call);

extern const Syntax kImagesSyntax, kImportSyntax, kLoadSyntax, kRmiSyntax, kContainerSyntax, kImageSyntax, kNsLsSyntax;
int run_images(const Invocation& call);
int run_import(const Invocation& call);
int run_load(const Invocation& call);
int run_rmi(const Invocation& call);
int run_ns_ls(const Invocation& call);

extern const Syntax kWhoisSyntax, kOwnsSyntax;
int run_whois(const Invocation& call);
int run_owns(const Invocation& call);

extern const Syntax kPsSyntax, kPortSyntax;
int run_ps(const Invocation& call);
int run_port(const Invocation& call);

extern const Syntax kUnshareSyntax, kNsenterSyntax, kLsnsSyntax;
int run_unshare(const Invocation& call);
int run_nsenter(const Invocation& call);
int run_lsns(const Invocation& call);

extern const Syntax kMapSyntax;
int run_map(const Invocation& call);
extern const Syntax kOciSyntax;
int run_oci(const Invocation& call);

extern const Syntax kVersionSyntax;
int run_version(const Invocation& call);

}  // namespace hull::cli
