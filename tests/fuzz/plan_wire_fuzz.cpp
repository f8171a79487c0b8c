// The plan's wire form: what is_sound_plan() lets through can be walked to its end without leaving it.
#include <cstdint>
#include <cstring>
#include <memory>

#include "sandbox/wire.h"

using namespace hull::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::unique_ptr<char[]> copy(new char[size]);  // aligned, and watched by the sanitizer up to its last byte
  std::memcpy(copy.get(), data, size);
  if (size >= sizeof(WireHeader)) {  // what every plan has, so that the steps are reached
    WireHeader header;
    std::memcpy(&header, copy.get(), sizeof header);
    header = {kWireMagic, kWireVersion, header.step_count, static_cast<uint32_t>(size)};
    std::memcpy(copy.get(), &header, sizeof header);
  }
  if (!is_sound_plan(copy.get(), size)) return 0;
  auto* header = reinterpret_cast<const WireHeader*>(copy.get());
  const char* at = reinterpret_cast<const char*>(header + 1);
  size_t read = 0;
  for (uint32_t i = 0; i < header->step_count; ++i) {
    auto* step = reinterpret_cast<const WireStep*>(at);
    const char* text = step->text_count != 0 ? first_text(step) : nullptr;
    for (uint32_t k = 0; k < step->text_count; ++k, text = k < step->text_count ? next_text(text) : nullptr) read += std::strlen(text) + size_of_text(text);
    at += step->size;
  }
  static volatile size_t sink;
  sink = read;
  return 0;
}
