// Every bound on what an archive or an image document may ask of us (SECURITY D6, U4), in one place. Unit tests stand
// at each limit and one beyond.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hull::image {

inline constexpr size_t kMaxDocumentBytes = 4 << 20;   // manifest, index, configuration, manifest.json
inline constexpr size_t kMaxLayers = 256;              // per image; overlay itself stops at 500
inline constexpr size_t kMaxImagesPerArchive = 1024;
inline constexpr size_t kMaxHistoryText = 1 << 20;

// One tar stream; a struct so that tests can set small ones.
struct TarLimits {
  uint64_t max_entries = 1 << 20;
  uint64_t max_total_bytes = uint64_t{64} << 30;       // data written, all entries
  uint64_t max_file_bytes = uint64_t{1} << 40;         // apparent size: lastlog of a big uid is sparse and huge
  uint64_t max_sparse_segments = 1 << 17;
  size_t max_path_bytes = 4095;                        // PATH_MAX without the zero
  size_t max_name_bytes = 255;                         // one component
  size_t max_depth = 256;                              // components
  size_t max_pax_bytes = 1 << 20;                      // one extended header
  size_t max_xattr_bytes = 64 << 10;                   // one value: the kernel's XATTR_SIZE_MAX
  size_t max_xattrs = 128;                             // per entry
};

// Decompression: refused when the output exceeds `ratio` times the input, once the output passes the floor. Real layers
// stay under 20; a gzip of zeros has 1030, zstd 31000.
struct RatioLimit {
  uint64_t ratio = 200;
  uint64_t floor_bytes = uint64_t{256} << 20;
};
inline constexpr int kMaxZstdWindowLog = 27;
inline constexpr uint64_t kMaxGzipMembers = 1 << 20;
inline constexpr uint64_t kWorkerAddressSpace = uint64_t{1} << 30;  // RLIMIT_AS of a confined reader

}  // namespace hull::image
