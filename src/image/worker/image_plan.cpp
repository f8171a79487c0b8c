#include "image/worker/image_plan.h"

#include "base/text.h"
#include "image/lookup.h"

namespace hull::image {
namespace {

constexpr int kMaxIndexDepth = 4;

tl::unexpected<Error> wrong_digest(std::string_view what, const Digest& wanted, const Digest& got) {
  return fail(ErrorKind::Corrupt, format("archive: {} {} does not verify: its bytes have the digest {}", what, wanted.text(), got.text()));
}

std::string blob_name(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

Result<Blob> get_verified(ImageSource& source, const Descriptor& descriptor, std::string_view what) {
  std::optional<Blob> blob = TRY(source.get(blob_name(descriptor.digest)));
  if (!blob) return fail(ErrorKind::Invalid, format("archive: {} {} is missing", what, descriptor.digest.text()));
  if (blob->digest != descriptor.digest) return wrong_digest(what, descriptor.digest, blob->digest);
  if (blob->size != descriptor.size)
    return fail(ErrorKind::Corrupt, format("archive: {} {} has {} bytes, not {}", what, descriptor.digest.text(), blob->size, descriptor.size));
  return *blob;
}

Result<std::string> read_verified(ImageSource& source, const Descriptor& descriptor, std::string_view what) {
  Blob blob = TRY(get_verified(source, descriptor, what));
  if (blob.size > kMaxDocumentBytes) return fail(ErrorKind::Invalid, format("archive: {} is larger than 4 MiB", what));
  return read_file(blob.path, kMaxDocumentBytes);
}

Result<ImageDocument> checked_document(std::string_view text, size_t layers) {
  ImageDocument document = TRY(parse_image_document(text));
  if (!document.os.empty() && document.os != "linux")
    return fail(ErrorKind::Unsupported, format("image: made for {}, not for linux", escape_controls(document.os)));
  if (document.diff_ids.size() != layers)
    return fail(ErrorKind::Invalid, format("image: {} layers, but its configuration speaks of {}", layers, document.diff_ids.size()));
  return document;
}

Result<ImagePlan> plan_oci_manifest(ImageSource& source, const Descriptor& entry) {
  std::string text = TRY(read_verified(source, entry, "manifest"));
  Manifest manifest = TRY(parse_manifest(text, entry.media_type));
  std::string config_text = TRY(read_verified(source, manifest.config, "configuration"));
  ImageDocument document = TRY(checked_document(config_text, manifest.layers.size()));
  std::vector<std::string> chain = chain_ids_of(document.diff_ids);
  ImagePlan plan{{}, manifest.config.digest, std::move(document), std::move(config_text), std::move(text),
                 Descriptor{entry.media_type, entry.digest, entry.size, {}, entry.platform}, {}, std::move(chain)};
  for (const Descriptor& layer : manifest.layers) plan.layers.push_back(TRY(get_verified(source, layer, "layer")));
  return plan;
}

bool is_for_us(const Descriptor& entry) {
  if (!entry.platform) return true;
  return entry.platform->os == "linux" && entry.platform->architecture == "amd64";
}

Result<> plan_oci_index(ImageSource& source, const Index& index, std::optional<Reference> name, int depth, std::vector<ImagePlan>& plans) {
  if (depth > kMaxIndexDepth) return fail(ErrorKind::Unsafe, "image index: nested too deeply");
  if (index.manifests.size() > kMaxImagesPerArchive) return fail(ErrorKind::Unsafe, "image index: too many images");
  for (const Descriptor& entry : index.manifests) {
    std::optional<Reference> own = depth == 0 ? reference_of(entry) : name;
    if (is_index_type(entry.media_type)) {
      std::string text = TRY(read_verified(source, entry, "index"));
      Index nested = TRY(parse_index(text, entry.media_type));
      TRY(plan_oci_index(source, nested, own, depth + 1, plans));
    } else if (is_manifest_type(entry.media_type)) {
      if (!is_for_us(entry)) continue;  // another platform of the same image, or an attestation
      ImagePlan plan = TRY(plan_oci_manifest(source, entry));
      if (own) plan.names.push_back(std::move(*own));
      plans.push_back(std::move(plan));
      if (plans.size() > kMaxImagesPerArchive) return fail(ErrorKind::Unsafe, "image index: too many images");
    } else {
      return fail(ErrorKind::Unsupported, format("image index: holds a {}", escape_controls(entry.media_type)));
    }
  }
  return {};
}

std::string layer_media_type(Compression compression) {
  std::string type(kOciLayerTar);
  return compression == Compression::Gzip ? type + "+gzip" : compression == Compression::Zstd ? type + "+zstd" : type;
}

// Docker names the configuration "<hex>.json" or "blobs/sha256/<hex>": then that is a digest it must match.
Result<> check_config_name(std::string_view name, const Blob& blob) {
  std::string_view stem = name;
  if (stem.ends_with(".json")) stem.remove_suffix(5);
  if (size_t slash = stem.rfind('/'); slash != std::string_view::npos) stem = stem.substr(slash + 1);
  Result<Digest> stated = Digest::from_hex(stem);
  if (stated && *stated != blob.digest) return wrong_digest("configuration", *stated, blob.digest);
  return {};
}

Result<std::vector<std::string>> string_list(const json::value& entry, std::string_view key) {
  std::vector<std::string> list;
  const json::value* member = json::find(entry, key);
  if (member == nullptr || member->is_null()) return list;
  if (!member->is_array()) return fail(ErrorKind::Invalid, format("manifest.json: {} is no list", key));
  for (const json::value& element : member->get_array()) {
    if (!element.is_string()) return fail(ErrorKind::Invalid, format("manifest.json: {} holds something that is no string", key));
    list.emplace_back(element.get_string());
  }
  return list;
}

Result<ImagePlan> plan_docker_image(ImageSource& source, const json::value& entry) {
  std::string config_name(json::get_string(entry, "Config"));
  std::string config_text = TRY(source.read_document(config_name));
  Blob config = *TRY(source.get(config_name));
  TRY(check_config_name(config_name, config));
  std::vector<std::string> layer_names = TRY(string_list(entry, "Layers"));
  ImageDocument document = TRY(checked_document(config_text, layer_names.size()));
  std::vector<std::string> chain = chain_ids_of(document.diff_ids);
  Manifest manifest{Descriptor{std::string(kOciConfig), config.digest, config.size, {}, {}}, {}};
  std::vector<Blob> layers;
  for (const std::string& name : layer_names) {
    std::optional<Blob> layer = TRY(source.get(name));
    if (!layer) return fail(ErrorKind::Invalid, format("archive: layer \"{}\" is missing", escape_controls(name)));
    manifest.layers.push_back(Descriptor{layer_media_type(layer->compression), layer->digest, layer->size, {}, {}});
    layers.push_back(std::move(*layer));
  }
  std::string manifest_text = manifest_to_text(manifest);
  Descriptor descriptor{std::string(kOciManifest), Sha256::of(manifest_text), manifest_text.size(), {}, {}};
  ImagePlan plan{{}, config.digest, std::move(document), std::move(config_text), std::move(manifest_text), std::move(descriptor), std::move(layers), std::move(chain)};
  std::vector<std::string> tags = TRY(string_list(entry, "RepoTags"));
  for (const std::string& tag : tags) plan.names.push_back(TRY_CONTEXT(parse_reference(tag), "manifest.json"));
  return plan;
}

Result<std::vector<ImagePlan>> plan_docker_archive(ImageSource& source) {
  std::string text = TRY(source.read_document("manifest.json"));
  json::value document = TRY(json::parse(text, "manifest.json"));
  if (!document.is_array()) return fail(ErrorKind::Invalid, "manifest.json: not a list");
  if (document.get_array().size() > kMaxImagesPerArchive) return fail(ErrorKind::Unsafe, "manifest.json: too many images");
  std::vector<ImagePlan> plans;
  for (const json::value& entry : document.get_array()) plans.push_back(TRY(plan_docker_image(source, entry)));
  return plans;
}

}  // namespace

std::vector<std::string> chain_ids_of(const std::vector<Digest>& diff_ids) {
  std::vector<std::string> chain;
  for (const Digest& diff : diff_ids)
    chain.push_back(chain.empty() ? diff.hex() : Sha256::of("sha256:" + chain.back() + " " + diff.text()).hex());
  return chain;
}

Result<std::vector<ImagePlan>> plan_images(ImageSource& source) {
  if (std::optional<Blob> marker = TRY(source.get("oci-layout"))) {
    std::string marker_text = TRY(source.read_document("oci-layout"));
    TRY(check_layout_marker(marker_text));
    std::string text = TRY(source.read_document("index.json"));
    Index index = TRY(parse_index(text));
    std::vector<ImagePlan> plans;
    TRY(plan_oci_index(source, index, std::nullopt, 0, plans));
    if (plans.empty()) return fail(ErrorKind::NotFound, "archive: holds no image for linux/amd64");
    return plans;
  }
  if (!TRY(source.get("manifest.json")))
    return fail(ErrorKind::Invalid, "archive: holds neither manifest.json nor oci-layout; for a root file system use import");
  return plan_docker_archive(source);
}

}  // namespace hull::image
