// hull-shim: the parent of one container's first process. Holds its pipes or its terminal, writes its log, serves
// attach clients, and at the end writes the exit record and hands over to `hull __cleanup`. It knows nothing of
// images, namespaces or cgroups. An event loop without heap or threads; main.cpp starts it, loop.cpp turns it.
//
// Killed with SIGKILL, it takes nothing along: the container loses its log and its exit code, and the next hull
// command says so.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "shim/clients.h"
#include "shim/log.h"
#include "shim/protocol.h"

namespace hull::shim {

struct Options {
  const char* id = nullptr;
  pid_t pid = 0;
  bool tty = false;
  bool stdin_once = false;          // the input ends with the first client that could send it
  uint8_t primary_wants = 0;
  const char* log_name = nullptr;   // null: no log
  int64_t max_size = 0, max_files = 1;
  const char *hull = nullptr, *root = nullptr, *run = nullptr;  // for __cleanup
};

// One stream of output: a pipe's end or the terminal.
struct Output {
  int fd = -1;
  bool resting = false;  // a terminal that nobody holds open: looked at again after a while
};

struct Shim {
  Options options;
  Clients clients;
  Log log;
  Output outputs[2];
  int console_socket = -1;  // until the terminal has come
  int terminal = -1, terminal_peer = -1;
  int input = -1;           // a pipe's end, or the terminal
  int signals = -1, listener = -1;
  ResizeMessage size{0, 0};
  bool ended = false;       // the first process has ended
  int exit_code = 0, exit_signal = 0;
  bool recorded = false;
  int64_t last_progress = 0;
  // Input that the container has not taken yet; only one client's message at a time.
  char input_data[kMaxInput + 1];
  size_t input_size = 0, input_done = 0;
};

void run_loop(Shim& shim);

// console.cpp
void receive_terminal(Shim& shim);
void apply_size(Shim& shim);
// input.cpp
void read_client(Shim& shim, Client& client);
void write_input(Shim& shim);
void close_input(Shim& shim);
// exit.cpp
void reap(Shim& shim);
void write_exit_record(Shim& shim);
[[noreturn]] void become_cleanup(const Options& options);

}  // namespace hull::shim
