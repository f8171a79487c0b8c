// The caller's terminal and signals while a foreground command runs. Both are owners: whatever way the command ends, the
// terminal is as it was and signals are as they were.
#pragma once

#include <termios.h>
#include <csignal>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace hull::engine {

class RawMode {
 public:
  RawMode() = default;
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() { leave(); }
  Result<> enter(int terminal);
  void leave();

 private:
  int terminal_ = -1;
  termios saved_{};
};

// All signals that can be caught come out of one descriptor instead of interrupting.
class SignalStream {
 public:
  SignalStream() = default;
  SignalStream(const SignalStream&) = delete;
  SignalStream& operator=(const SignalStream&) = delete;
  ~SignalStream();
  Result<> open();
  int fd() const { return fd_.get(); }
  std::optional<int> next();  // the next signal's number, if one waits

 private:
  Fd fd_;
  sigset_t saved_{};
};

struct TerminalSize { uint16_t rows = 0, columns = 0; };
TerminalSize terminal_size(int terminal);  // zeros if it is none

// Recognises the detach sequence in what is typed. docker's: what belongs to a sequence is held back, and passed on
// when the sequence is not completed.
class DetachKeys {
 public:
  // "ctrl-p,ctrl-q", "ctrl-a,x"; empty: the default. Invalid with docker's words.
  static Result<DetachKeys> parse(std::string_view text);
  // Appends what is to be passed on to `out`; true when the sequence is complete (the rest is dropped).
  bool feed(std::string_view typed, std::string& out);

 private:
  std::string keys_;
  size_t matched_ = 0;
};

// "TERM", "SIGTERM", "15", "RTMIN+3" to a number; Invalid with docker's "invalid signal: x".
Result<int> parse_signal(std::string_view text);

}  // namespace hull::engine
