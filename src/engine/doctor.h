// Looks for what does not fit together: pins without a namespace, names without a record, groups and directories that
// nobody owns, containers whose end nobody dealt with. Looking changes nothing. Repairing is the clean-up that every
// command does in passing, done for all at once, and never touches a process of a container.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"

namespace hull::engine {

struct Finding {
  std::string kind;     // "stale-pin", "leaked-cgroup", …
  std::string subject;  // what it is about: a name, an id, a path
  std::string text;     // what is wrong, and what to do where repair() cannot
  bool repairable = true;
};

Result<std::vector<Finding>> examine(const Engine& engine);
Result<> repair(const Engine& engine);

}  // namespace hull::engine
