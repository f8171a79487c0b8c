#include "image/worker/layer_unpack.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>

#include "base/duration.h"
#include "base/json.h"
#include "base/text.h"
#include "image/worker/layer_reader.h"
#include "image/worker/lower_stack.h"
#include "image/worker/reader_process.h"
#include "kernel/rootfd.h"

namespace hull::image {
namespace {

constexpr int kProgressInterval_ms = 200;
constexpr unsigned kMaxReaders = 8;

// Shared between the readers and us: how far each layer is. Written by its one reader (bytes) and by us (state).
enum class LayerState : uint32_t { Pending, Done, Failed };
struct SharedLayer {
  std::atomic<LayerState> state;
  std::atomic<uint64_t> bytes;
};

class SharedLayers {
 public:
  static Result<SharedLayers> make(size_t count) {
    size_t size = std::max<size_t>(count, 1) * sizeof(SharedLayer);
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno("mmap", "layer states");
    return SharedLayers(static_cast<SharedLayer*>(memory), size);
  }
  SharedLayers(SharedLayers&& other) noexcept : layers_(std::exchange(other.layers_, nullptr)), size_(other.size_) {}
  SharedLayers& operator=(SharedLayers&&) = delete;
  ~SharedLayers() { if (layers_ != nullptr) ::munmap(layers_, size_); }
  SharedLayer& operator[](size_t index) const { return layers_[index]; }

 private:
  SharedLayers(SharedLayer* layers, size_t size) : layers_(layers), size_(size) {}
  SharedLayer* layers_;
  size_t size_;
};

std::string staged_layer(const std::string& staging, const std::string& chain) { return staging + "/layers/" + chain; }

// The tree of a layer, staged or already in the store.
std::string tree_of(const StorePaths& paths, const std::string& staging, const std::string& chain) {
  std::string staged = staged_layer(staging, chain) + "/fs";
  return path_exists(staged) ? staged : paths.layer_tree(chain);
}

// The merged root shows the top layer's own mode, owner and time: an archive that does not state them has its parent's.
Result<> inherit_root(const std::string& tree, const std::string& parent_tree) {
  struct stat status;
  if (::stat(parent_tree.c_str(), &status) != 0) return fail_errno("stat", parent_tree);
  if (::chown(tree.c_str(), status.st_uid, status.st_gid) != 0) return fail_errno("chown", tree);
  if (::chmod(tree.c_str(), status.st_mode & 07777) != 0) return fail_errno("chmod", tree);
  return {};
}

Result<> write_layer_file(const std::string& directory, const Digest& diff_id, uint64_t bytes) {
  std::string text = json::to_text(json::object{{"diff_id", diff_id.text()}, {"size", bytes}});
  return replace_file(directory + "/layer.json", text, Durability::Volatile);
}

Result<> set_opaque_marks(const std::string& tree, const std::vector<std::string>& paths) {
  kernel::RootFd root = TRY(kernel::RootFd::open_root(tree));
  for (const std::string& path : paths) TRY(root.set_xattr(path, kOpaqueXattr, "y"));
  return {};
}

// All the readers of one call: started in order, a few at a time.
class Unpacking {
 public:
  Unpacking(const StorePaths& paths, const std::string& staging, const std::vector<LayerJob>& jobs, SharedLayers shared)
      : paths_(paths), staging_(staging), jobs_(jobs), shared_(std::move(shared)) {}

  Result<> run(const UnpackProgress& progress) {
    for (const LayerJob& job : jobs_) TRY(make_tree(job));
    unsigned limit = std::clamp(static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)), 1U, kMaxReaders);
    for (size_t next = 0; next < jobs_.size() || !running_.empty();) {
      while (next < jobs_.size() && running_.size() < limit) TRY(start(next++));
      TRY(wait_some(progress));
    }
    return {};
  }

 private:
  struct Running { size_t job; ReaderProcess reader; };

  Result<> make_tree(const LayerJob& job) {
    TRY(make_directories(staged_layer(staging_, job.chain)));
    return make_directories(staged_layer(staging_, job.chain) + "/fs", 0755);
  }

  Result<> start(size_t index) {
    const LayerJob& job = jobs_[index];
    Fd blob = TRY(open_file(job.blob.path, O_RDONLY | O_NOFOLLOW));
    Fd directory = TRY(open_file(staged_layer(staging_, job.chain) + "/fs", O_PATH | O_DIRECTORY | O_NOFOLLOW));
    std::vector<Fd> lowers;
    for (auto chain = job.lower_chains.rbegin(); chain != job.lower_chains.rend(); ++chain)
      lowers.push_back(TRY(open_file(tree_of(paths_, staging_, *chain), O_PATH | O_DIRECTORY | O_NOFOLLOW)));
    std::vector<size_t> below = jobs_below(job);
    LayerInput input{blob, lowers, [&] { return wait_for(below); },
                     [&](uint64_t done) { shared_[index].bytes.store(done, std::memory_order_relaxed); }};
    ReaderProcess reader = TRY(ReaderProcess::start({directory, lowers, {blob.get()}, [&] { return read_layer(input); }}));
    running_.push_back(Running{index, std::move(reader)});
    return {};
  }

