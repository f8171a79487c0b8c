// The container's log as docker's json-file driver writes it: one JSON object per line of output, lines cut at
// 16 KiB, rotation by size. Buffers are static; a full disk loses lines, never the container.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

namespace hull::shim {

constexpr size_t kMaxLine = 16 << 10;

class Log {
 public:
  // Opens NAME in the directory; false (and no log) if that is refused. A limit of 0 is none.
  bool open(int directory, const char* name, int64_t max_size, int64_t max_files);
  // What the container wrote to stdout (0) or stderr (1). Complete lines reach the file before this returns.
  void write(int stream, const char* data, size_t size);
  // Writes the unfinished line of a stream that has ended.
  void finish(int stream);

 private:
  void put_line(int stream, bool ended);
  void put_bytes(const char* bytes, size_t size);
  void flush();
  bool open_file(int extra_flags);
  void rotate();

  int directory_ = -1, fd_ = -1;
  const char* name_ = nullptr;
  int64_t max_size_ = 0, max_files_ = 1, size_ = 0;
  size_t buffered_ = 0;
  size_t line_sizes_[2] = {0, 0};
};

// Writes `size` bytes as the inside of a JSON string, as docker's encoder does: <, > and & and control characters
// as \u00XX, invalid UTF-8 as U+FFFD, U+2028 and U+2029 escaped. Returns the bytes put into `out` (at most 6 per byte).
size_t escape_json(const char* bytes, size_t size, char* out);

}  // namespace hull::shim
