// What hull-image tells its caller through a pipe: one JSON object a line. Both sides' code stands here, so that they
// cannot differ.
//
//   hull ──argv──▶ hull-image
//   hull ◀─{"progress":…}*, {"loaded":…}* , {"error":…}?── hull-image ── exit
#pragma once

#include <string>
#include <variant>

#include "base/error.h"
#include "image/worker_client.h"

namespace hull::image {

using Report = std::variant<WorkerProgress, LoadedImage, Error>;

std::string report_to_line(const Report& report);  // with the newline
Result<Report> parse_report(std::string_view line);

}  // namespace hull::image
