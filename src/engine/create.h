// Making a container's record and its writable layer, for create and run.
#pragma once

#include <optional>
#include <string>

#include "engine/launcher.h"
#include "engine/records.h"
#include "image/store.h"

namespace hull::engine {

// The record of a new container, decided but not stored: image resolved, process chosen, id and hostname made.
struct Draft {
  Record record;
  std::optional<image::ResolvedImage> image;
};
Result<Draft> draft_container(const Layout& layout, const ContainerConfig& config);

struct Created {
  Record record;
  RecordLock lock;
};
// Stores the draft: record, name and writable layer. On failure nothing remains.
Result<Created> store_container(const Layout& layout, Draft draft, bool starting);

// What `run --dry-run` and `--teach` show for a draft: nothing is made.
Result<std::string> describe_start(const Layout& layout, const Draft& draft, bool teach);

}  // namespace hull::engine
