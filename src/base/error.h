// The one error value of hull. An Error says what kind of failure it was, which errno the kernel gave (0 if
// none) and, in one lower-case line, what failed, on what, why, and what the user can do. Rooms return it;
// only cli/ prints it and turns its kind into an exit code.
#pragma once

#include <string>
#include <string_view>

namespace hull {

enum class ErrorKind {
  NotFound,     // the named thing does not exist
  Exists,       // the name is taken
  Invalid,      // the input is malformed or contradicts itself
  Denied,       // a permission, capability or policy refuses
  Unsupported,  // this kernel or build lacks the facility
  Conflict,     // the thing is in the wrong state for this
  Unsafe,       // hostile input was detected and refused
  Corrupt,      // stored data does not verify
  System,       // anything else the kernel said
};

class [[nodiscard]] Error {
 public:
  // One line: control characters that a foreign name brought along are escaped (escape_controls).
  Error(ErrorKind kind, const std::string& text, int errno_value = 0);

  // From the current errno: "call object: strerror"; the kind follows from errno (ENOENT is NotFound, …).
  static Error from_errno(std::string_view call, std::string_view object);
  static Error from_errno(int errno_value, std::string_view call, std::string_view object);

  ErrorKind kind() const { return kind_; }
  int errno_value() const { return errno_; }
  const std::string& text() const { return text_; }

  // Adds what was being done: "doing: text".
  Error&& with_context(std::string_view doing) &&;
  // Adds what the user can do: "text; remedy".
  Error&& with_remedy(std::string_view remedy) &&;

 private:
  ErrorKind kind_;
  int errno_;
  std::string text_;
};

ErrorKind kind_of_errno(int errno_value);
// "No such file or directory" for ENOENT, as strerror says it, thread-safe.
std::string errno_text(int errno_value);

}  // namespace hull
