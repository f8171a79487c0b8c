// hull-image import: a root file system's tar becomes an image of one layer.
#include <fcntl.h>
#include <unistd.h>

#include <ctime>

#include "base/text.h"
#include "image/staging.h"
#include "image/worker/changes.h"
#include "image/worker/commit.h"
#include "image/worker/image_plan.h"
#include "image/worker/jobs.h"
#include "image/worker/layer_unpack.h"

namespace hull::image {
namespace {

std::string document_text(const ImageConfig& config, const Digest& diff_id, const std::string& message) {
  std::string created = now_rfc3339();
  json::array history{json::object{{"created", created}, {"comment", message}}};
  json::object rootfs{{"type", "layers"}, {"diff_ids", json::array{diff_id.text()}}};
  return json::to_text(json::object{{"architecture", "amd64"}, {"os", "linux"}, {"created", created}, {"comment", message},
                                    {"config", image_config_to_json(config)}, {"rootfs", std::move(rootfs)},
                                    {"history", std::move(history)}});
}

Result<ImagePlan> make_plan(const ImportedLayer& layer, const ImageConfig& config, const std::string& message) {
  std::string config_text = document_text(config, layer.diff_id, message);
  Digest id = Sha256::of(config_text);
  Blob blob{layer.blob_path, layer.diff_id, layer.blob_size, Compression::None};
  Manifest manifest{Descriptor{std::string(kOciConfig), id, config_text.size(), {}, {}},
                    {Descriptor{std::string(kOciLayerTar), blob.digest, blob.size, {}, {}}}};
  std::string manifest_text = manifest_to_text(manifest);
  Descriptor descriptor{std::string(kOciManifest), Sha256::of(manifest_text), manifest_text.size(), {}, {}};
  ImageDocument document = TRY(parse_image_document(config_text));
  return ImagePlan{{}, id, std::move(document), std::move(config_text), std::move(manifest_text), std::move(descriptor), {std::move(blob)}, {layer.diff_id.hex()}};
}

}  // namespace

Result<LoadedImage> run_import(const ImportRequest& request, const ProgressCallback&) {
  std::optional<Reference> name;
  if (!request.reference.empty()) name = TRY(parse_reference(request.reference));
  if (name && name->digest) return fail(ErrorKind::Invalid, "cannot import digest reference");
  ImageConfig config = TRY(apply_changes(request.changes));
  StorePaths paths{request.root};
  TRY(ensure_layout(paths));
  TRY(empty_trash(paths));
  Fd input = TRY(request.input == "-" ? Fd(0).duplicate() : open_file(request.input, O_RDONLY));
  Staging staging = TRY(Staging::make(paths, "import"));
  TRY(make_directories(staging.path() + "/layers"));
  ImportedLayer layer = TRY(unpack_import(staging.path(), input));
  ImagePlan plan = TRY(make_plan(layer, config, request.message.empty() ? "Imported from " + request.input : request.message));
  if (name) plan.names.push_back(*name);
  std::vector<LoadedImage> loaded = TRY(commit_images(paths, staging.path(), {plan}, false));
  return loaded.at(0);
}

}  // namespace hull::image
