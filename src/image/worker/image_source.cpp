#include "image/worker/image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "image/worker/reader_process.h"
#include "image/worker/tar_reader.h"
#include "kernel/rootfd.h"

namespace hull::image {
namespace {

constexpr int kMaxLinkHops = 8;

Compression compression_of(std::string_view head) { return detect_compression(head).value_or(Compression::None); }

// Copies what `next` gives into a new file, hashing it; the first bytes tell the compression.
template <typename Next>
Result<Blob> copy_blob(const Fd& file, std::string path, Next next) {
  Sha256 hash;
  uint64_t size = 0;
  std::string head;
  for (;;) {
    std::span<const unsigned char> data = TRY(next());
    if (data.empty()) break;
    std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    if (head.size() < 8) head += text.substr(0, 8);
    hash.update(data.data(), data.size());
    size += data.size();
    TRY(write_all(file, text, path));
  }
  return Blob{std::move(path), hash.finish(), size, compression_of(head)};
}

// "./blobs/x" and "blobs/x" are one.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const std::string& component : split(name, '/'))
    if (!component.empty() && component != ".") plain += (plain.empty() ? "" : "/") + component;
  return plain;
}

// Runs in the confined reader, whose root is the spool directory: member number N becomes the file N.
Result<std::string> take_apart(const Fd& input) {
  FdSource raw(input, "archive");
  std::unique_ptr<Decompressor> plain = TRY(Decompressor::make(raw));
  TarReader reader(*plain, TarLimits{}, /*end_marker=*/true);
  Fd root = TRY(open_file("/", O_PATH | O_DIRECTORY));
  std::string lines;
  for (int number = 0; std::optional<TarEntry> entry = TRY(reader.next()); ++number) {
    json::object line{{"name", to_hex(reinterpret_cast<const unsigned char*>(entry->path.data()), entry->path.size())}};
    if (entry->type == EntryType::File && !entry->sparse) {
      std::string name = std::to_string(number);
      Fd file = TRY(open_at(root, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
      Blob blob = TRY(copy_blob(file, name, [&] { return reader.read_data(); }));
      line["file"] = blob.path;
      line["digest"] = blob.digest.text();
      line["size"] = blob.size;
      line["compression"] = static_cast<int>(blob.compression);
    } else if (entry->type == EntryType::Symlink || entry->type == EntryType::HardLink) {
      const std::string& target = entry->link_target;
      line["link"] = to_hex(reinterpret_cast<const unsigned char*>(target.data()), target.size());
      line["hard"] = entry->type == EntryType::HardLink;
    } else {
      continue;
    }
    lines += json::to_text(line) + "\n";
  }
  TRY(reader.drain());  // the compressed stream's own end and checksum stand behind the archive's
  return lines;
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t at = 0; at + 1 < hex.size(); at += 2) bytes.push_back(static_cast<char>(digit(hex[at]) * 16 + digit(hex[at + 1])));
  return bytes;
}

class ArchiveSource : public ImageSource {
 public:
  static Result<std::unique_ptr<ImageSource>> open(const Fd& input, const std::string& directory) {
    Fd root = TRY(open_file(directory, O_PATH | O_DIRECTORY));
    std::vector<Fd> none;
    ReaderProcess reader = TRY(ReaderProcess::start({root, none, {input.get()}, [&] { return take_apart(input); }}));
    std::string answer = TRY(reader.finish());
    auto source = std::make_unique<ArchiveSource>();
    for (std::string_view line : split_lines(answer)) TRY(source->add(line, directory));
    return source;
  }

  Result<std::optional<Blob>> get(const std::string& name) override {
    std::string at = plain_name(name);
    for (int hop = 0; hop < kMaxLinkHops; ++hop) {
      if (auto blob = blobs_.find(at); blob != blobs_.end()) return std::optional<Blob>(blob->second);
      auto link = links_.find(at);
      if (link == links_.end()) break;
      at = link->second;
    }
    return std::optional<Blob>();
  }

 private:
  Result<> add(std::string_view line, const std::string& directory) {
    json::value member = TRY(json::parse(line, "archive member"));
    std::string name = plain_name(from_hex(json::get_string(member, "name")));
    if (json::find(member, "link") != nullptr) {
      std::string target = from_hex(json::get_string(member, "link"));
      links_[name] = json::get_bool(member, "hard") ? plain_name(target) : beside(name, target);
      blobs_.erase(name);
      return {};
    }
    int64_t compression = json::get_int(member, "compression");
    Blob blob{directory + "/" + std::to_string(TRY(number_of(member))), TRY(Digest::parse(json::get_string(member, "digest"))),
              static_cast<uint64_t>(json::get_int(member, "size")), compression == 1 ? Compression::Gzip : compression == 2 ? Compression::Zstd : Compression::None};
    links_.erase(name);
    blobs_.insert_or_assign(std::move(name), std::move(blob));
    return {};
  }
  static Result<uint64_t> number_of(const json::value& member) {
    std::optional<uint64_t> number = parse_uint(json::get_string(member, "file"));
    if (!number) return fail(ErrorKind::Corrupt, "archive: its reader gave no sense");
    return *number;
  }
  // Old docker saves link "<id>/layer.tar" to "../<other>/layer.tar". Only a key of a map, never a path.
  static std::string beside(const std::string& name, const std::string& target) {
    std::vector<std::string> parts = split(name, '/');
    parts.pop_back();
    for (const std::string& component : split(target, '/')) {
      if (component == ".." && !parts.empty()) parts.pop_back();
      else if (component != ".." && component != "." && !component.empty()) parts.push_back(component);
    }
    return join(parts, "/");
  }

  std::map<std::string, Blob> blobs_;
  std::map<std::string, std::string> links_;
};

// An OCI layout that stands as a directory; what is taken is copied first, so that it cannot change afterwards.
class DirectorySource : public ImageSource {
 public:
  DirectorySource(kernel::RootFd root, std::string staging) : root_(std::move(root)), staging_(std::move(staging)) {}

  Result<std::optional<Blob>> get(const std::string& name) override {
    if (auto taken = taken_.find(name); taken != taken_.end()) return std::optional<Blob>(taken->second);
    Result<Fd> input = root_.open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!input && input.error().kind() == ErrorKind::NotFound) return std::optional<Blob>();
    if (!input) return fail(std::move(input).error());
    struct stat status;
    if (::fstat(input->get(), &status) != 0) return fail_errno("fstat", name);
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::Unsafe, format("\"{}\" is no regular file", escape_controls(name)));
    std::string path = format("{}/{}", staging_, taken_.size());
    Fd file = TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    std::vector<unsigned char> buffer(256 << 10);
    FdSource source(*input, name);
    auto next = [&]() -> Result<std::span<const unsigned char>> {
      size_t got = TRY(source.read(buffer.data(), buffer.size()));
      return std::span<const unsigned char>(buffer.data(), got);
    };
    Blob blob = TRY(copy_blob(file, path, next));
    taken_.emplace(name, blob);
    return std::optional<Blob>(std::move(blob));
  }

 private:
  kernel::RootFd root_;
  std::string staging_;
  std::map<std::string, Blob> taken_;
};

}  // namespace

Result<std::string> ImageSource::read_document(const std::string& name) {
  std::optional<Blob> blob = TRY(get(name));
  if (!blob) return fail(ErrorKind::Invalid, format("archive: \"{}\" is missing", escape_controls(name)));
  if (blob->size > kMaxDocumentBytes) return fail(ErrorKind::Invalid, format("archive: \"{}\" is larger than 4 MiB", escape_controls(name)));
  return read_file(blob->path, kMaxDocumentBytes);
}

Result<std::unique_ptr<ImageSource>> open_source(const Fd& input, const std::string& staging) {
  std::string directory = staging + "/spool";
  TRY(make_directories(directory));
  struct stat status;
  if (::fstat(input.get(), &status) != 0) return fail_errno("fstat", "input");
  if (S_ISDIR(status.st_mode)) return std::make_unique<DirectorySource>(kernel::RootFd(TRY(input.duplicate())), directory);
  return ArchiveSource::open(input, directory);
}

}  // namespace hull::image
