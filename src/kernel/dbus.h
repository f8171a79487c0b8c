// As much of D-Bus as asking systemd for a cgroup takes: calls are written, answers and signals are read, over a unix
// socket that this opens itself. No library, no program; cgroup_systemd.cpp is the only caller. What the peer sends is
// taken as hostile: lengths are bounded and checked, strings are text, every wait has an end.
// Format: "D-Bus Specification", "Message Protocol" and "Authentication Protocol".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hull::kernel {

using DbusPairs = std::vector<std::pair<std::string, std::string>>;
// Of the types b, u, t, i, x, s, as, au, ay and a(ss).
using DbusValue = std::variant<bool, uint32_t, uint64_t, int32_t, int64_t, std::string, std::vector<std::string>,
                               std::vector<uint32_t>, std::vector<uint8_t>, DbusPairs>;
struct DbusProperty {
  std::string name;
  DbusValue value;
  bool operator==(const DbusProperty&) const = default;
};

// Marshals in this machine's byte order; alignment counts from the first byte written.
class DbusWriter {
 public:
  void byte(uint8_t value) { out_ += static_cast<char>(value); }
  template <typename Number>
  void number(Number value) {
    align(sizeof value);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value);       // s and o
  void signature(std::string_view value);  // g
  void variant(const DbusValue& value);
  void properties(const std::vector<DbusProperty>& properties);  // a(sv)
  void align(size_t size) { out_.resize((out_.size() + size - 1) / size * size, '\0'); }
  // An array: its length goes where begin_array stood once its elements, aligned to `alignment`, are written.
  size_t begin_array(size_t alignment);
  void end_array(size_t mark, size_t alignment);
  std::string take() && { return std::move(out_); }

 private:
  void value(const DbusValue& value);
  std::string out_;
};

// Reads what a writer wrote, and never beyond its end: from the first fault on all is 0 and empty, and ok() is false.
class DbusReader {
 public:
  explicit DbusReader(std::string_view data) : data_(data) {}
  uint8_t byte();
  template <typename Number>
  Number number() {
    Number value{};
    std::string_view bytes = take_aligned(sizeof value, sizeof value);
    if (ok_) __builtin_memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string text();
  std::string signature();
  void align(size_t size) { (void)take_aligned(size, 0); }
  bool ok() const { return ok_; }
  bool at_end() const { return !ok_ || at_ == data_.size(); }
  size_t position() const { return at_; }

 private:
  std::string_view take(size_t size);
  std::string_view take_aligned(size_t alignment, size_t size);
  std::string terminated(size_t size);
  std::string_view data_;
  size_t at_ = 0;
  bool ok_ = true;
};

enum class DbusType : uint8_t { Call = 1, Return = 2, Error = 3, Signal = 4 };

struct DbusMessage {
  DbusType type = DbusType::Call;
  uint32_t serial = 0, reply_serial = 0;
  std::string path, interface, member, destination, error_name, signature, body;
  bool operator==(const DbusMessage&) const = default;
};

// With the type, serial, path, interface, member, destination, signature and body of `message`. Pure.
std::string write_dbus_message(const DbusMessage& message);
constexpr size_t kDbusFixedHeader = 16, kDbusLargest = 1 << 20;
// How long the message is that begins with these kDbusFixedHeader bytes; Corrupt when it is none that we take. Pure.
Result<size_t> dbus_message_size(std::string_view start);
// A whole message. Pure.
Result<DbusMessage> parse_dbus_message(std::string_view bytes);
// "org.…NoSuchUnit" and its text as one clean line.
std::string dbus_error_text(const DbusMessage& error);

// Where a bus may be: the peer itself (systemd's private socket) or a bus that passes messages on.
struct DbusAddress {
  std::string path;  // with a leading '@': in the abstract namespace
  bool is_bus = true;
};
// The unix sockets of "unix:path=/run/x;unix:abstract=y,guid=…"; others are passed over. Pure.
std::vector<DbusAddress> parse_dbus_address(std::string_view text);

class DbusConnection {
 public:
  // Connected, authenticated as the caller, and known to the bus. Until `deadline` (monotonic_ms) at most.
  static Result<DbusConnection> open(const DbusAddress& address, int64_t deadline);

  // The answer, an error's message too (see its type). Signals that come meanwhile are kept when their member is `kept`.
  Result<DbusMessage> call(DbusMessage message, int64_t deadline, std::string_view kept = {});
  // The next signal of that member, kept or new.
  Result<DbusMessage> signal(std::string_view member, int64_t deadline);
  bool is_bus() const { return address_.is_bus; }

 private:
  DbusConnection(Fd socket, DbusAddress address) : socket_(std::move(socket)), address_(std::move(address)) {}
  Result<> authenticate(int64_t deadline);
  Result<std::string> line(int64_t deadline);
  Result<> wait(short events, int64_t deadline);
  Result<> send(std::string_view data, int64_t deadline);
  Result<> fill(size_t size, int64_t deadline);
  Result<DbusMessage> receive(int64_t deadline);
  void keep(DbusMessage message, std::string_view member);

  Fd socket_;
  DbusAddress address_;
  std::string buffer_;  // received and not yet used
  std::vector<DbusMessage> signals_;
  uint32_t serial_ = 0;
};

}  // namespace hull::kernel
