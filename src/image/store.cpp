#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "image/layout.h"
#include "image/lookup.h"
#include "image/staging.h"
#include "image/worker_client.h"

namespace hull::image {
namespace {

// SECURITY S8: whoever can write to the store can put files into every container.
Result<> check_root(const std::string& root) {
  struct stat status;
  if (::stat(root.c_str(), &status) != 0) {
    if (errno != ENOENT) return fail_errno("stat", root);
    return make_directories(root);
  }
  if (!S_ISDIR(status.st_mode)) return fail(ErrorKind::Invalid, format("{}: not a directory", root));
  if (status.st_uid != ::geteuid())
    return fail(ErrorKind::Denied, format("{}: belongs to uid {}; use a directory of your own", root, status.st_uid));
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(ErrorKind::Denied, format("{}: others may write to it; run: chmod go-w {}", root, shell_quote(root)));
  return {};
}

std::string empty_layer(const StorePaths& paths) { return paths.layers() + "/empty/fs"; }

Result<ResolvedImage> to_resolved(const StorePaths& paths, const Match& match) {
  ImageRecord record = TRY(read_record(paths, match.id));
  ResolvedImage image{record.id, match.reference, std::move(record.config), std::move(record.chain_ids), {}};
  for (auto chain = image.chain_ids.rbegin(); chain != image.chain_ids.rend(); ++chain)
    image.lower_dirs.push_back(paths.layer_tree(*chain));
  if (image.lower_dirs.empty()) {  // an image without layers: overlay still wants one
    TRY(make_directories(empty_layer(paths), 0755));
    image.lower_dirs.push_back(empty_layer(paths));
  }
  return image;
}

// The installed layout that holds `reference`, if any.
std::optional<std::string> find_installed(const Reference& reference) {
  for (const std::string& layout : installed_layouts()) {
    Result<std::string> text = read_file(layout + "/index.json", kMaxInstalledIndexBytes);
    Result<Index> index = text ? parse_index(*text) : fail(std::move(text).error());
    if (!index) continue;
    for (const Descriptor& entry : index->manifests)
      if (descriptor_names(entry, reference)) return layout;
  }
  return std::nullopt;
}

}  // namespace

Result<ImageStore> ImageStore::open(const std::string& root) {
  TRY(check_root(root));
  TRY(ensure_layout(StorePaths{root}));
  return ImageStore(root);
}

Result<ResolvedImage> ImageStore::resolve(std::string_view name_or_id) const {
  StorePaths paths{root_};
  std::vector<NamedImage> images = TRY(read_index(paths));
  Match match = TRY(find_image(images, name_or_id));
  return to_resolved(paths, match);
}

Result<ResolvedImage> ImageStore::resolve_or_load(std::string_view name_or_id) const {
  Result<ResolvedImage> image = resolve(name_or_id);
  if (image || image.error().kind() != ErrorKind::NotFound) return image;
  Result<Reference> reference = parse_reference(name_or_id);
  std::optional<std::string> layout = reference ? find_installed(*reference) : std::nullopt;
  if (!layout) return image;
  LoadRequest request{.root = root_, .input = *layout, .only = {reference->text()}, .keep_existing_names = true};
  TRY_CONTEXT(load_images(request, {}), format("load the installed image {}", reference->familiar()));
  return resolve(name_or_id);
}

Result<> ImageStore::tag(std::string_view source, std::string_view target) const {
  Reference reference = TRY(parse_reference(target));
  if (reference.digest) return fail(ErrorKind::Invalid, "refusing to create a tag with a digest reference");
  StorePaths paths{root_};
  StoreLock lock = TRY(StoreLock::take(paths, StoreLock::Mode::Exclusive));
  std::vector<NamedImage> images = TRY(read_index(paths));
  Match match = TRY(find_image(images, source));
  auto found = std::find_if(images.begin(), images.end(), [&](const NamedImage& image) { return image.id == match.id; });
  assign_name(images, NamedImage{*found}, reference.full_tag());
  return write_index(paths, images);
}

Result<> ImageStore::collect_garbage() const {
  StorePaths paths{root_};
  {
    StoreLock lock = TRY(StoreLock::take(paths, StoreLock::Mode::Exclusive));
    std::vector<NamedImage> images = TRY(read_index(paths));
    TRY(sweep_unreferenced(paths, images));
  }
  return empty_trash(paths);
}

}  // namespace hull::image
