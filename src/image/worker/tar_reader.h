// A tar stream as entries: ustar, GNU (long names, sparse), PAX (1.0 sparse too), read front to back within limits.
// It gives names as they stand in the archive; what they may do is decided where they are applied (layer_tree.h).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/limits.h"
#include "image/worker/source.h"
#include "image/worker/tar_header.h"

namespace hull::image {

enum class EntryType { File, HardLink, Symlink, CharDevice, BlockDevice, Directory, Fifo };

struct SparseSegment { uint64_t offset = 0, length = 0; };

struct TarEntry {
  EntryType type = EntryType::File;
  std::string path, link_target;
  uint32_t mode = 0, uid = 0, gid = 0;
  uint32_t device_major = 0, device_minor = 0;
  PaxTime mtime;
  uint64_t stored_size = 0;    // bytes of data that follow in the stream
  uint64_t apparent_size = 0;  // of the file once written
  bool sparse = false;
  std::vector<SparseSegment> segments;  // where the stored bytes go, in order; only if sparse
  std::vector<std::pair<std::string, std::string>> xattrs;
};

class TarReader {
 public:
  // With `end_marker`, a stream that stops without the two zero blocks is Corrupt: nothing else tells that it is whole.
  TarReader(ByteSource& source, TarLimits limits, bool end_marker);

  // The next entry, nothing at the end. Data of the last one that was not read is skipped.
  Result<std::optional<TarEntry>> next();
  // The next stretch of the entry's stored data; empty at its end. Valid until the next call.
  Result<std::span<const unsigned char>> read_data();
  // Reads what follows the archive's end, so that a digest covers the whole stream.
  Result<> drain();

 private:
  struct Meta {  // what the headers before an entry say about it
    std::optional<std::string> long_name, long_link;
    std::map<std::string, std::string> pax;
  };

  Result<bool> fill(size_t want);  // false when the stream ends before `want` bytes
  Result<std::optional<TarHeader>> next_header();
  Result<std::string> read_text(uint64_t size, std::string_view what);
  Result<bool> take_meta(const TarHeader& header, Meta& meta);
  Result<TarEntry> make_entry(const TarHeader& header, Meta& meta);
  Result<> apply_pax(TarEntry& entry, const std::map<std::string, std::string>& pax);
  Result<> read_old_sparse(TarEntry& entry);
  Result<> read_pax_sparse(TarEntry& entry, const std::map<std::string, std::string>& pax);
  Result<> read_sparse_map_1_0(TarEntry& entry);
  Result<> add_segment(TarEntry& entry, uint64_t offset, uint64_t length);
  Result<> finish_sparse(TarEntry& entry);
  Result<> check(const TarEntry& entry);

  ByteSource& source_;
  TarLimits limits_;
  bool end_marker_;
  std::vector<unsigned char> buffer_;
  size_t begin_ = 0, end_ = 0;
  uint64_t data_left_ = 0, padding_ = 0;
  uint64_t entries_ = 0, total_bytes_ = 0;
  unsigned char header_block_[kTarBlock];
  bool ended_ = false;
};

}  // namespace hull::image
