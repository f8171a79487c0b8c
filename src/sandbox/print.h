// A launch plan for people: what will happen (--dry-run), the shell lines that do the same (--teach), and what each
// step took (--trace). Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "sandbox/launch.h"
#include "sandbox/plan.h"

namespace hull::sandbox {

// One numbered line a step, after the namespaces and id maps.
std::string plan_text(const LaunchPlan& plan);
json::value plan_json(const LaunchPlan& plan);

// A POSIX shell script for root that makes the same namespaces, root file system and identity with util-linux and
// coreutils, runs the command, and removes what it made. What no shell command can do stands in it as a comment.
std::string teach_script(const LaunchPlan& plan);

// A table of microseconds per step, slowest marked, with a total.
std::string trace_text(const LaunchPlan& plan, const std::vector<StepTime>& times);

}  // namespace hull::sandbox
