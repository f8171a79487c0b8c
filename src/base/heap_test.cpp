#include "base/heap.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <random>

namespace hull {
namespace {

alignas(16) std::byte first[64 << 10];

bool is_filled(const void* at, size_t size, unsigned char with) {
  const auto* bytes = static_cast<const unsigned char*>(at);
  for (size_t i = 0; i < size; ++i)
    if (bytes[i] != with) return false;
  return true;
}

TEST(Heap, PiecesOfAllSizesKeepTheirBytesWhateverElseIsDone) {
  Heap heap(first, sizeof first);
  std::mt19937 random(7);
  struct Held {
    size_t size;
    unsigned char with;
  };
  std::map<void*, Held> held;
  auto any_size = [&] { return random() % 3 == 0 ? random() % 200000 : random() % 1500; };
  auto keep = [&](void* at, size_t size) {
    ASSERT_NE(at, nullptr);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % 16, 0u);
    ASSERT_GE(heap.capacity(at), size);
    auto with = static_cast<unsigned char>(random());
    std::memset(at, with, size);
    ASSERT_TRUE(held.emplace(at, Held{size, with}).second) << "given twice";
  };
  for (int i = 0; i < 60000; ++i) {
    unsigned what = random() % 8;
    size_t size = any_size();
    if (held.size() < 200 && what < 4) {
      if (what == 0) {
        void* at = heap.allocate_zeroed(size, 1);
        ASSERT_TRUE(is_filled(at, size, 0));
        keep(at, size);
      } else if (what == 1) {
        size_t alignment = size_t{1} << (random() % 13);
        void* at = heap.allocate_aligned(alignment, size);
        ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % alignment, 0u);
        keep(at, size);
      } else {
        keep(heap.allocate(size), size);
      }
    } else if (!held.empty()) {
      auto one = std::next(held.begin(), static_cast<long>(random() % held.size()));
      auto [at, was] = *one;
      ASSERT_TRUE(is_filled(at, was.size, was.with)) << was.size;
      held.erase(one);
      if (what % 2 == 0) {
        heap.release(at);
      } else {
        void* moved = heap.resize(at, size);
        ASSERT_TRUE(is_filled(moved, std::min(size, was.size), was.with));
        keep(moved, size);
      }
    }
  }
  for (auto [at, was] : held) heap.release(at);
}

TEST(Heap, WhatIsReleasedIsGivenToTheNextOfItsSize) {
  Heap heap(first, sizeof first);
  std::memset(first, 0, sizeof first);
  for (size_t size : {0, 1, 16, 17, 512, 513, 640, 641, 1024, 1025, 60000, 65536}) {
    void* at = heap.allocate(size);
    heap.release(at);
    EXPECT_EQ(heap.allocate(size), at) << size;
  }
}

TEST(Heap, WhatCannotBeHadIsRefused) {
  Heap heap(first, sizeof first);
  for (void* at : {heap.allocate(SIZE_MAX), heap.allocate(PTRDIFF_MAX), heap.allocate_zeroed(SIZE_MAX / 2, 3),
                   heap.allocate_aligned(4096, SIZE_MAX), heap.allocate_aligned(48, 1)}) {
    EXPECT_EQ(at, nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
  void* large = heap.allocate(100000);
  EXPECT_EQ(heap.resize(large, PTRDIFF_MAX), nullptr);
  heap.release(large);
  heap.release(nullptr);
  EXPECT_EQ(heap.capacity(nullptr), 0u);
}

using HeapDeathTest = testing::Test;

TEST(HeapDeathTest, DamageEndsTheProcess) {
  Heap heap(first, sizeof first);
  EXPECT_DEATH({ void* at = heap.allocate(40); heap.release(at); heap.release(at); }, "heap is damaged");
  EXPECT_DEATH({ auto* at = static_cast<char*>(heap.allocate(40)); (void)heap.allocate(40); std::memset(at, 1, 64); heap.release(at + 64); },
               "heap is damaged");
  EXPECT_DEATH({ auto* at = static_cast<char*>(heap.allocate(40)); heap.release(at + 8); }, "heap is damaged");
  EXPECT_DEATH({ auto* at = static_cast<char*>(heap.allocate(400)); heap.release(at + 32); }, "heap is damaged");
  EXPECT_DEATH({  // a list that leads astray
    auto* at = static_cast<char*>(heap.allocate(40));
    auto* other = static_cast<char*>(heap.allocate(40));
    heap.release(at);
    heap.release(other);
    other[3] ^= 1;
    (void)heap.allocate(40);
    (void)heap.allocate(40);
  }, ".*");
}

}  // namespace
}  // namespace hull
