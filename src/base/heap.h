// The heap of the release build (src/musl/): small pieces from size classes, large ones mapped. For one thread, as hull's
// programs are. What is small is kept for the next of its size and never given back: a command ends soon, and one that
// stays goes round in the same sizes.
//
// Each piece has a header that depends on a secret of this process, on its place and on its length. Who writes past a piece,
// releases one twice, or follows a list that was written to ends the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hull {

class Heap {
 public:
  // `first`, aligned to 16 bytes and zeroed, is used up before anything is mapped.
  constexpr Heap(std::byte* first, size_t size) : at_(first), left_(size) {}

  // Aligned to 16 bytes, also for a size of 0. nullptr with ENOMEM where there is no memory.
  void* allocate(size_t size);
  void* allocate_zeroed(size_t count, size_t size);
  void* allocate_aligned(size_t alignment, size_t size);  // a power of two
  void* resize(void* at, size_t size);                    // realloc(3)
  void release(void* at);
  size_t capacity(const void* at) const;

 private:
  struct Piece;
  struct Found {
    void* at;
    bool zeroed;
  };
  static constexpr size_t kClasses = 60;

  Found find(size_t size);
  Found map_large(size_t size);
  Piece* carve(size_t bytes);
  uint64_t mark(const Piece* piece, uint64_t state) const;
  Piece* piece_of(const void* at) const;
  Piece* used(const void* at) const;

  uint64_t secret_ = 0;
  std::byte* at_;
  size_t left_;
  size_t next_map_ = 512 << 10;  // bytes
  uint64_t free_[kClasses] = {};  // the last released of each class, as an address
};

}  // namespace hull
