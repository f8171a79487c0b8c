// A message of a hostile bus: read, or refused; what was read is written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "kernel/dbus.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hull::kernel;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)parse_dbus_address(bytes);
  auto message = parse_dbus_message(bytes);
  if (!message) return 0;
  (void)dbus_error_text(*message);
  DbusReader in(message->body);
  (void)in.number<uint32_t>(), (void)in.text(), (void)in.signature(), (void)in.text(), (void)in.byte();
  if (message->signature.size() > 255) abort();
  auto again = parse_dbus_message(write_dbus_message(*message));
  if (again && *again != *message) abort();
  return 0;
}
