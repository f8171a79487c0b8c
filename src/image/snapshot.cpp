// A container's writable layer: ROOT/snapshots/<container>/{upper,work} and `lower`, the chain ids it stands on, which
// keeps those layers alive for as long as the snapshot exists.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/undo.h"
#include "image/layout.h"
#include "image/staging.h"
#include "image/store.h"

namespace hull::image {
namespace {

Result<> check_container_id(std::string_view id) {
  bool plain = !id.empty() && id.size() <= 255 && id[0] != '.' && id.find('/') == std::string_view::npos &&
               id.find('\0') == std::string_view::npos;
  if (!plain) return fail(ErrorKind::Invalid, format("\"{}\" is no container id", escape_controls(id)));
  return {};
}

// The merged root shows the upper directory's own mode and owner: give it the image's.
Result<> copy_root_attributes(const std::string& from, const std::string& to) {
  struct stat status;
  if (::stat(from.c_str(), &status) != 0) return fail_errno("stat", from);
  if ((status.st_uid != 0 || status.st_gid != 0) && ::chown(to.c_str(), status.st_uid, status.st_gid) != 0)
    return fail_errno("chown", to);
  if (::chmod(to.c_str(), status.st_mode & 07777) != 0) return fail_errno("chmod", to);
  return {};
}

// The file `lower` is written last and in one write: while it is empty, the snapshot is not whole.
constexpr const char* kNoLayers = "empty\n";

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) return fail_errno("mkdir", path);
  return {};
}

}  // namespace

Result<Snapshot> ImageStore::create_snapshot(std::string_view container_id, const ResolvedImage& image) const {
  TRY(check_container_id(container_id));
  StorePaths paths{root_};
  std::string directory = paths.snapshot(container_id);
  StoreLock lock = TRY(StoreLock::take(paths, StoreLock::Mode::Shared));  // against a sweep between check and pin
  TRY(make_directory(directory));
  Undo undo;
  undo.add([&] { (void)remove_tree(directory); });
  Snapshot snapshot{directory + "/upper", directory + "/work", image.lower_dirs};
  TRY(make_directory(snapshot.upper_dir));
  TRY(make_directory(snapshot.work_dir));
  std::string lower;
  for (auto chain = image.chain_ids.rbegin(); chain != image.chain_ids.rend(); ++chain) lower += *chain + "\n";
  if (lower.empty()) lower = kNoLayers;
  TRY(copy_root_attributes(image.lower_dirs.front(), snapshot.upper_dir));
  Fd file = TRY(open_file(directory + "/lower", O_WRONLY | O_CREAT | O_EXCL, 0600));
  TRY(write_all(file, lower, "lower"));
  undo.commit();
  return snapshot;
}

Result<Snapshot> ImageStore::find_snapshot(std::string_view container_id) const {
  TRY(check_container_id(container_id));
  StorePaths paths{root_};
  std::string directory = paths.snapshot(container_id);
  std::string lower = TRY(read_file(directory + "/lower"));
  if (lower.empty()) return fail(ErrorKind::NotFound, format("{}: its making was cut short; remove the container", directory));
  Snapshot snapshot{directory + "/upper", directory + "/work", {}};
  if (lower == kNoLayers) lower.clear();
  for (std::string_view chain : split_lines(lower)) {
    if (!is_hex64(chain)) return fail(ErrorKind::Corrupt, format("{}/lower: bad chain id", directory));
    snapshot.lower_dirs.push_back(paths.layer_tree(std::string(chain)));
  }
  if (snapshot.lower_dirs.empty()) snapshot.lower_dirs.push_back(paths.layers() + "/empty/fs");
  return snapshot;
}

Result<> ImageStore::remove_snapshot(std::string_view container_id) const {
  TRY(check_container_id(container_id));
  StorePaths paths{root_};
  std::string trash = format("{}/trash-{}", paths.staging(), random_id().substr(0, 24));
  if (::rename(paths.snapshot(container_id).c_str(), trash.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("rename", paths.snapshot(container_id));
  }
  return remove_tree(trash);
}

}  // namespace hull::image
