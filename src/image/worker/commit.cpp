#include "image/worker/commit.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "image/lookup.h"
#include "image/worker/layer_unpack.h"

namespace hull::image {
namespace {

// Power may go after the renames: what they bring in must be on disk before.
Result<> sync_staging(const std::string& staging) {
  Fd directory = TRY(open_file(staging, O_RDONLY | O_DIRECTORY));
  if (::syncfs(directory.get()) != 0) return fail_errno("syncfs", staging);
  return {};
}

Result<> move_layer(const StorePaths& paths, const std::string& staging, const std::string& chain) {
  std::string target = paths.layer(chain), staged = staging + "/layers/" + chain;
  if (path_exists(target)) return {};
  if (::rename(staged.c_str(), target.c_str()) == 0) return {};
  if (errno == ENOENT) return fail(ErrorKind::Conflict, format("layer {}: removed while it was wanted; try again", chain.substr(0, 12)));
  return fail_errno("rename", staged);
}

Result<> move_blob(const StorePaths& paths, const Blob& blob) {
  std::string target = paths.blob(blob.digest);
  if (path_exists(target)) return {};
  // A link, not a rename: two images of one archive may have the blob in common.
  if (::link(blob.path.c_str(), target.c_str()) != 0 && errno != EEXIST) return fail_errno("link", target);
  return {};
}

Result<ImageRecord> make_record(const StorePaths& paths, const ImagePlan& plan) {
  const ImageDocument& document = plan.document;
  ImageRecord record{plan.id, plan.manifest.digest, document.created, document.architecture, document.os, document.variant, 0,
                     plan.chain_ids, document.config};
  for (const std::string& chain : plan.chain_ids) record.size += TRY(layer_size(paths.layer(chain)));
  return record;
}

Result<> put_image(const StorePaths& paths, const std::string& staging, const ImagePlan& plan) {
  for (const std::string& chain : plan.chain_ids) TRY(move_layer(paths, staging, chain));
  for (const Blob& layer : plan.layers) TRY(move_blob(paths, layer));
  TRY(replace_file(paths.blob(plan.id), plan.config_text, Durability::Volatile));
  TRY(replace_file(paths.blob(plan.manifest.digest), plan.manifest_text, Durability::Volatile));
  ImageRecord record = TRY(make_record(paths, plan));
  return replace_file(paths.record(plan.id), record_to_text(record), Durability::Volatile);
}

void name_image(std::vector<NamedImage>& images, const ImagePlan& plan, bool keep_existing_names, std::vector<LoadedImage>& loaded) {
  NamedImage image{plan.id, plan.manifest, {}};
  image.manifest.annotations.clear();
  if (plan.names.empty()) {
    assign_name(images, image, "");
    loaded.push_back(LoadedImage{plan.id, "", {}});
  }
  for (const Reference& name : plan.names) {
    Reference tagged = name;
    if (tagged.tag.empty()) tagged.tag = "latest";
    tagged.digest.reset();
    bool taken = std::any_of(images.begin(), images.end(), [&](const NamedImage& one) { return one.name == tagged.full_tag(); });
    if (taken && keep_existing_names) continue;
    std::optional<Digest> replaced = assign_name(images, image, tagged.full_tag());
    loaded.push_back(LoadedImage{plan.id, tagged.familiar(), replaced});
  }
}

}  // namespace

Result<std::vector<LoadedImage>> commit_images(const StorePaths& paths, const std::string& staging, const std::vector<ImagePlan>& plans,
                                               bool keep_existing_names) {
  TRY(sync_staging(staging));
  StoreLock lock = TRY(StoreLock::take(paths, StoreLock::Mode::Exclusive));
  std::vector<NamedImage> images = TRY(read_index(paths));
  std::vector<LoadedImage> loaded;
  for (const ImagePlan& plan : plans) {
    TRY(put_image(paths, staging, plan));
    name_image(images, plan, keep_existing_names, loaded);
  }
  TRY(write_index(paths, images));
  return loaded;
}

}  // namespace hull::image
