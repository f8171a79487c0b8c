// One 512-byte tar header and one PAX extended header, read strictly. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hull::image {

inline constexpr size_t kTarBlock = 512;

enum class TarFormat { V7, Ustar, Gnu };

struct TarHeader {
  TarFormat format = TarFormat::V7;
  std::string name, link_name;  // prefix joined
  char type = '0';
  uint32_t mode = 0;
  int64_t uid = 0, gid = 0, size = 0, mtime = 0, device_major = 0, device_minor = 0;
};

// Nothing for a block of zeros; Corrupt for a bad checksum or number.
Result<std::optional<TarHeader>> parse_tar_header(const unsigned char* block);

// An octal field (spaces and zeros around it) or GNU's base-256.
std::optional<int64_t> parse_tar_number(const unsigned char* field, size_t size);

// "LENGTH KEY=VALUE\n"…; a key that stands twice keeps its last value, except GNU.sparse.offset and .numbytes, which are
// gathered in order into GNU.sparse.map as "offset,length,…".
Result<std::map<std::string, std::string>> parse_pax(std::string_view text);

struct PaxTime { int64_t seconds = 0; uint32_t nanoseconds = 0; };
std::optional<PaxTime> parse_pax_time(std::string_view text);  // "-1.5", "1700000000.123456789"

}  // namespace hull::image
