// What the image commands share: the store they work on, and how an image's size and age read.
#pragma once

#include <string>
#include <string_view>

#include "image/store.h"
#include "image/worker_client.h"

namespace hull::cli {

// The store under HULL_ROOT, or the default of this user.
Result<image::ImageStore> open_image_store();

// In hull's log of events: "load", "import", "untag", "delete".
void tell_image_event(const image::ImageStore& images, std::string action, std::string id, std::string_view name);

std::string image_size_text(uint64_t bytes);              // "42.9MB", as docker's units.HumanSize with three digits
std::string image_age_text(std::string_view rfc3339);     // "2 hours ago"; "N/A" when unknown
std::string image_id_text(const image::Digest& id, bool whole);  // 12 digits or "sha256:…"

// Progress bars on a terminal's standard error; nothing in a pipe.
image::ProgressCallback image_progress(bool quiet);

}  // namespace hull::cli
