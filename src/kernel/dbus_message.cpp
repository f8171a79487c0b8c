// Writing and reading D-Bus messages. Pure; see dbus.h.
#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "base/text.h"
#include "kernel/dbus.h"

namespace hull::kernel {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header says 'l'");

namespace {

enum Field : uint8_t { kPath = 1, kInterface, kMember, kErrorName, kReplySerial, kDestination, kSender, kSignature, kUnixFds };

constexpr const char* kSignatures[] = {"b", "u", "t", "i", "x", "s", "as", "au", "ay", "a(ss)"};
static_assert(std::size(kSignatures) == std::variant_size_v<DbusValue>);

auto corrupt(std::string_view what) { return fail(ErrorKind::Corrupt, format("malformed D-Bus message: {}", what)); }

}  // namespace

void DbusWriter::text(std::string_view value) {
  number(static_cast<uint32_t>(value.size()));
  out_.append(value);
  out_ += '\0';
}

void DbusWriter::signature(std::string_view value) {
  byte(static_cast<uint8_t>(value.size()));
  out_.append(value);
  out_ += '\0';
}

size_t DbusWriter::begin_array(size_t alignment) {
  number(uint32_t{0});
  size_t mark = out_.size();
  align(alignment);
  return mark;
}

// The padding before the first element is no part of the length.
void DbusWriter::end_array(size_t mark, size_t alignment) {
  size_t first = (mark + alignment - 1) / alignment * alignment;
  uint32_t length = static_cast<uint32_t>(out_.size() - first);
  out_.replace(mark - sizeof length, sizeof length, reinterpret_cast<const char*>(&length), sizeof length);
}

void DbusWriter::value(const DbusValue& value) {
  auto array = [&](const auto& elements, size_t alignment, auto write) {
    size_t mark = begin_array(alignment);
    for (const auto& element : elements) write(element);
    end_array(mark, alignment);
  };
  std::visit([&](const auto& held) {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, bool>) number(uint32_t{held});
    else if constexpr (std::is_arithmetic_v<Held>) number(held);
    else if constexpr (std::is_same_v<Held, std::string>) text(held);
    else if constexpr (std::is_same_v<Held, std::vector<std::string>>) array(held, 4, [&](const std::string& element) { text(element); });
    else if constexpr (std::is_same_v<Held, DbusPairs>) array(held, 8, [&](const auto& pair) { align(8), text(pair.first), text(pair.second); });
    else if constexpr (std::is_same_v<Held, std::vector<uint32_t>>) array(held, 4, [&](uint32_t element) { number(element); });
    else array(held, 1, [&](uint8_t element) { byte(element); });
  }, value);
}

void DbusWriter::variant(const DbusValue& held) {
  signature(kSignatures[held.index()]);
  value(held);
}

void DbusWriter::properties(const std::vector<DbusProperty>& properties) {
  size_t mark = begin_array(8);
  for (const DbusProperty& property : properties) {
    align(8);
    text(property.name);
    variant(property.value);
  }
  end_array(mark, 8);
}

std::string_view DbusReader::take(size_t size) {
  if (!ok_ || size > data_.size() - at_) ok_ = false;
  if (!ok_) return {};
  at_ += size;
  return data_.substr(at_ - size, size);
}

std::string_view DbusReader::take_aligned(size_t alignment, size_t size) {
  std::string_view padding = take((alignment - at_ % alignment) % alignment);
  if (std::any_of(padding.begin(), padding.end(), [](char c) { return c != '\0'; })) ok_ = false;
  return take(size);
}

uint8_t DbusReader::byte() {
  std::string_view one = take(1);
  return ok_ ? static_cast<uint8_t>(one[0]) : 0;
}

std::string DbusReader::terminated(size_t size) {
  std::string_view bytes = take(size);
  std::string_view end = take(1);
  if (ok_ && (end[0] != '\0' || bytes.find('\0') != std::string_view::npos)) ok_ = false;
  return ok_ ? std::string(bytes) : std::string();
}

std::string DbusReader::text() { return terminated(number<uint32_t>()); }
std::string DbusReader::signature() { return terminated(byte()); }

