// The client's side of a container's streams: one loop between the caller's terminal, pipes and signals and a peer that
// takes input and gives output. The peer is hull-shim's socket (run, start, attach) or the pipes of an exec.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "engine/engine.h"
#include "engine/terminal.h"

namespace hull::engine {

struct SessionEnd {
  enum class Kind { Exited, Detached, Lost, Interrupted } kind = Kind::Lost;
  int exit_code = 0;  // Exited: the container's; Interrupted: 128 + the signal
};

// Connects to the attach socket in a container's runtime directory and asks for streams. Retries for a moment: the
// shim makes the socket after the container has started.
Result<Fd> connect_shim(const std::string& runtime_directory, uint8_t wants);

// Relays between `streams` and a shim's socket until the container ends or the user leaves. `pidfd` gets the signals.
Result<SessionEnd> run_shim_session(const Fd& shim, const Fd& pidfd, const AttachOptions& options, bool tty);

// What is read from the caller's standard input, on its way to a peer that may not take it at once.
class InputQueue {
 public:
  InputQueue(int source, bool watch_keys, DetachKeys keys) : source_(source), watch_keys_(watch_keys), keys_(std::move(keys)) {}
  bool wants_read() const { return open_ && data_.empty(); }
  bool holding() const { return !data_.empty(); }
  bool ended() const { return !open_ && data_.empty(); }
  enum class Read { Data, End, Detach };
  Read read();
  std::string_view data() const { return data_; }
  void taken(size_t size) { data_.erase(0, size); }
  void close() { open_ = false; data_.clear(); }

 private:
  int source_;
  bool open_ = true, watch_keys_;
  DetachKeys keys_;
  std::string data_;
};

// Writes all of it, waiting where the reader is slow. Success if the reader has gone away (EPIPE).
Result<> write_output(int fd, const char* data, size_t size);

// Which of the caller's signals a container gets (all but those of job control, children and pipes).
bool is_proxied(int signal_number);

}  // namespace hull::engine