  std::vector<size_t> jobs_below(const LayerJob& job) const {
    std::vector<size_t> below;
    for (size_t at = 0; at < jobs_.size(); ++at)
      if (std::find(job.lower_chains.begin(), job.lower_chains.end(), jobs_[at].chain) != job.lower_chains.end()) below.push_back(at);
    return below;
  }

  // In the reader: until the layers below are complete. They were started before us, so they do not wait for us.
  Result<> wait_for(const std::vector<size_t>& below) const {
    for (size_t index : below)
      for (;;) {
        LayerState state = shared_[index].state.load(std::memory_order_acquire);
        if (state == LayerState::Done) break;
        if (state == LayerState::Failed) return fail(ErrorKind::Conflict, "layer: one below it failed");
        sleep_ms(2);
      }
    return {};
  }

  Result<> wait_some(const UnpackProgress& progress) {
    std::vector<pollfd> polled;
    for (const Running& one : running_) polled.push_back({one.reader.pipe().get(), POLLIN, 0});
    int ready = ::poll(polled.data(), polled.size(), kProgressInterval_ms);
    if (ready < 0 && errno != EINTR) return fail_errno("poll", "layer readers");
    for (size_t at = polled.size(); at-- > 0;) {
      size_t index = running_[at].job;
      bool ended = polled[at].revents != 0 && TRY(running_[at].reader.pump());
      if (ended) TRY(complete(at));
      if (progress) progress(jobs_[index], ended ? jobs_[index].blob.size : shared_[index].bytes.load(std::memory_order_relaxed), ended);
    }
    return {};
  }

  Result<> complete(size_t at) {
    Running one = std::move(running_[at]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
    const LayerJob& job = jobs_[one.job];
    std::string answer = TRY_CONTEXT(one.reader.finish(), format("unpack layer {}", job.diff_id.short_hex()));
    LayerOutcome outcome = TRY(parse_outcome(answer));
    if (outcome.diff_id != job.diff_id)
      return fail(ErrorKind::Corrupt, format("layer {}: does not verify: its contents have the digest {}", job.diff_id.text(), outcome.diff_id.text()));
    std::string directory = staged_layer(staging_, job.chain), tree = directory + "/fs";
    TRY(set_opaque_marks(tree, outcome.opaque));
    roots_set_[job.chain] = outcome.root_was_set;
    TRY(write_layer_file(directory, outcome.diff_id, outcome.bytes));
    shared_[one.job].state.store(LayerState::Done, std::memory_order_release);
    return {};
  }

 public:
  // After all are complete, bottom first.
  Result<> inherit_roots() {
    for (const LayerJob& job : jobs_)
      if (!roots_set_[job.chain] && !job.lower_chains.empty())
        TRY(inherit_root(tree_of(paths_, staging_, job.chain), tree_of(paths_, staging_, job.lower_chains.back())));
    return {};
  }

 private:
  const StorePaths& paths_;
  const std::string& staging_;
  const std::vector<LayerJob>& jobs_;
  SharedLayers shared_;
  std::vector<Running> running_;
  std::map<std::string, bool> roots_set_;
};

}  // namespace

Result<> unpack_layers(const StorePaths& paths, const std::string& staging, const std::vector<LayerJob>& jobs, const UnpackProgress& progress) {
  Unpacking unpacking(paths, staging, jobs, TRY(SharedLayers::make(jobs.size())));
  TRY(unpacking.run(progress));
  return unpacking.inherit_roots();
}

Result<uint64_t> layer_size(const std::string& layer_directory) {
  std::string text = TRY(read_file(layer_directory + "/layer.json"));
  json::value object = TRY(json::parse(text, "layer.json"));
  return static_cast<uint64_t>(json::get_int(object, "size"));
}

Result<ImportedLayer> unpack_import(const std::string& staging, const Fd& input) {
  std::string unnamed = staging + "/layers/import", blob_path = staging + "/import.tar";
  TRY(make_directories(unnamed));
  TRY(make_directories(unnamed + "/fs", 0755));
  Fd directory = TRY(open_file(unnamed + "/fs", O_PATH | O_DIRECTORY | O_NOFOLLOW));
  Fd blob = TRY(open_file(blob_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  std::vector<Fd> no_lowers;
  LayerInput layer{input, no_lowers, [] { return Result<>(); }, {}, &blob, /*end_marker=*/true};
  ReaderProcess reader = TRY(ReaderProcess::start({directory, no_lowers, {input.get(), blob.get()}, [&] { return read_layer(layer); }}));
  std::string answer = TRY(reader.finish());
  LayerOutcome outcome = TRY(parse_outcome(answer));
  TRY(set_opaque_marks(unnamed + "/fs", outcome.opaque));
  TRY(write_layer_file(unnamed, outcome.diff_id, outcome.bytes));
  if (::rename(unnamed.c_str(), (staging + "/layers/" + outcome.diff_id.hex()).c_str()) != 0) return fail_errno("rename", unnamed);
  return ImportedLayer{outcome.diff_id, blob_path, outcome.tar_bytes};
}

}  // namespace hull::image