std::string write_dbus_message(const DbusMessage& message) {
  DbusWriter out;
  out.byte('l');
  out.byte(static_cast<uint8_t>(message.type));
  out.byte(0);  // flags
  out.byte(1);  // version
  out.number(static_cast<uint32_t>(message.body.size()));
  out.number(message.serial);
  size_t mark = out.begin_array(8);
  auto field = [&](Field code, const char* type, const std::string& value) {
    if (value.empty()) return;
    out.align(8);
    out.byte(code);
    out.signature(type);
    if (code == kSignature) out.signature(value);
    else out.text(value);
  };
  field(kPath, "o", message.path);
  field(kInterface, "s", message.interface);
  field(kMember, "s", message.member);
  field(kErrorName, "s", message.error_name);
  field(kDestination, "s", message.destination);
  field(kSignature, "g", message.signature);
  if (message.reply_serial != 0) {
    out.align(8);
    out.byte(kReplySerial);
    out.signature("u");
    out.number(message.reply_serial);
  }
  out.end_array(mark, 8);
  out.align(8);
  return std::move(out).take() + message.body;
}

Result<size_t> dbus_message_size(std::string_view start) {
  DbusReader in(start);
  if (in.byte() != 'l') return corrupt("not of this machine's byte order");
  (void)in.byte(), (void)in.byte();
  if (in.byte() != 1) return corrupt("not of version 1");
  uint64_t body = in.number<uint32_t>();
  (void)in.number<uint32_t>();
  uint64_t fields = in.number<uint32_t>();
  if (!in.ok()) return corrupt("it is cut short");
  uint64_t size = kDbusFixedHeader + (fields + 7) / 8 * 8 + body;
  if (size > kDbusLargest) return corrupt(format("{} bytes", size));
  return size;
}

// Fields that we do not know are of basic types, too.
static Result<> read_field(DbusReader& in, DbusMessage& message) {
  in.align(8);
  uint8_t code = in.byte();
  std::string type = in.signature(), text;
  uint32_t number = 0;
  if (type == "s" || type == "o") text = in.text();
  else if (type == "g") text = in.signature();
  else if (type == "u") number = in.number<uint32_t>();
  else return corrupt("a header field of no known type");
  switch (code) {
    case kPath: message.path = text; break;
    case kInterface: message.interface = text; break;
    case kMember: message.member = text; break;
    case kErrorName: message.error_name = text; break;
    case kReplySerial: message.reply_serial = number; break;
    case kDestination: message.destination = text; break;
    case kSignature: message.signature = text; break;
    default: break;
  }
  return {};
}

Result<DbusMessage> parse_dbus_message(std::string_view bytes) {
  if (TRY(dbus_message_size(bytes.substr(0, kDbusFixedHeader))) != bytes.size()) return corrupt("its length is not what it says");
  DbusReader in(bytes);
  DbusMessage message;
  (void)in.byte();
  uint8_t type = in.byte();
  if (type < 1 || type > 4) return corrupt("of no known type");
  message.type = static_cast<DbusType>(type);
  (void)in.byte(), (void)in.byte();
  uint32_t body = in.number<uint32_t>();
  message.serial = in.number<uint32_t>();
  size_t end = kDbusFixedHeader + in.number<uint32_t>();
  while (in.ok() && in.position() < end) TRY(read_field(in, message));
  if (!in.ok() || in.position() != end) return corrupt("its header's fields");
  message.body = bytes.substr(bytes.size() - body);
  return message;
}

std::string dbus_error_text(const DbusMessage& error) {
  std::string text = error.signature.starts_with('s') ? DbusReader(error.body).text() : std::string();
  while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
  if (text.size() > 300) text.resize(300);
  return escape_controls(text.empty() ? error.error_name : text);
}

static std::string unescape_percent(std::string_view text) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool escaped = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

std::vector<DbusAddress> parse_dbus_address(std::string_view text) {
  std::vector<DbusAddress> out;
  for (const std::string& one : split(text, ';')) {
    if (!one.starts_with("unix:")) continue;
    for (const std::string& pair : split(std::string_view(one).substr(5), ',')) {
      if (pair.starts_with("path=")) out.push_back({unescape_percent(std::string_view(pair).substr(5)), true});
      if (pair.starts_with("abstract=")) out.push_back({"@" + unescape_percent(std::string_view(pair).substr(9)), true});
    }
  }
  return out;
}

}  // namespace hull::kernel
