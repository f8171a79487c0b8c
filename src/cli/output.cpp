#include "cli/output.h"

#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace hull::cli {

static bool write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void print(std::string_view text, int code_when_lost) {
  if (write_fully(STDOUT_FILENO, text)) return;
  if (errno != EPIPE) print_error(format("hull: write standard output: {}", errno_text(errno)));
  ::_exit(code_when_lost);
}

void print_note(std::string_view text) { print_error(format("note: {}", text)); }

void print_error(std::string_view line) { write_fully(STDERR_FILENO, std::string(line) + "\n"); }

int report(std::string_view prefix, const Error& error, int code) {
  std::string lead = prefix.empty() ? std::string() : format("{}: ", prefix);
  print_error(format("{}Error response from daemon: {}", lead, error.text()));
  return code;
}

}  // namespace hull::cli
