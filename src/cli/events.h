// How an event reads, for `hull events` and `hull ns watch`.
#pragma once

#include <string>

#include "engine/events.h"

namespace hull::cli {

// docker's: "2026-01-02T15:04:05.000000000Z container start ID (image=busybox, name=web)", in local time.
std::string event_text(const engine::Event& event);
// The members as docker's Go structure names them, which templates use: .Status, .ID, .Time, .TimeNano.
json::value event_template_data(const engine::Event& event);
std::string event_time_text(int64_t time_ns);

}  // namespace hull::cli
