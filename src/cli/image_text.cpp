#include "cli/image_text.h"

#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "base/text.h"
#include "cli/container_rows.h"
#include "cli/humanize.h"
#include "cli/output.h"
#include "engine/engine.h"
#include "engine/events.h"

namespace hull::cli {
namespace {

constexpr int kBarWidth = 30;

std::string bar(const image::WorkerProgress& progress) {
  int filled = progress.total == 0 ? 0 : static_cast<int>(progress.done * kBarWidth / progress.total);
  return std::string(static_cast<size_t>(filled), '=') + ">" + std::string(static_cast<size_t>(kBarWidth - filled), ' ');
}

}  // namespace

Result<image::ImageStore> open_image_store() {
  engine::Engine engine = TRY(engine::Engine::open());
  return image::ImageStore::open(engine.root());
}

std::string image_size_text(uint64_t bytes) { return human_size(static_cast<double>(bytes)); }

std::string image_age_text(std::string_view rfc3339) {
  int64_t created = unix_seconds(rfc3339);
  return created == 0 ? "N/A" : human_duration(::time(nullptr) - created) + " ago";
}

std::string image_id_text(const image::Digest& id, bool whole) { return whole ? id.text() : id.short_hex(); }

image::ProgressCallback image_progress(bool quiet) {
  if (quiet || ::isatty(STDERR_FILENO) == 0) return {};
  return [](const image::WorkerProgress& progress) {
    bool complete = progress.state == "Unpacked";
    std::string line = format("\r{}: {:<9} [{}] {}/{}\x1b[K", progress.layer, progress.state, bar(progress),
                              image_size_text(progress.done), image_size_text(progress.total));
    if (complete) line += "\n";
    (void)!::write(STDERR_FILENO, line.data(), line.size());
  };
}

void tell_image_event(const image::ImageStore& images, std::string action, std::string id, std::string_view name) {
  engine::append_events({images.root(), ""}, {{0, "image", std::move(action), std::move(id), {{"name", std::string(name)}}}});
}

}  // namespace hull::cli
