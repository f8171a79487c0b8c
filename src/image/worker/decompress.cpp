// gzip by isa-l, zstd by libzstd, behind one buffer that starts with the bytes the format was told by.
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "image/worker/source.h"

namespace hull::image {
namespace {

constexpr size_t kInputBuffer = 128 << 10;
constexpr size_t kMagicBytes = 6;

// The compressed side: a buffer over the source, with what was peeked still in it, and the ratio kept.
class Input {
 public:
  Input(ByteSource& source, RatioLimit limit) : source_(source), limit_(limit), buffer_(kInputBuffer) {}

  Result<size_t> fill() {  // bytes available; 0 at the end
    if (begin_ < end_) return end_ - begin_;
    begin_ = 0;
    end_ = TRY(source_.read(buffer_.data(), buffer_.size()));
    consumed_ += end_;
    return end_;
  }
  // Reads until `want` bytes stand in the buffer or the source ends.
  Result<> peek(size_t want) {
    while (end_ < want) {
      size_t got = TRY(source_.read(buffer_.data() + end_, buffer_.size() - end_));
      if (got == 0) break;
      end_ += got;
      consumed_ += got;
    }
    return {};
  }
  unsigned char* data() { return buffer_.data() + begin_; }
  size_t size() const { return end_ - begin_; }
  void advance(size_t count) { begin_ += count; }

  Result<> count_output(size_t bytes) {
    produced_ += bytes;
    if (produced_ > limit_.floor_bytes && produced_ / limit_.ratio > consumed_)
      return fail(ErrorKind::Unsafe, format("archive: a decompression bomb: {} bytes out of {} (more than {}:1)", produced_,
                                            consumed_, limit_.ratio));
    return {};
  }

 private:
  ByteSource& source_;
  RatioLimit limit_;
  std::vector<unsigned char> buffer_;
  size_t begin_ = 0, end_ = 0;
  uint64_t consumed_ = 0, produced_ = 0;
};

class PlainStream : public Decompressor {
 public:
  explicit PlainStream(std::unique_ptr<Input> input) : input_(std::move(input)) {}
  Compression compression() const override { return Compression::None; }
  Result<size_t> read(unsigned char* buffer, size_t size) override {
    size_t part = std::min(size, TRY(input_->fill()));
    std::memcpy(buffer, input_->data(), part);
    input_->advance(part);
    return part;
  }

 private:
  std::unique_ptr<Input> input_;
};

class GzipStream : public Decompressor {
 public:
  explicit GzipStream(std::unique_ptr<Input> input) : input_(std::move(input)) { start_member(); }
  Compression compression() const override { return Compression::Gzip; }

  Result<size_t> read(unsigned char* buffer, size_t size) override {
    if (ended_) return 0;
    state_.next_out = buffer;
    state_.avail_out = static_cast<uint32_t>(std::min<size_t>(size, 1 << 30));
    const uint32_t wanted = state_.avail_out;
    while (state_.avail_out == wanted) {
      size_t available = TRY(input_->fill());
      if (member_done_) {
        if (available == 0 || input_->data()[0] == 0) { ended_ = true; break; }  // the end, or zero padding after it
        if (++members_ > kMaxGzipMembers) return fail(ErrorKind::Unsafe, "archive: endless gzip members");
        start_member_keeping_output();
      }
      uint32_t room = state_.avail_out;
      TRY(inflate_some(available));  // without input too: isa-l may still hold output
      if (available == 0 && state_.avail_out == room && !member_done_)
        return fail(ErrorKind::Corrupt, "archive: the gzip stream is truncated");
    }
    size_t got = wanted - state_.avail_out;
    TRY(input_->count_output(got));
    return got;
  }

 private:
  void start_member() {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
    member_done_ = false;
  }
  void start_member_keeping_output() {
    unsigned char* out = state_.next_out;
    uint32_t room = state_.avail_out;
    start_member();
    state_.next_out = out;
    state_.avail_out = room;
  }
  Result<> inflate_some(size_t available) {
    state_.next_in = input_->data();
    state_.avail_in = static_cast<uint32_t>(available);
    int code = isal_inflate(&state_);
    input_->advance(available - state_.avail_in);
    bool going = code == ISAL_DECOMP_OK || code == ISAL_END_INPUT || code == ISAL_OUT_OVERFLOW;
    if (!going) return fail(ErrorKind::Corrupt, format("archive: the gzip stream is corrupt (isa-l {})", code));
    if (state_.block_state == ISAL_BLOCK_FINISH) member_done_ = true;
    return {};
  }

  std::unique_ptr<Input> input_;
  inflate_state state_;
  uint64_t members_ = 1;
  bool member_done_ = false, ended_ = false;
};

class ZstdStream : public Decompressor {
 public:
  explicit ZstdStream(std::unique_ptr<Input> input) : input_(std::move(input)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }
  Compression compression() const override { return Compression::Zstd; }

  Result<size_t> read(unsigned char* buffer, size_t size) override {
    ZSTD_outBuffer out{buffer, size, 0};
    while (out.pos == 0) {
      size_t available = TRY(input_->fill());
      if (available == 0 && frame_ended_) return 0;
      ZSTD_inBuffer in{input_->data(), available, 0};
      size_t code = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(code) != 0)
        return fail(ErrorKind::Corrupt, format("archive: the zstd stream is corrupt or beyond the limits: {}", ZSTD_getErrorName(code)));
      input_->advance(in.pos);
      frame_ended_ = code == 0;
      if (available == 0 && out.pos == 0 && !frame_ended_) return fail(ErrorKind::Corrupt, "archive: the zstd stream is truncated");
    }
    TRY(input_->count_output(out.pos));
    return out.pos;
  }

 private:
  std::unique_ptr<Input> input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  bool frame_ended_ = true;
};

}  // namespace

Result<std::unique_ptr<Decompressor>> Decompressor::make(ByteSource& source, RatioLimit limit) {
  auto input = std::make_unique<Input>(source, limit);
  TRY(input->peek(kMagicBytes));
  std::string_view head(reinterpret_cast<const char*>(input->data()), input->size());
  switch (TRY(detect_compression(head))) {
    case Compression::Gzip: return std::make_unique<GzipStream>(std::move(input));
    case Compression::Zstd: return std::make_unique<ZstdStream>(std::move(input));
    case Compression::None: break;
  }
  return std::make_unique<PlainStream>(std::move(input));
}

}  // namespace hull::image
