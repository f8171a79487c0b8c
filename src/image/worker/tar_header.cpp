#include "image/worker/tar_header.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace hull::image {
namespace {

struct Field { size_t offset, size; };
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12}, kChecksum{148, 8},
    kLinkName{157, 100}, kMagic{257, 8}, kMajor{329, 8}, kMinor{337, 8}, kPrefix{345, 155};
constexpr size_t kType = 156;

tl::unexpected<Error> corrupt(std::string_view why) { return fail(ErrorKind::Corrupt, format("tar: {}", why)); }

std::string text_of(const unsigned char* block, Field field) {
  const char* begin = reinterpret_cast<const char*>(block + field.offset);
  return std::string(begin, ::strnlen(begin, field.size));
}

bool checksum_matches(const unsigned char* block) {
  std::optional<int64_t> stored = parse_tar_number(block + kChecksum.offset, kChecksum.size);
  int64_t unsigned_sum = 0, signed_sum = 0;  // old tars summed signed bytes
  for (size_t at = 0; at < kTarBlock; ++at) {
    bool blank = at >= kChecksum.offset && at < kChecksum.offset + kChecksum.size;
    unsigned_sum += blank ? ' ' : block[at];
    signed_sum += blank ? ' ' : static_cast<signed char>(block[at]);
  }
  return stored && (*stored == unsigned_sum || *stored == signed_sum);
}

TarFormat format_of(const unsigned char* block) {
  const char* magic = reinterpret_cast<const char*>(block + kMagic.offset);
  if (std::memcmp(magic, "ustar  ", 8) == 0) return TarFormat::Gnu;
  if (std::memcmp(magic, "ustar", 5) == 0) return TarFormat::Ustar;
  return TarFormat::V7;
}

std::optional<int64_t> parse_base256(const unsigned char* field, size_t size) {
  bool negative = field[0] == 0xff;
  if (!negative && field[0] != 0x80) return std::nullopt;  // bits beyond 63 or a second sign
  uint64_t value = negative ? UINT64_MAX : 0;
  for (size_t at = 1; at < size; ++at) {
    bool fits = negative ? (value >> 55) == 0x1ff : (value >> 55) == 0;
    if (!fits) return std::nullopt;
    value = (value << 8) | field[at];
  }
  return static_cast<int64_t>(value);
}

}  // namespace

std::optional<int64_t> parse_tar_number(const unsigned char* field, size_t size) {
  if ((field[0] & 0x80) != 0) return parse_base256(field, size);
  size_t at = 0, end = size;
  while (at < end && field[at] == ' ') ++at;
  while (end > at && (field[end - 1] == ' ' || field[end - 1] == '\0')) --end;
  uint64_t value = 0;
  for (; at < end; ++at) {
    if (field[at] == '\0') break;  // the field ends at its first zero
    if (field[at] < '0' || field[at] > '7') return std::nullopt;
    value = value * 8 + (field[at] - '0');  // 12 octal digits never overflow
  }
  return static_cast<int64_t>(value);
}

Result<std::optional<TarHeader>> parse_tar_header(const unsigned char* block) {
  if (std::all_of(block, block + kTarBlock, [](unsigned char byte) { return byte == 0; })) return std::optional<TarHeader>();
  if (!checksum_matches(block)) return corrupt("a header's checksum is wrong: truncated, damaged or not a tar archive");
  TarHeader header;
  header.format = format_of(block);
  header.type = static_cast<char>(block[kType]);
  header.name = text_of(block, kName);
  header.link_name = text_of(block, kLinkName);
  if (header.format == TarFormat::Ustar)
    if (std::string prefix = text_of(block, kPrefix); !prefix.empty()) header.name = prefix + "/" + header.name;
  struct Number { Field field; int64_t* target; const char* name; };
  int64_t mode = 0;
  for (const Number& number : {Number{kMode, &mode, "mode"}, {kUid, &header.uid, "uid"}, {kGid, &header.gid, "gid"},
                               {kSize, &header.size, "size"}, {kMtime, &header.mtime, "time"},
                               {kMajor, &header.device_major, "device"}, {kMinor, &header.device_minor, "device"}}) {
    bool device = number.field.offset >= kMajor.offset;
    if (device && header.type != '3' && header.type != '4') continue;  // V7 and odd writers leave rubbish there
    std::optional<int64_t> value = parse_tar_number(block + number.field.offset, number.field.size);
    if (!value) return corrupt(format("\"{}\" has a bad {}", escape_controls(header.name), number.name));
    *number.target = *value;
  }
  header.mode = static_cast<uint32_t>(mode & 07777);
  if (header.size < 0) return corrupt(format("\"{}\" has a negative size", escape_controls(header.name)));
  return std::optional<TarHeader>(std::move(header));
}

Result<std::map<std::string, std::string>> parse_pax(std::string_view text) {
  std::map<std::string, std::string> records;
  std::string sparse_map;
  while (!text.empty()) {
    size_t space = text.find(' ');
    if (space == std::string_view::npos) return corrupt("a PAX record has no length");
    std::optional<uint64_t> length = parse_uint(text.substr(0, space), space + 3, text.size());
    if (!length || text[*length - 1] != '\n') return corrupt("a PAX record has a wrong length");
    std::string_view record = text.substr(space + 1, *length - space - 2);
    size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) return corrupt("a PAX record has no key");
    std::string key(record.substr(0, equals)), value(record.substr(equals + 1));
    if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") sparse_map += (sparse_map.empty() ? "" : ",") + value;
    else records[key] = std::move(value);
    text.remove_prefix(*length);
  }
  if (!sparse_map.empty()) records["GNU.sparse.map"] = sparse_map;
  return records;
}

std::optional<PaxTime> parse_pax_time(std::string_view text) {
  size_t dot = text.find('.');
  std::optional<int64_t> seconds = parse_int(text.substr(0, dot));
  if (!seconds) return std::nullopt;
  PaxTime time{*seconds, 0};
  if (dot == std::string_view::npos) return time;
  std::string digits(text.substr(dot + 1, 9));
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  digits.resize(9, '0');
  time.nanoseconds = static_cast<uint32_t>(*parse_uint(digits));
  if (text.starts_with('-') && time.nanoseconds != 0 && time.seconds > INT64_MIN) {
    time.seconds -= 1;
    time.nanoseconds = 1'000'000'000 - time.nanoseconds;
  }
  return time;
}

}  // namespace hull::image
