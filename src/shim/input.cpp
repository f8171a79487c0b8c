// What clients send: input for the container, sizes for its terminal. Input waits in one buffer until the container
// takes it, and no client is read meanwhile, so a container that does not read holds its clients back, not us.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/shim.h"

namespace hull::shim {

void close_input(Shim& shim) {
  if (shim.options.tty) return;  // the terminal stays; its line discipline knows ends of input
  if (shim.input >= 0) close(shim.input);
  shim.input = -1;
  shim.input_size = shim.input_done = 0;
}

void write_input(Shim& shim) {
  while (shim.input_done < shim.input_size && shim.input >= 0) {
    ssize_t put = write(shim.input, shim.input_data + shim.input_done, shim.input_size - shim.input_done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
      close_input(shim);  // the container closed its end
      break;
    }
    shim.input_done += static_cast<size_t>(put);
  }
  shim.input_size = shim.input_done = 0;
}

static void take_message(Shim& shim, Client& client, size_t size) {
  char* message = shim.input_data;
  switch (message[0]) {
    case kAttach:
      if (size >= 2 && !client.primary) client.wants = static_cast<uint8_t>(message[1]);
      return;
    case kDone:
      client.cleans = true;
      return;
    case kResize:
      if (size < 1 + sizeof(ResizeMessage)) return;
      memcpy(&shim.size, message + 1, sizeof shim.size);
      return apply_size(shim);
    case kCloseInput:
      if (client.wants & kWantStdin) close_input(shim);
      return;
    case kInput:
      if (!(client.wants & kWantStdin) || shim.input < 0) return;
      shim.input_done = 1, shim.input_size = size;
      return write_input(shim);
  }
}

void read_client(Shim& shim, Client& client) {
  ssize_t got = recv(client.fd, shim.input_data, sizeof shim.input_data, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) return take_message(shim, client, static_cast<size_t>(got));
  shim.clients.drop(client);
  if (shim.options.stdin_once && shim.clients.input_lost()) close_input(shim);
}

}  // namespace hull::shim
