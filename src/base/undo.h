// Undo: a stack of clean-up actions run in reverse unless the work commits. For multi-step work that must leave
// nothing behind when a step fails.
#pragma once

#include <functional>
#include <vector>

namespace hull {

class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() { run(); }

  void add(std::function<void()> action) { actions_.push_back(std::move(action)); }
  void commit() { actions_.clear(); }
  void run() {
    while (!actions_.empty()) {
      auto action = std::move(actions_.back());
      actions_.pop_back();
      action();
    }
  }

 private:
  std::vector<std::function<void()>> actions_;
};

}  // namespace hull
