// hull-image load: source → plans → unpacked layers → commit.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "image/staging.h"
#include "image/worker/commit.h"
#include "image/worker/image_plan.h"
#include "image/worker/jobs.h"
#include "image/worker/layer_unpack.h"

namespace hull::image {
namespace {

constexpr int kMaxAttempts = 3;  // a concurrent rmi may take a layer that we meant to share

Result<Fd> open_input(const std::string& input) {
  if (input == "-") return Fd(0).duplicate();
  return open_file(input, O_RDONLY);
}

bool wanted(const Reference& name, const std::vector<Reference>& only) {
  return std::any_of(only.begin(), only.end(), [&](const Reference& one) { return one.name() == name.name() && (one.tag.empty() || one.tag == name.tag); });
}

Result<> keep_only(std::vector<ImagePlan>& plans, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<Reference> only;
  for (const std::string& name : names) only.push_back(TRY(parse_reference(name)));
  for (ImagePlan& plan : plans) std::erase_if(plan.names, [&](const Reference& name) { return !wanted(name, only); });
  std::erase_if(plans, [](const ImagePlan& plan) { return plan.names.empty(); });
  if (plans.empty()) return fail(ErrorKind::NotFound, format("archive: holds no image named {}", join(names, ", ")));
  return {};
}

// The layers that neither the store nor this staging has yet, bottom first.
std::vector<LayerJob> missing_layers(const StorePaths& paths, const std::string& staging, const std::vector<ImagePlan>& plans) {
  std::vector<LayerJob> jobs;
  std::set<std::string> seen;
  for (const ImagePlan& plan : plans)
    for (size_t at = 0; at < plan.chain_ids.size(); ++at) {
      const std::string& chain = plan.chain_ids[at];
      if (!seen.insert(chain).second || path_exists(paths.layer(chain)) || path_exists(staging + "/layers/" + chain)) continue;
      jobs.push_back(LayerJob{chain, plan.document.diff_ids[at], plan.layers[at],
                              {plan.chain_ids.begin(), plan.chain_ids.begin() + static_cast<std::ptrdiff_t>(at)}});
    }
  return jobs;
}

UnpackProgress relay_to(const ProgressCallback& progress) {
  if (!progress) return {};
  return [&progress](const LayerJob& job, uint64_t done, bool complete) {
    progress(WorkerProgress{job.diff_id.short_hex(), complete ? "Unpacked" : "Unpacking", done, job.blob.size});
  };
}

}  // namespace

Result<std::vector<LoadedImage>> run_load(const LoadRequest& request, const ProgressCallback& progress) {
  StorePaths paths{request.root};
  TRY(ensure_layout(paths));
  TRY(empty_trash(paths));
  Fd input = TRY(open_input(request.input));
  Staging staging = TRY(Staging::make(paths, "load"));
  std::unique_ptr<ImageSource> source = TRY(open_source(input, staging.path()));
  std::vector<ImagePlan> plans = TRY(plan_images(*source));
  TRY(keep_only(plans, request.only));
  TRY(make_directories(staging.path() + "/layers"));
  for (int attempt = 1;; ++attempt) {
    std::vector<LayerJob> jobs = missing_layers(paths, staging.path(), plans);
    TRY(unpack_layers(paths, staging.path(), jobs, relay_to(progress)));
    Result<std::vector<LoadedImage>> loaded = commit_images(paths, staging.path(), plans, request.keep_existing_names);
    if (loaded || loaded.error().kind() != ErrorKind::Conflict || attempt == kMaxAttempts) return loaded;
  }
}

}  // namespace hull::image
