// What hull and hull-shim agree on: the shim's arguments and descriptors, and the messages on attach.sock. Plain C++
// without any library, shared by both sides. The socket is SOCK_SEQPACKET: one message is one type byte and its bytes.
//
//   hull (run, attach)                          hull-shim
//    |-- connect attach.sock ------------------->|   (the foreground `run` is given a connected socket instead)
//    |-- 'A' flags ----------------------------->|   kWant*; the exit message comes with any
//    |<- '1' bytes, '2' bytes ------------------ |   output, as it is read; a terminal has only '1'
//    |-- 'I' bytes, 'C', 'R' rows columns ------>|   input, end of input, terminal size
//    |<- 'X' code signal ----------------------- |   last, after the exit record is on disk
//    |-- 'D' ------------------------------------>|   the client cleans up itself: a foreground run after 'X', stop and
//                                                 |   rm before. Without, or if its socket closes before the end, the
//                                                 |   shim becomes `hull __cleanup ID`
//
// Arguments: hull-shim ID PID KEY=VALUE…  (keys: tty, log, max-size, max-file, primary, stdin-once, hull, root, run)
#pragma once

#include <stdint.h>

namespace hull::shim {

constexpr char kAttach = 'A', kInput = 'I', kCloseInput = 'C', kResize = 'R', kDone = 'D';
constexpr char kStdout = '1', kStderr = '2', kExit = 'X';

constexpr uint8_t kWantStdout = 1, kWantStderr = 2, kWantStdin = 4, kWantExit = 8;

constexpr uint32_t kMaxOutput = 32 << 10;  // payload of one message to a client
constexpr uint32_t kMaxInput = 16 << 10;   // payload of one message from a client

struct ResizeMessage { uint16_t rows, columns; };
struct ExitMessage { int32_t code, signal; };

// Descriptors that the shim is started with; those that do not apply are closed.
constexpr int kRuntimeDirFd = 3;  // the container's runtime directory: attach.sock and exit are made in it
constexpr int kStdoutFd = 4;      // reading end of stdout; with tty a socket that the pty's master arrives on
constexpr int kStderrFd = 5;
constexpr int kStdinFd = 6;       // writing end of stdin
constexpr int kPrimaryFd = 7;     // the foreground run's socket
constexpr int kLogDirFd = 8;      // directory of the log

constexpr const char* kSocketName = "attach.sock";
constexpr const char* kExitName = "exit";  // {"ExitCode":0,"Signal":0,"FinishedAt":"…"}

}  // namespace hull::shim
