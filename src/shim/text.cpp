#include "shim/text.h"

#include <string.h>

namespace hull::shim {

Text& Text::add(const char* bytes, size_t size) {
  if (size > capacity_ - size_) size = capacity_ - size_;
  memcpy(data_ + size_, bytes, size);
  size_ += size;
  return *this;
}

Text& Text::add(const char* text) { return add(text, strlen(text)); }

Text& Text::add_number(int64_t value, int min_digits) {
  char digits[24];
  int at = sizeof digits;
  bool negative = value < 0;
  uint64_t rest = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  do {
    digits[--at] = static_cast<char>('0' + rest % 10);
    rest /= 10;
    --min_digits;
  } while (rest != 0 || min_digits > 0);
  if (negative) digits[--at] = '-';
  return add(digits + at, sizeof digits - static_cast<size_t>(at));
}

// Days since 1970 to a civil date, by eras of 400 years (the proleptic Gregorian calendar repeats after them).
static void civil_from_days(int64_t days, int64_t* year, int* month, int* day) {
  days += 719468;  // to 0000-03-01
  int64_t era = days / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted = (5 * day_of_year + 2) / 153;
  *day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  *month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  *year = year_of_era + era * 400 + (*month <= 2);
}

Text& Text::add_time(const timespec& time) {
  int64_t year;
  int month, day;
  civil_from_days(time.tv_sec / 86400, &year, &month, &day);
  int64_t second = time.tv_sec % 86400;
  add_number(year, 4).add("-").add_number(month, 2).add("-").add_number(day, 2).add("T");
  add_number(second / 3600, 2).add(":").add_number(second / 60 % 60, 2).add(":").add_number(second % 60, 2);
  if (time.tv_nsec != 0) {
    int64_t fraction = time.tv_nsec;
    int digits = 9;
    for (; fraction % 10 == 0; fraction /= 10) --digits;
    add(".").add_number(fraction, digits);
  }
  return add("Z");
}

const char* Text::c_str() {
  data_[size_ < capacity_ ? size_ : capacity_ - 1] = '\0';
  return data_;
}

bool parse_number(const char* text, int64_t* value) {
  int64_t result = 0;
  if (*text == '\0') return false;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9' || result > INT64_MAX / 10 - 1) return false;
    result = result * 10 + (*text - '0');
  }
  *value = result;
  return true;
}

const char* value_of(const char* argument, const char* key) {
  size_t size = strlen(key);
  return strncmp(argument, key, size) == 0 && argument[size] == '=' ? argument + size + 1 : nullptr;
}

}  // namespace hull::shim
