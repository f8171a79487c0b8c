#include "engine/terminal.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "kernel/signals.h"

namespace hull::engine {

Result<> RawMode::enter(int terminal) {
  if (::tcgetattr(terminal, &saved_) != 0) return fail_errno("tcgetattr", "the terminal");
  termios raw = saved_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(terminal, TCSANOW, &raw) != 0) return fail_errno("tcsetattr", "the terminal");
  terminal_ = terminal;
  return {};
}

void RawMode::leave() {
  if (terminal_ >= 0) ::tcsetattr(terminal_, TCSADRAIN, &saved_);
  terminal_ = -1;
}

Result<> SignalStream::open() {
  sigset_t caught = kernel::every_signal();
  // Synchronous ones are our own faults; job control of the caller's shell stays as it is.
  for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPIPE, SIGCHLD, SIGTTIN, SIGTTOU})
    ::sigdelset(&caught, number);
  kernel::set_signal_mask(SIG_BLOCK, caught, &saved_);
  fd_ = Fd(::signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) return fail_errno("signalfd", "");
  return {};
}

SignalStream::~SignalStream() {
  if (!fd_) return;
  while (next()) {}  // they were meant for the container, which has ended
  kernel::set_signal_mask(SIG_SETMASK, saved_);
}

std::optional<int> SignalStream::next() {
  signalfd_siginfo info;
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

TerminalSize terminal_size(int terminal) {
  winsize size{};
  if (::ioctl(terminal, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_row, size.ws_col};
}

// ---- detach keys

static std::optional<char> key_of(std::string_view name) {
  if (name.size() == 1) return name[0];
  if (!name.starts_with("ctrl-") || name.size() != 6) return std::nullopt;
  char letter = name[5];
  if (letter >= 'a' && letter <= 'z') return static_cast<char>(letter - 'a' + 1);
  constexpr std::string_view kOthers = "@[\\]^_";
  constexpr char kCodes[] = {0, 27, 28, 29, 30, 31};
  size_t at = kOthers.find(letter);
  return at == std::string_view::npos ? std::nullopt : std::optional<char>(kCodes[at]);
}

Result<DetachKeys> DetachKeys::parse(std::string_view text) {
  DetachKeys parsed;
  for (const std::string& name : split(text.empty() ? "ctrl-p,ctrl-q" : text, ',')) {
    auto key = key_of(name);
    if (!key) return fail(ErrorKind::Invalid, format("Unable to decode detach keys: Unknown character: '{}'", escape_controls(name)));
    parsed.keys_ += *key;
  }
  return parsed;
}

bool DetachKeys::feed(std::string_view typed, std::string& out) {
  for (char key : typed) {
    if (key == keys_[matched_]) {
      if (++matched_ == keys_.size()) return true;
      continue;
    }
    out.append(keys_, 0, matched_);
    matched_ = key == keys_[0] ? 1 : 0;
    if (matched_ == 0) out += key;
    else if (keys_.size() == 1) return true;
  }
  return false;
}

// ---- signals by name

Result<int> parse_signal(std::string_view text) {
  auto invalid = [&] { return fail(ErrorKind::Invalid, format("invalid signal: {}", escape_controls(text))); };
  if (auto number = parse_uint(text, 1, 64)) return static_cast<int>(*number);
  std::string name = to_upper(text);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int number = 1; number < 32; ++number) {
    const char* known = ::sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  constexpr std::pair<std::string_view, int> kAliases[] = {{"IOT", SIGIOT}, {"CLD", SIGCHLD}, {"POLL", SIGPOLL}};
  for (const auto& [alias, number] : kAliases)
    if (name == alias) return number;
  // docker counts real-time signals as the kernel does for glibc: RTMIN is 34, RTMAX 64.
  constexpr int kRtMin = 34, kRtMax = 64;
  for (auto [base, start, sign] : {std::tuple{"RTMIN", kRtMin, '+'}, std::tuple{"RTMAX", kRtMax, '-'}}) {
    if (!name.starts_with(base)) continue;
    std::string_view rest = std::string_view(name).substr(5);
    if (rest.empty()) return start;
    auto offset = rest[0] == sign ? parse_uint(rest.substr(1), 0, kRtMax - kRtMin) : std::nullopt;
    if (offset) return sign == '+' ? start + static_cast<int>(*offset) : start - static_cast<int>(*offset);
  }
  return invalid();
}

}  // namespace hull::engine
