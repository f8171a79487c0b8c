// A container as a row of `hull ps`: the fields that docker's formatter knows.
#pragma once

#include <span>

#include "cli/table.h"
#include "engine/engine.h"

namespace hull::cli {

extern const std::span<const Column> kContainerColumns;

// `now` in Unix seconds; with `full`, ids, commands and mounts are not cut.
json::value container_row(const engine::Container& container, int64_t now, bool full);
// "Up 3 minutes", "Exited (0) 2 hours ago", "Created", …
std::string status_text(const engine::State& state, int64_t now);
// Unix seconds of an RFC 3339 time in UTC; 0 when it is none.
int64_t unix_seconds(std::string_view rfc3339);
// "2026-01-02 03:04:05 +0000 UTC", as docker's lists have it.
std::string created_at_text(int64_t seconds);

}  // namespace hull::cli
