#include "base/duration.h"

#include <time.h>

#include <algorithm>

#include "base/text.h"

namespace hull {
namespace {

struct Unit {
  std::string_view name;
  int64_t nanoseconds;
};
constexpr Unit kUnits[] = {{"ns", 1},           {"us", 1000},         {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},  // both signs for micro
                           {"ms", 1000000},     {"s", 1000000000},    {"m", 60000000000},  {"h", 3600000000000}};

std::string_view take_digits(std::string_view& text) {
  std::string_view digits = text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
  text.remove_prefix(digits.size());
  return digits;
}

const Unit* take_unit(std::string_view& text) {
  std::string_view name = text.substr(0, std::min(text.find_first_of("0123456789."), text.size()));
  for (const Unit& unit : kUnits)
    if (name == unit.name) return text.remove_prefix(name.size()), &unit;
  return nullptr;
}

// "1.5s" off the front.
std::optional<int64_t> take_part(std::string_view& text) {
  std::string_view whole = take_digits(text), fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  const Unit* unit = take_unit(text);
  if (unit == nullptr || (whole.empty() && fraction.empty())) return std::nullopt;
  auto count = parse_uint(whole.empty() ? "0" : whole, 0, INT64_MAX);
  int64_t sum = 0;
  if (!count || __builtin_mul_overflow(static_cast<int64_t>(*count), unit->nanoseconds, &sum)) return std::nullopt;
  int64_t place = unit->nanoseconds;
  for (char digit : fraction) sum += (digit - '0') * (place /= 10);
  return sum;
}

}  // namespace

std::optional<int64_t> parse_duration(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  int64_t total = 0;
  while (!text.empty()) {
    auto part = take_part(text);
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
  }
  return negative ? -total : total;
}

int64_t monotonic_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int milliseconds) {
  timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000L};
  ::nanosleep(&time, nullptr);
}

}  // namespace hull
