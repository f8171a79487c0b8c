// TCP: accept, connect inside, and pass bytes, ends and resets on in both directions.
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "net/forward/forward.h"

namespace hull::net::forward {
namespace {

constexpr int kRounds = 16;        // of one socket before the others have their turn
constexpr int kAcceptAtOnce = 64;

void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

// Whoever still waits for the other learns that it went away in the middle.
void reset_on_close(int fd) {
  linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void close_connection(Forwarder& all, int index, bool broken) {
  Connection& connection = all.connections[index];
  for (int& fd : connection.fds) {
    if (fd == 0) continue;
    if (broken) reset_on_close(fd);
    close(fd);
    fd = 0;
  }
  connection.next = all.closed_list;
  all.closed_list = index + 1;
  --all.open;
}

int take_slot(Forwarder& all) {
  int index = all.free_list - 1;
  if (index >= 0) all.free_list = all.connections[index].next;
  else if (all.used < all.connection_limit) index = all.used++;
  if (index < 0) return -1;
  all.connections[index] = Connection();
  ++all.open;
  return index;
}

// What is there goes on to the other side as far as that takes it. False: the connection is broken.
bool pump(Connection& connection, int from) {
  int to = from == kClient ? kInside : kClient;
  for (int round = 0; round < kRounds && !connection.ended[from]; ++round) {
    ssize_t got = recv(connection.fds[from], buffer, kBufferSize, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
      shutdown(connection.fds[to], SHUT_WR);
      connection.ended[from] = true;
      return true;
    }
    ssize_t sent = send(connection.fds[to], buffer, static_cast<size_t>(got), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    // KERNEL: MSG_TRUNC drops bytes of a stream without copying them; since 2.4, tcp(7).
    if (sent > 0 && recv(connection.fds[from], buffer, static_cast<size_t>(sent), MSG_TRUNC | MSG_DONTWAIT) != sent) return false;
    if (sent < got) {
      connection.blocked[to] = true;
      return true;
    }
  }
  return true;
}

// False: there is no memory to watch it with.
bool update(Forwarder& all, int index) {
  Connection& connection = all.connections[index];
  for (int side = kClient; side <= kInside; ++side) {
    uint32_t wanted = 0;
    if (connection.connecting) {
      if (side == kInside) wanted = EPOLLOUT;
    } else {
      if (!connection.ended[side] && !connection.blocked[1 - side]) wanted |= EPOLLIN;
      if (connection.blocked[side]) wanted |= EPOLLOUT;
    }
    if (!watch(all, connection.fds[side], &connection.watched[side], wanted, tag(About::Connection, static_cast<uint32_t>(index), side))) return false;
  }
  return true;
}

// The next way inside that is not refused at once. False: there is none.
bool connect_next(Connection& connection) {
  connection.connecting = false;
  connection.watched[kInside] = 0;
  while (connection.attempt < kAttempts) {
    int fd = connect_inside(SOCK_STREAM, connection.port, connection.attempt++, &connection.connecting);
    if (fd < 0) continue;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    connection.fds[kInside] = fd;
    return true;
  }
  return false;
}

bool finish_connecting(Connection& connection) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(connection.fds[kInside], SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
    connection.connecting = false;
    return true;
  }
  close(connection.fds[kInside]);
  connection.fds[kInside] = 0;
  return connect_next(connection);
}

void begin_connection(Forwarder& all, const Listener& listener, int fd) {
  int index = take_slot(all);
  if (index < 0) {
    close(fd);
    return;
  }
  Connection& connection = all.connections[index];
  connection.fds[kClient] = fd;
  connection.port = listener.port;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (!connect_next(connection) || !update(all, index)) close_connection(all, index, true);
}

}  // namespace

void accept_all(Forwarder& all, Listener& listener) {
  for (int i = 0; i < kAcceptAtOnce; ++i) {
    if (all.free_list == 0 && all.used >= all.connection_limit) return rest(all, true);
    int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) begin_connection(all, listener, fd);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) return rest(all, true);
    else if (errno == EAGAIN) return;
  }
}

void serve_connection(Forwarder& all, int index, int side, uint32_t events) {
  Connection& connection = all.connections[index];
  if (connection.fds[kClient] == 0) return;  // closed earlier in this turn
  bool whole = true;
  if (connection.connecting) {
    whole = finish_connecting(connection);
  } else {
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
      connection.blocked[side] = false;
      whole = pump(connection, 1 - side);
    }
    if (whole && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !connection.blocked[1 - side]) whole = pump(connection, side);
  }
  if (!whole) return close_connection(all, index, true);
  if (connection.ended[kClient] && connection.ended[kInside]) return close_connection(all, index, false);
  if (!update(all, index)) close_connection(all, index, true);
}

void free_closed(Forwarder& all) {
  while (all.closed_list > 0) {
    Connection& connection = all.connections[all.closed_list - 1];
    int rest_of_list = connection.next;
    connection.next = all.free_list;
    all.free_list = all.closed_list;
    all.closed_list = rest_of_list;
  }
}

}  // namespace hull::net::forward
