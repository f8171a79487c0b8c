#include "image/layout.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>

#include "base/text.h"
#include "image/staging.h"

namespace hull::image {
namespace {

constexpr std::string_view kImageIdKey = "io.hull.image.id";  // the configuration's digest, beside the manifest's
constexpr size_t kMaxIndexBytes = 64 << 20;

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), ::closedir);
  if (!stream) return names;
  while (dirent* entry = ::readdir(stream.get()))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  return names;
}

// Everything that a named or dangling image, or a container's snapshot, still needs.
struct References { std::set<std::string> layers, blobs, records; };

Result<References> find_references(const StorePaths& paths, const std::vector<NamedImage>& images) {
  References kept;
  for (const NamedImage& image : images) {
    kept.blobs.insert(image.id.hex());
    kept.blobs.insert(image.manifest.digest.hex());
    kept.records.insert(image.id.hex());
    ImageRecord record = TRY(read_record(paths, image.id));
    kept.layers.insert(record.chain_ids.begin(), record.chain_ids.end());
    std::string text = TRY(read_file(paths.blob(image.manifest.digest)));
    Manifest manifest = TRY(parse_manifest(text, image.manifest.media_type));
    for (const Descriptor& layer : manifest.layers) kept.blobs.insert(layer.digest.hex());
  }
  for (const std::string& container : list_directory(paths.snapshots())) {
    Result<std::string> lower = read_file(paths.snapshot(container) + "/lower");
    if (!lower) continue;
    for (std::string_view chain : split_lines(*lower)) kept.layers.insert(std::string(chain));
  }
  return kept;
}

}  // namespace

Result<std::vector<NamedImage>> read_index(const StorePaths& paths) {
  Result<std::string> text = read_file(paths.index(), kMaxIndexBytes);
  if (!text && text.error().kind() == ErrorKind::NotFound) return std::vector<NamedImage>{};
  if (!text) return fail(std::move(text).error());
  Index index = TRY_CONTEXT(parse_index(*text), paths.index());
  std::vector<NamedImage> images;
  for (Descriptor& entry : index.manifests) {
    auto id = entry.annotations.find(std::string(kImageIdKey));
    if (id == entry.annotations.end()) continue;  // put there by another tool: not unpacked, so not ours to run
    Digest digest = TRY_CONTEXT(Digest::parse(id->second), paths.index());
    std::string name;
    if (auto found = entry.annotations.find(std::string(kRefNameKey)); found != entry.annotations.end()) name = found->second;
    entry.annotations.clear();
    images.push_back(NamedImage{digest, std::move(entry), std::move(name)});
  }
  return images;
}

Result<> write_index(const StorePaths& paths, const std::vector<NamedImage>& images) {
  Index index;
  for (const NamedImage& image : images) {
    Descriptor entry = image.manifest;
    entry.annotations[std::string(kImageIdKey)] = image.id.text();
    if (!image.name.empty()) entry.annotations[std::string(kRefNameKey)] = image.name;
    index.manifests.push_back(std::move(entry));
  }
  return replace_file(paths.index(), index_to_text(index), Durability::Synced);
}

std::string record_to_text(const ImageRecord& record) {
  json::array chain;
  for (const std::string& id : record.chain_ids) chain.emplace_back(id);
  return json::to_text(json::object{{"version", 1},
                                    {"id", record.id.text()},
                                    {"manifest", record.manifest.text()},
                                    {"created", record.created},
                                    {"architecture", record.architecture},
                                    {"os", record.os},
                                    {"variant", record.variant},
                                    {"size", record.size},
                                    {"chain", std::move(chain)},
                                    {"config", image_config_to_json(record.config)}});
}

Result<ImageRecord> parse_record(std::string_view text) {
  json::value object = TRY(json::parse(text, "image record"));
  if (json::get_int(object, "version") != 1)
    return fail(ErrorKind::Unsupported, "image record: written by another version of hull; load the image again");
  ImageRecord record{TRY(Digest::parse(json::get_string(object, "id"))),
                     TRY(Digest::parse(json::get_string(object, "manifest"))), {}, {}, {}, {}, 0, {}, {}};
  record.created = json::get_string(object, "created");
  record.architecture = json::get_string(object, "architecture");
  record.os = json::get_string(object, "os");
  record.variant = json::get_string(object, "variant");
  record.size = static_cast<uint64_t>(json::get_int(object, "size"));
  if (const json::value* chain = json::find(object, "chain"); chain != nullptr && chain->is_array())
    for (const json::value& id : chain->get_array()) {
      if (!id.is_string() || !is_hex64(id.get_string())) return fail(ErrorKind::Corrupt, "image record: bad chain id");
      record.chain_ids.emplace_back(id.get_string());
    }
  if (const json::value* config = json::find(object, "config")) record.config = TRY(parse_image_config(*config));
  return record;
}

Result<ImageRecord> read_record(const StorePaths& paths, const Digest& id) {
  std::string text = TRY(read_file(paths.record(id)));
  return TRY_CONTEXT(parse_record(text), paths.record(id));
}

Result<std::optional<Fd>> lock_file(const std::string& path, bool exclusive, bool wait) {
  Fd file = TRY(open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  struct flock lock{};
  lock.l_type = exclusive ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  while (::fcntl(file.get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) != 0) {
    if (errno == EINTR) continue;
    if (!wait && (errno == EAGAIN || errno == EACCES)) return std::optional<Fd>();
    return fail_errno("lock", path);
  }
  return std::optional<Fd>(std::move(file));
}

Result<StoreLock> StoreLock::take(const StorePaths& paths, Mode mode) {
  std::optional<Fd> file = TRY(lock_file(paths.images() + "/.lock", mode == Mode::Exclusive, true));
  return StoreLock(std::move(*file));
}

Result<> ensure_layout(const StorePaths& paths) {
  std::string marker = paths.images() + "/oci-layout";
  if (path_exists(marker)) return {};
  for (const std::string& directory : {paths.blobs(), paths.records(), paths.layers(), paths.snapshots(), paths.staging()})
    TRY(make_directories(directory));
  if (!path_exists(paths.index())) {
    StoreLock lock = TRY(StoreLock::take(paths, StoreLock::Mode::Exclusive));
    if (!path_exists(paths.index())) TRY(write_index(paths, {}));
  }
  return replace_file(marker, "{\"imageLayoutVersion\": \"1.0.0\"}", Durability::Volatile);
}

Result<std::vector<std::string>> sweep_unreferenced(const StorePaths& paths, const std::vector<NamedImage>& images) {
  References kept = TRY(find_references(paths, images));
  std::vector<std::string> removed_layers;
  for (const std::string& chain : list_directory(paths.layers())) {
    if (kept.layers.contains(chain) || !is_hex64(chain)) continue;
    TRY(move_to_trash(paths, paths.layer(chain)));
    removed_layers.push_back(chain);
  }
  for (const std::string& blob : list_directory(paths.blobs()))
    if (!kept.blobs.contains(blob)) ::unlink((paths.blobs() + "/" + blob).c_str());
  for (const std::string& record : list_directory(paths.records()))
    if (!kept.records.contains(record)) ::unlink((paths.records() + "/" + record).c_str());
  return removed_layers;
}

}  // namespace hull::image
