// The four ways a tar says that a file has holes: GNU's old header, and PAX 0.0, 0.1 and 1.0.
#include <algorithm>

#include "base/text.h"
#include "image/worker/tar_reader.h"

namespace hull::image {
namespace {

tl::unexpected<Error> bad_map(const TarEntry& entry) {
  return fail(ErrorKind::Corrupt, format("tar: \"{}\" has a bad map of its holes", escape_controls(entry.path.substr(0, 256))));
}

constexpr size_t kOldSparseOffset = 386, kOldSparseSegments = 4, kOldExtended = 482, kOldRealSize = 483;
constexpr size_t kExtensionSegments = 21, kExtensionMore = 504, kNumber = 12;

}  // namespace

Result<> TarReader::add_segment(TarEntry& entry, uint64_t offset, uint64_t length) {
  if (entry.segments.size() >= limits_.max_sparse_segments)
    return fail(ErrorKind::Unsafe, format("tar: segments of a sparse file beyond the limit of {}", limits_.max_sparse_segments));
  uint64_t end = 0;
  if (__builtin_add_overflow(offset, length, &end) || end > INT64_MAX) return bad_map(entry);
  uint64_t last = entry.segments.empty() ? 0 : entry.segments.back().offset + entry.segments.back().length;
  if (offset < last) return bad_map(entry);
  entry.segments.push_back({offset, length});
  return {};
}

// The segments' bytes are the stored ones, and all lie in the file.
Result<> TarReader::finish_sparse(TarEntry& entry) {
  uint64_t stored = 0;
  for (const SparseSegment& segment : entry.segments) stored += segment.length;
  if (stored != entry.stored_size) return bad_map(entry);
  if (!entry.segments.empty() && entry.segments.back().offset + entry.segments.back().length > entry.apparent_size) return bad_map(entry);
  entry.sparse = true;
  return {};
}

Result<> TarReader::read_old_sparse(TarEntry& entry) {
  auto take = [&](const unsigned char* at, size_t count) -> Result<> {
    for (size_t i = 0; i < count; ++i, at += 2 * kNumber) {
      if (at[0] == 0) break;
      std::optional<int64_t> offset = parse_tar_number(at, kNumber), length = parse_tar_number(at + kNumber, kNumber);
      if (!offset || !length || *offset < 0 || *length < 0) return bad_map(entry);
      TRY(add_segment(entry, static_cast<uint64_t>(*offset), static_cast<uint64_t>(*length)));
    }
    return {};
  };
  std::optional<int64_t> real_size = parse_tar_number(header_block_ + kOldRealSize, kNumber);
  if (!real_size || *real_size < 0) return bad_map(entry);
  entry.apparent_size = static_cast<uint64_t>(*real_size);
  TRY(take(header_block_ + kOldSparseOffset, kOldSparseSegments));
  for (bool more = header_block_[kOldExtended] != 0; more;) {
    if (!TRY(fill(kTarBlock))) return fail(ErrorKind::Corrupt, "tar: the archive is truncated inside a sparse map");
    const unsigned char* block = buffer_.data() + begin_;
    more = block[kExtensionMore] != 0;
    begin_ += kTarBlock;
    size_t before = entry.segments.size();
    TRY(take(block, kExtensionSegments));
    if (more && entry.segments.size() == before) return bad_map(entry);
  }
  return finish_sparse(entry);
}

Result<> TarReader::read_pax_sparse(TarEntry& entry, const std::map<std::string, std::string>& pax) {
  auto find = [&](const char* key) { auto at = pax.find(key); return at == pax.end() ? nullptr : &at->second; };
  const std::string* real_size = find("GNU.sparse.realsize");
  if (real_size == nullptr) real_size = find("GNU.sparse.size");
  const std::string* map = find("GNU.sparse.map");
  const std::string* major = find("GNU.sparse.major");
  if (map == nullptr && major == nullptr) return {};
  if (real_size == nullptr || entry.type != EntryType::File) return bad_map(entry);
  std::optional<uint64_t> size = parse_uint(*real_size, 0, INT64_MAX);
  if (!size) return bad_map(entry);
  entry.apparent_size = *size;
  if (major != nullptr && *major != "0") {
    if (*major != "1") return bad_map(entry);
    TRY(read_sparse_map_1_0(entry));
    return finish_sparse(entry);
  }
  if (map == nullptr) return bad_map(entry);
  std::vector<std::string> numbers = split(*map, ',');
  if (numbers.size() % 2 != 0) return bad_map(entry);
  for (size_t at = 0; at + 1 < numbers.size(); at += 2) {
    std::optional<uint64_t> offset = parse_uint(numbers[at]), length = parse_uint(numbers[at + 1]);
    if (!offset || !length) return bad_map(entry);
    TRY(add_segment(entry, *offset, *length));
  }
  return finish_sparse(entry);
}

// The map stands before the data, as decimal lines in whole blocks: count, then offset and length of each segment.
Result<> TarReader::read_sparse_map_1_0(TarEntry& entry) {
  std::string line;
  uint64_t consumed = 0;
  auto next_number = [&]() -> Result<uint64_t> {
    line.clear();
    for (;;) {
      if (data_left_ == 0) return bad_map(entry);
      if (!TRY(fill(1))) return fail(ErrorKind::Corrupt, "tar: the archive is truncated inside a sparse map");
      char c = static_cast<char>(buffer_[begin_++]);
      --data_left_;
      ++consumed;
      if (c == '\n') break;
      line.push_back(c);
      if (line.size() > 20) return bad_map(entry);
    }
    std::optional<uint64_t> number = parse_uint(line);
    if (!number) return bad_map(entry);
    return *number;
  };
  uint64_t count = TRY(next_number());
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t offset = TRY(next_number());
    uint64_t length = TRY(next_number());
    TRY(add_segment(entry, offset, length));
  }
  uint64_t rest = (kTarBlock - consumed % kTarBlock) % kTarBlock;
  if (rest > data_left_ || !TRY(fill(rest))) return bad_map(entry);
  begin_ += rest;
  data_left_ -= rest;
  entry.stored_size = data_left_;
  return {};
}

}  // namespace hull::image
