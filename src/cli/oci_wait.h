// A foreground `hull oci run` or `exec`: signals are passed on, a terminal is carried over, the exit code comes back.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "engine/terminal.h"
#include "runtime/notify.h"

namespace hull::cli {

class Foreground {
 public:
  // Before the process is made: from here on signals wait for wait(). With `terminal`, console_fd() takes the master.
  Result<> open(bool terminal);
  int console_fd() const { return pair_.second.get(); }
  // Until `child`, our own child, has ended: its exit code, or 128 + the signal's number. Meanwhile `notifier` takes what comes.
  Result<int> wait(pid_t child, runtime::Notifier& notifier);

 private:
  Result<> take_master();
  void type();
  void show();
  void take_output();
  void resize();
  bool pass_signals(pid_t child, bool ended);  // whether one came after the end that ends a program

  engine::SignalStream signals_;
  engine::RawMode raw_;
  SocketPair pair_;
  Fd master_;                  // never waited on
  std::string typed_, shown_;  // on the way to the terminal, and from it
  bool typing_ = true;
  bool deaf_ = false;  // standard output takes no more
  bool left_ = false;  // nobody has the terminal open
};

}  // namespace hull::cli
