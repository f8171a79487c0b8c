#include "image/worker/source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace hull::image {

Result<size_t> FdSource::read(unsigned char* buffer, size_t size) {
  ssize_t got;
  do got = ::read(fd_.get(), buffer, size);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("read", name_);
  hash_.update(buffer, static_cast<size_t>(got));
  count_ += static_cast<uint64_t>(got);
  if (on_progress) on_progress(count_);
  return static_cast<size_t>(got);
}

Result<size_t> MemorySource::read(unsigned char* buffer, size_t size) {
  size_t part = std::min(size, data_.size());
  std::memcpy(buffer, data_.data(), part);
  data_.remove_prefix(part);
  return part;
}

Result<size_t> TeeSource::read(unsigned char* buffer, size_t size) {
  size_t got = TRY(input_.read(buffer, size));
  hash_.update(buffer, got);
  count_ += got;
  if (copy_ != nullptr) TRY(write_all(*copy_, {reinterpret_cast<const char*>(buffer), got}, "layer blob"));
  return got;
}

Result<Compression> detect_compression(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.starts_with("\x1f\x8b"sv)) return Compression::Gzip;
  if (head.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::Zstd;
  if (head.starts_with("\xfd"
                       "7zXZ\0"sv))
    return fail(ErrorKind::Unsupported, "archive: compressed with xz; decompress it first: xz -dc FILE | hull load");
  if (head.starts_with("BZh"sv))
    return fail(ErrorKind::Unsupported, "archive: compressed with bzip2; decompress it first: bzip2 -dc FILE | hull load");
  return Compression::None;
}

}  // namespace hull::image
