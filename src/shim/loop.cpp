// The event loop. One chunk of output is in flight at a time: read, logged, sent; the next is read when every client
// has taken it. After the container's end the rest is drained, the exit record is written, and clients are told.
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shim/shim.h"

namespace hull::shim {
namespace {

char message[1 + kMaxOutput];  // the chunk in flight, its type byte first
constexpr int kRestMs = 200, kStallMs = 1000;
constexpr int64_t kExitStallSeconds = 2;

enum Slot { SlotSignals, SlotListener, SlotConsole, SlotOut, SlotErr, SlotInput, SlotClients };
constexpr int kSlots = SlotClients + kMaxClients;

void close_output(Shim& shim, int stream) {
  shim.log.finish(stream);
  if (!shim.options.tty) close(shim.outputs[stream].fd);
  shim.outputs[stream].fd = -1;
}

// True if something was read and sent.
bool pump(Shim& shim, int stream) {
  Output& output = shim.outputs[stream];
  if (output.fd < 0 || shim.clients.blocked()) return false;
  ssize_t got = read(output.fd, message + 1, kMaxOutput);
  if (got > 0) {
    output.resting = false;
    message[0] = stream == 0 ? kStdout : kStderr;
    shim.log.write(stream, message + 1, static_cast<size_t>(got));
    shim.clients.send(message, 1 + static_cast<size_t>(got));
    return true;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0 && errno == EIO && shim.options.tty && !shim.ended) output.resting = true;
  else close_output(shim, stream);
  return false;
}

void set_slot(pollfd& slot, int fd, short events) {
  slot.fd = events ? fd : -1;
  slot.events = events;
  slot.revents = 0;
}

void fill_slots(Shim& shim, pollfd* slots) {
  bool blocked = shim.clients.blocked(), holding = shim.input_size > 0;
  set_slot(slots[SlotSignals], shim.signals, POLLIN);
  set_slot(slots[SlotListener], shim.listener, POLLIN);
  set_slot(slots[SlotConsole], shim.console_socket, POLLIN);
  for (int i = 0; i < 2; ++i)
    set_slot(slots[SlotOut + i], shim.outputs[i].fd, blocked || shim.outputs[i].resting ? 0 : POLLIN);
  set_slot(slots[SlotInput], shim.input, holding ? POLLOUT : 0);
  pollfd* slot = slots + SlotClients;
  for (Client& client : shim.clients) {
    short events = static_cast<short>((holding ? 0 : POLLIN) | (client.pending ? POLLOUT : 0));
    // A client that is not read from is still watched for its end (POLLHUP is always reported).
    set_slot(*slot++, client.fd, client.fd >= 0 && events == 0 ? POLLRDHUP : events);
  }
}

int timeout_of(Shim& shim) {
  if (shim.outputs[0].resting) return kRestMs;
  if (shim.clients.blocked()) return kStallMs;
  return -1;
}

void serve_clients(Shim& shim, pollfd* slots) {
  pollfd* slot = slots + SlotClients;
  for (Client& client : shim.clients) {
    short events = (slot++)->revents;
    if (client.fd < 0 || events == 0) continue;
    if (events & POLLOUT) shim.clients.resume(client);
    if (client.fd >= 0 && (events & POLLIN) && shim.input_size == 0) read_client(shim, client);
    else if (client.fd >= 0 && (events & (POLLHUP | POLLERR)) && !(events & POLLIN)) {
      shim.clients.drop(client);
      if (shim.options.stdin_once && shim.clients.input_lost()) close_input(shim);
    }
  }
}

void turn(Shim& shim) {
  pollfd slots[kSlots];
  fill_slots(shim, slots);
  int ready = poll(slots, kSlots, timeout_of(shim));
  if (ready < 0) return;
  if (slots[SlotSignals].revents) {
    signalfd_siginfo info[8];
    while (read(shim.signals, info, sizeof info) > 0) {}
    reap(shim);
  }
  if (slots[SlotConsole].revents) receive_terminal(shim);
  if (slots[SlotListener].revents) shim.clients.accept_from(shim.listener);
  if (slots[SlotInput].revents) write_input(shim);
  serve_clients(shim, slots);
  if (shim.outputs[0].resting && ready == 0) shim.outputs[0].resting = false;
  for (int i = 0; i < 2; ++i)
    if (slots[SlotOut + i].revents) pump(shim, i);
  shim.clients.drop_stalled(monotonic_seconds());
}

// What the container wrote before its end is in the pipes already; more can only come from processes outside its pid
// namespace, which is not waited for.
bool drain(Shim& shim) {
  if (shim.console_socket >= 0) receive_terminal(shim);
  bool more = false;
  for (int i = 0; i < 2; ++i)
    while (pump(shim, i)) more = true;
  return more || shim.clients.blocked();
}

void tell_exit(Shim& shim) {
  ExitMessage exit{shim.exit_code, shim.exit_signal};
  message[0] = kExit;
  memcpy(message + 1, &exit, sizeof exit);
  shim.clients.send(message, 1 + sizeof exit);
}

}  // namespace

void run_loop(Shim& shim) {
  while (!shim.ended) turn(shim);
  int64_t since = monotonic_seconds();
  while (drain(shim)) {
    if (!shim.clients.blocked()) continue;
    turn(shim);
    // A reader that takes its time (`hull run … | less`) must not keep the end a secret.
    if (monotonic_seconds() - since >= kExitStallSeconds) write_exit_record(shim);
  }
  for (int i = 0; i < 2; ++i) shim.log.finish(i);
  write_exit_record(shim);
  tell_exit(shim);
  while (shim.clients.blocked()) turn(shim);
  // The foreground run says that it cleans up, or goes away without a word.
  while (shim.clients.primary_connected() && !shim.clients.somebody_cleans()) turn(shim);
}

}  // namespace hull::shim
