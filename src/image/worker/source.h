// Byte streams in a row: a descriptor, what was compressed in it, a digest taken in passing. Each bounds what it gives.
#pragma once

#include <functional>
#include <memory>

#include "base/fd.h"
#include "image/limits.h"
#include "image/worker/sha256.h"

namespace hull::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes; 0 at the end.
  virtual Result<size_t> read(unsigned char* buffer, size_t size) = 0;
};

// A descriptor (borrowed), counted and hashed.
class FdSource : public ByteSource {
 public:
  explicit FdSource(const Fd& fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  Result<size_t> read(unsigned char* buffer, size_t size) override;
  uint64_t count() const { return count_; }
  Digest digest() { return hash_.finish(); }  // of all that was read; once
  std::function<void(uint64_t)> on_progress;

 private:
  const Fd& fd_;
  std::string name_;
  uint64_t count_ = 0;
  Sha256 hash_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view data) : data_(data) {}
  Result<size_t> read(unsigned char* buffer, size_t size) override;

 private:
  std::string_view data_;
};

enum class Compression { None, Gzip, Zstd };
// By magic number; xz and bzip2 are Unsupported with a word on what to do.
Result<Compression> detect_compression(std::string_view head);

// Whatever `input` holds, decompressed: gzip (any number of members), zstd (any number of frames), or as it is. Fails as
// Unsafe when the output outgrows the input beyond the ratio. `input` is borrowed.
class Decompressor : public ByteSource {
 public:
  static Result<std::unique_ptr<Decompressor>> make(ByteSource& input, RatioLimit limit = {});
  virtual Compression compression() const = 0;
};

// Hashes and hands on what passes; optionally writes it to a descriptor.
class TeeSource : public ByteSource {
 public:
  explicit TeeSource(ByteSource& input, const Fd* copy = nullptr) : input_(input), copy_(copy) {}
  Result<size_t> read(unsigned char* buffer, size_t size) override;
  Digest digest() { return hash_.finish(); }
  uint64_t count() const { return count_; }

 private:
  ByteSource& input_;
  const Fd* copy_;
  uint64_t count_ = 0;
  Sha256 hash_;
};

}  // namespace hull::image
