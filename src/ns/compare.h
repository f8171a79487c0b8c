// In what two namespaces or two processes differ, from what content.h and settings.h told of each: plain lists against
// plain lists. Pure. Called by `hull ns diff`.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace hull::ns {

// "addresses: lo 127.0.0.1/8", one line a fact, sorted; capabilities of one set stand on one line, and a cgroup that is
// the same in several hierarchies stands once.
struct Difference {
  std::vector<std::string> only_a, only_b;
  bool none() const { return only_a.empty() && only_b.empty(); }
};

// `a` and `b` are objects of lists of lines. A line that stands twice on one side and once on the other differs once.
// Of the lists of settings ("sysctls": "KEY = VALUE") only keys that both sides have are compared: what one lacks goes
// with something else that it lacks, an interface say, which has a line of its own.
Difference compare_contents(const json::value& a, const json::value& b);

}  // namespace hull::ns
