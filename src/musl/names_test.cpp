#include "musl/names.h"

#include <gtest/gtest.h>

#include <cstring>

namespace hull::musl {
namespace {

template <typename Row, size_t N>
const Row* find(const Row (&rows)[N], int number) {
  for (const Row& row : rows)
    if (row.number == number) return &row;
  return nullptr;
}

// The tests are linked with glibc.
TEST(MuslNames, AreGlibcs) {
  for (int number = 0; number < 256; ++number) {
    const ErrorName* row = find(kErrors, number);
    EXPECT_STREQ(row ? row->name : nullptr, ::strerrorname_np(number)) << number;
    EXPECT_STREQ(row ? row->text : nullptr, ::strerrordesc_np(number)) << number;
  }
  for (int number = 1; number < 65; ++number) {
    const SignalName* row = find(kSignals, number);
    EXPECT_STREQ(row ? row->name : nullptr, ::sigabbrev_np(number)) << number;
  }
}

}  // namespace
}  // namespace hull::musl
