// A layer's stream from a stranger: decompression, tar headers, PAX records, sparse maps and names. No crash, bounded
// output, and what is accepted keeps the promises that layer_tree.cpp builds on.
#include <cstdint>
#include <cstdlib>

#include "image/worker/layer_path.h"
#include "image/worker/tar_reader.h"

using namespace hull::image;

static void check(bool holds) {
  if (!holds) abort();
}

static void check_entry(const TarEntry& entry, const TarLimits& limits) {
  check(entry.path.size() <= limits.max_path_bytes && entry.path.find('\0') == std::string::npos);
  check(entry.apparent_size <= limits.max_file_bytes && entry.uid != UINT32_MAX && entry.gid != UINT32_MAX);
  uint64_t last = 0;
  for (const SparseSegment& segment : entry.segments) {
    check(segment.offset >= last);
    last = segment.offset + segment.length;
  }
  check(!entry.sparse || last <= entry.apparent_size);
  auto path = parse_layer_path(entry.path, limits);
  if (!path) return;
  for (const std::string& name : path->parents) check(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos);
  check(path->name != "." && path->name != ".." && path->name.find('/') == std::string::npos);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  TarLimits limits;
  limits.max_entries = 1000;
  limits.max_total_bytes = 1 << 24;
  MemorySource source({reinterpret_cast<const char*>(data), size});
  auto plain = Decompressor::make(source, RatioLimit{200, 1 << 22});
  if (!plain) return 0;
  TarReader reader(**plain, limits, /*end_marker=*/false);
  for (;;) {
    auto entry = reader.next();
    if (!entry || !*entry) break;
    check_entry(**entry, limits);
    uint64_t got = 0;
    for (;;) {
      auto part = reader.read_data();
      if (!part || part->empty()) break;
      got += part->size();
    }
    check(got <= (*entry)->stored_size);
  }
  (void)reader.drain();
  return 0;
}
