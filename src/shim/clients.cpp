#include "shim/clients.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shim/protocol.h"

namespace hull::shim {

int64_t monotonic_seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

void Clients::add(int fd, uint8_t wants, bool primary) {
  for (Client& client : clients_) {
    if (client.fd >= 0) continue;
    client = Client{fd, wants, primary, false, false, 0};
    ++count_;
    return;
  }
  close(fd);  // full: the client sees the end of the stream
}

// Only our own user and root may attach; the directory's mode says so too.
bool Clients::accept_from(int listener) {
  int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return false;
  ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || (peer.uid != 0 && peer.uid != geteuid())) {
    close(fd);
    return false;
  }
  add(fd, 0, false);
  return true;
}

void Clients::drop(Client& client) {
  if (client.fd < 0) return;
  close(client.fd);
  if (client.pending) --pending_;
  if (client.wants & kWantStdin) input_lost_ = true;
  client = Client{};
  --count_;
}

void Clients::send(const char* message, size_t size) {
  message_ = message, size_ = size;
  uint8_t stream = message[0] == kStdout ? kWantStdout : message[0] == kStderr ? kWantStderr : 0xff;  // the exit is for all
  for (Client& client : clients_) {
    bool wanted = (client.wants & stream) || (message[0] == kExit && client.primary);
    if (client.fd < 0 || !wanted) continue;
    client.pending = true;
    client.since = 0;
    ++pending_;
    resume(client);
  }
}

void Clients::resume(Client& client) {
  if (!client.pending) return;
  ssize_t put;
  do put = ::send(client.fd, message_, size_, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (put < 0 && errno == EINTR);
  if (put >= 0) {
    client.pending = false;
    --pending_;
  } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
    if (client.since == 0) client.since = monotonic_seconds();
  } else {
    drop(client);
  }
}

void Clients::drop_stalled(int64_t now) {
  for (Client& client : clients_)
    if (client.pending && !client.primary && client.since != 0 && now - client.since >= kStallSeconds) drop(client);
}

bool Clients::somebody_cleans() const {
  for (const Client& client : clients_)
    if (client.fd >= 0 && client.cleans) return true;
  return false;
}

bool Clients::primary_connected() const {
  for (const Client& client : clients_)
    if (client.fd >= 0 && client.primary) return true;
  return false;
}

}  // namespace hull::shim
