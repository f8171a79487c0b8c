// A confined child that does one piece of reading and hands back a text:
//
//   hull-image ──fork──▶ reader: confine(), work()
//   hull-image ◀─ "=" text | "!" report line ─ pipe ─ reader ─ _exit
//
// The child is killed and reaped unless finish() was called.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace hull::image {

struct ReaderPlan {
  const Fd& directory;                        // the child's root
  const std::vector<Fd>& readable;            // further trees it may look at
  std::vector<int> keep;                      // descriptors it works on
  std::function<Result<std::string>()> work;  // runs in the child
};

class ReaderProcess {
 public:
  static Result<ReaderProcess> start(const ReaderPlan& plan);
  ReaderProcess(ReaderProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pipe_(std::move(other.pipe_)), text_(std::move(other.text_)) {}
  ReaderProcess& operator=(ReaderProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pipe_, other.pipe_);
    std::swap(text_, other.text_);
    return *this;
  }
  ~ReaderProcess();

  const Fd& pipe() const { return pipe_; }
  // Takes what the child has said so far without waiting for more than one read; true at its end.
  Result<bool> pump();
  // Waits for the end and gives the child's text or its error.
  Result<std::string> finish();

 private:
  ReaderProcess(pid_t pid, Fd pipe) : pid_(pid), pipe_(std::move(pipe)) {}
  pid_t pid_;
  Fd pipe_;
  std::string text_;
};

}  // namespace hull::image
