#include "shim/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/text.h"

namespace hull::shim {
namespace {

char line_buffers[2][kMaxLine];   // lines that have not ended yet
char out_buffer[32 << 10];        // records on their way to the file
constexpr size_t kPiece = 1024;   // escaped at a time

constexpr const char* kStreamNames[] = {"stdout", "stderr"};

}  // namespace

bool Log::open(int directory, const char* name, int64_t max_size, int64_t max_files) {
  directory_ = directory, name_ = name, max_size_ = max_size, max_files_ = max_files;
  return open_file(0);
}

// The name is fixed and the directory is ours; a link put in its place is refused (SECURITY G5).
bool Log::open_file(int extra_flags) {
  fd_ = openat(directory_, name_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | extra_flags, 0640);
  struct stat status;
  size_ = fd_ >= 0 && fstat(fd_, &status) == 0 ? status.st_size : 0;
  return fd_ >= 0;
}

void Log::write(int stream, const char* data, size_t size) {
  if (fd_ < 0) return;
  char* line = line_buffers[stream];
  size_t& filled = line_sizes_[stream];
  while (size > 0) {
    const char* newline = static_cast<const char*>(memchr(data, '\n', size));
    size_t take = newline ? static_cast<size_t>(newline - data) : size;
    if (take > kMaxLine - filled) take = kMaxLine - filled, newline = nullptr;
    memcpy(line + filled, data, take);
    filled += take, data += take, size -= take;
    if (newline) {
      put_line(stream, true);
      ++data, --size;
    } else if (filled == kMaxLine) {
      put_line(stream, false);
    }
  }
  flush();
}

void Log::finish(int stream) {
  if (fd_ < 0 || line_sizes_[stream] == 0) return;
  put_line(stream, false);
  flush();
}

void Log::put_line(int stream, bool ended) {
  put_bytes("{\"log\":\"", 8);
  char escaped[kPiece * 6];
  size_t left = line_sizes_[stream];
  for (const char* at = line_buffers[stream]; left > 0;) {
    size_t piece = left < kPiece ? left : kPiece;
    // A piece must not end inside a UTF-8 sequence; at most three bytes go to the next one.
    if (piece < left)
      for (int back = 0; back < 3 && piece > 1 && (at[piece] & 0xc0) == 0x80; ++back) --piece;
    put_bytes(escaped, escape_json(at, piece, escaped));
    at += piece, left -= piece;
  }
  line_sizes_[stream] = 0;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  char tail[96];
  Text text(tail, sizeof tail);
  text.add(ended ? "\\n" : "").add("\",\"stream\":\"").add(kStreamNames[stream]).add("\",\"time\":\"").add_time(now);
  text.add("\"}\n");
  put_bytes(text.data(), text.size());
  if (max_size_ > 0 && size_ + static_cast<int64_t>(buffered_) >= max_size_) {
    flush();
    rotate();
  }
}

void Log::put_bytes(const char* bytes, size_t size) {
  if (size > sizeof out_buffer - buffered_) flush();
  memcpy(out_buffer + buffered_, bytes, size);
  buffered_ += size;
}

// A record that does not fit on the disk is dropped whole as far as possible: the file is cut back to what it was.
void Log::flush() {
  size_t done = 0;
  while (fd_ >= 0 && done < buffered_) {
    ssize_t put = ::write(fd_, out_buffer + done, buffered_ - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      if (done > 0 && ftruncate(fd_, size_) != 0) break;
      done = 0;
      break;
    }
    done += static_cast<size_t>(put);
  }
  size_ += static_cast<int64_t>(done);
  buffered_ = 0;
}

// NAME.1 is the newest old file. With one file the log is begun anew.
void Log::rotate() {
  char from[160], to[160];
  close(fd_);
  for (int64_t i = max_files_ - 1; i > 0; --i) {
    Text source(from, sizeof from), target(to, sizeof to);
    source.add(name_);
    if (i > 1) source.add(".").add_number(i - 1);
    target.add(name_).add(".").add_number(i);
    renameat(directory_, source.c_str(), directory_, target.c_str());
  }
  open_file(max_files_ > 1 ? 0 : O_TRUNC);
}

}  // namespace hull::shim
