// Small text helpers of hull-shim: bounded appending, decimal numbers, RFC 3339 times. No heap.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

namespace hull::shim {

// Appends to a fixed buffer; what does not fit is dropped.
class Text {
 public:
  Text(char* buffer, size_t capacity) : data_(buffer), capacity_(capacity) {}
  Text& add(const char* text);
  Text& add(const char* bytes, size_t size);
  Text& add_number(int64_t value, int min_digits = 1);
  Text& add_time(const timespec& time);  // UTC; nanoseconds without trailing zeros, as Go's RFC3339Nano
  const char* data() const { return data_; }
  const char* c_str();
  size_t size() const { return size_; }

 private:
  char* data_;
  size_t capacity_, size_ = 0;
};

// Decimal digits only; false for anything else.
bool parse_number(const char* text, int64_t* value);
// The value of "key=value" if `argument` begins with "key=", else null.
const char* value_of(const char* argument, const char* key);

}  // namespace hull::shim
