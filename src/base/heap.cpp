#include "base/heap.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace hull {
namespace {

constexpr size_t kAlignment = 16, kPage = 4096, kLargestMap = 8 << 20;
constexpr size_t kFine = 512, kLargest = 64 << 10;  // classes 16 bytes apart, then four for each power of two
constexpr uint64_t kUsed = 0x51ed, kFree = 0xf4ee, kInner = 0x1117;

size_t class_of(size_t size) {
  if (size <= kFine) return size == 0 ? 0 : (size - 1) / kAlignment;
  size_t power = std::bit_width(size - 1) - 1;  // 2^power < size
  return kFine / kAlignment + (power - std::bit_width(kFine) + 1) * 4 + ((size - 1 - (size_t{1} << power)) >> (power - 2));
}

size_t bytes_of(size_t index) {
  if (index < kFine / kAlignment) return (index + 1) * kAlignment;
  index -= kFine / kAlignment;
  size_t power = std::bit_width(kFine) - 1 + index / 4;
  return (size_t{1} << power) + (index % 4 + 1) * (size_t{1} << (power - 2));
}

size_t round_up(size_t size, size_t to) { return (size + to - 1) & ~(to - 1); }

[[noreturn]] void damaged() {
  constexpr char kText[] = "hull: the heap is damaged: a fault in hull; please report it\n";
  (void)!::write(2, kText, sizeof kText - 1);
  __builtin_trap();
}

uint64_t secret_of_this_process() {
  uint64_t random[2] = {};
  if (unsigned long at = ::getauxval(AT_RANDOM); at != 0) std::memcpy(random, reinterpret_cast<const void*>(at), sizeof random);
  return random[1];  // the first is the stack protector's
}

void* no_memory() {
  errno = ENOMEM;
  return nullptr;
}

}  // namespace

// What stands before the bytes that a caller is given.
struct Heap::Piece {
  uint64_t bytes;  // the caller's; of an inner piece: how far before the caller's bytes the piece proper has its own
  uint64_t mark;

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};

uint64_t Heap::mark(const Piece* piece, uint64_t state) const {
  return (secret_ ^ reinterpret_cast<uintptr_t>(piece)) + (piece->bytes + state) * 0x9e3779b97f4a7c15;
}

Heap::Piece* Heap::piece_of(const void* at) const {
  if (reinterpret_cast<uintptr_t>(at) % kAlignment != 0) damaged();
  return static_cast<Piece*>(const_cast<void*>(at)) - 1;
}

// The piece proper of a caller's bytes.
Heap::Piece* Heap::used(const void* at) const {
  Piece* piece = piece_of(at);
  if (piece->mark == mark(piece, kUsed)) return piece;
  if (piece->mark != mark(piece, kInner)) damaged();
  piece = piece_of(static_cast<const std::byte*>(at) - piece->bytes);
  if (piece->mark != mark(piece, kUsed)) damaged();
  return piece;
}

// New from the memory that nobody has had yet, which is zeroed.
Heap::Piece* Heap::carve(size_t bytes) {
  size_t whole = sizeof(Piece) + bytes;
  if (left_ < whole) {
    void* map = ::mmap(nullptr, next_map_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return nullptr;
    at_ = static_cast<std::byte*>(map);
    left_ = next_map_;
    if (next_map_ < kLargestMap) next_map_ *= 2;
  }
  Piece* piece = reinterpret_cast<Piece*>(at_);
  at_ += whole;
  left_ -= whole;
  piece->bytes = bytes;
  return piece;
}

Heap::Found Heap::map_large(size_t size) {
  if (size > PTRDIFF_MAX - kPage) return {no_memory(), false};
  size_t whole = round_up(sizeof(Piece) + size, kPage);
  void* map = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return {no_memory(), false};
  Piece* piece = static_cast<Piece*>(map);
  piece->bytes = whole - sizeof(Piece);
  piece->mark = mark(piece, kUsed);
  return {piece->data(), true};
}

Heap::Found Heap::find(size_t size) {
  if (secret_ == 0) secret_ = secret_of_this_process() | 1;
  if (size > kLargest) return map_large(size);
  size_t index = class_of(size);
  Piece* piece = reinterpret_cast<Piece*>(free_[index]);
  bool fresh = piece == nullptr;
  if (fresh) {
    piece = carve(bytes_of(index));
    if (piece == nullptr) return {no_memory(), false};
  } else {
    if (piece->mark != mark(piece, kFree)) damaged();
    uint64_t next;
    std::memcpy(&next, piece->data(), sizeof next);
    free_[index] = next ^ secret_ ^ reinterpret_cast<uintptr_t>(piece);
    if (free_[index] % kAlignment != 0) damaged();
  }
  piece->mark = mark(piece, kUsed);
  return {piece->data(), fresh};
}

void* Heap::allocate(size_t size) { return find(size).at; }

void* Heap::allocate_zeroed(size_t count, size_t size) {
  size_t whole;
  if (__builtin_mul_overflow(count, size, &whole)) return no_memory();
  Found found = find(whole);
  if (found.at != nullptr && !found.zeroed) std::memset(found.at, 0, whole);
  return found.at;
}

void* Heap::allocate_aligned(size_t alignment, size_t size) {
  if (alignment <= kAlignment) return allocate(size);
  size_t room = alignment + sizeof(Piece);
  if (!std::has_single_bit(alignment) || size > PTRDIFF_MAX - room) return no_memory();
  auto* outer = static_cast<std::byte*>(allocate(size + room));
  if (outer == nullptr) return nullptr;
  auto* inner = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<uintptr_t>(outer) + sizeof(Piece), alignment));
  Piece* piece = piece_of(inner);
  piece->bytes = static_cast<uint64_t>(inner - outer);
  piece->mark = mark(piece, kInner);
  return inner;
}

size_t Heap::capacity(const void* at) const {
  if (at == nullptr) return 0;
  Piece* piece = used(at);
  return piece->bytes - static_cast<size_t>(static_cast<const std::byte*>(at) - piece->data());
}

void* Heap::resize(void* at, size_t size) {
  if (at == nullptr) return allocate(size);
  Piece* piece = used(at);
  size_t had = capacity(at);
  bool plain = piece->data() == at;
  if (plain && had > kLargest && size > kLargest && size <= PTRDIFF_MAX - kPage) {
    size_t whole = round_up(sizeof(Piece) + size, kPage);
    void* map = ::mremap(piece, sizeof(Piece) + piece->bytes, whole, MREMAP_MAYMOVE);
    if (map == MAP_FAILED) return no_memory();
    piece = static_cast<Piece*>(map);
    piece->bytes = whole - sizeof(Piece);
    piece->mark = mark(piece, kUsed);
    return piece->data();
  }
  if (size <= had && had <= kLargest) return at;
  void* moved = allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, at, size < had ? size : had);
  release(at);
  return moved;
}

void Heap::release(void* at) {
  if (at == nullptr) return;
  Piece* piece = used(at);
  if (piece->bytes > kLargest) {
    int error = errno;  // free(3) leaves it
    ::munmap(piece, sizeof(Piece) + piece->bytes);
    errno = error;
    return;
  }
  size_t index = class_of(piece->bytes);
  uint64_t next = free_[index] ^ secret_ ^ reinterpret_cast<uintptr_t>(piece);
  std::memcpy(piece->data(), &next, sizeof next);
  piece->mark = mark(piece, kFree);
  free_[index] = reinterpret_cast<uintptr_t>(piece);
}

}  // namespace hull
