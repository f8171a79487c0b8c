// JSON escaping of log lines as docker's json-file does it: invalid UTF-8 becomes U+FFFD, control characters \u00XX.
#include <string.h>

#include "shim/log.h"

namespace hull::shim {
namespace {

// The length of the UTF-8 sequence at `p` (shortest form, no surrogates, at most U+10FFFF), or 0 if it is invalid.
size_t sequence_length(const unsigned char* p, size_t left) {
  unsigned char first = p[0];
  size_t length = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  unsigned char low = 0x80, high = 0xbf;  // of the second byte
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < length; ++i)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return length;
}

size_t escape_ascii(unsigned char byte, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&') {
    out[0] = static_cast<char>(byte);
    return 1;
  }
  out[0] = '\\';
  if (byte == '"' || byte == '\\' || byte == '\n' || byte == '\r') {
    out[1] = byte == '\n' ? 'n' : byte == '\r' ? 'r' : static_cast<char>(byte);
    return 2;
  }
  memcpy(out + 1, "u00", 3);
  out[4] = kHex[byte >> 4];
  out[5] = kHex[byte & 15];
  return 6;
}

}  // namespace

size_t escape_json(const char* bytes, size_t size, char* out) {
  const unsigned char* p = reinterpret_cast<const unsigned char*>(bytes);
  char* start = out;
  for (size_t at = 0; at < size;) {
    if (p[at] < 0x80) {
      out += escape_ascii(p[at++], out);
      continue;
    }
    size_t length = sequence_length(p + at, size - at);
    if (length == 0) {
      memcpy(out, "\\ufffd", 6);
      out += 6, at += 1;
    } else if (length == 3 && p[at] == 0xe2 && p[at + 1] == 0x80 && (p[at + 2] & ~1) == 0xa8) {
      memcpy(out, p[at + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6);  // line ends in JavaScript
      out += 6, at += 3;
    } else {
      memcpy(out, p + at, length);
      out += length, at += length;
    }
  }
  return static_cast<size_t>(out - start);
}

}  // namespace hull::shim
