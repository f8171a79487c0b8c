// hull-port: takes connections and datagrams on sockets of the host that hull has bound, and passes them on to a port
// inside a container's net namespace. One epoll loop without heap or threads; what both sides send is never looked at.
//
//   client ──▶ listener (made by hull, stays in the host's net namespace)
//                 └─ accept ─▶ Connection ─ connect ─▶ 127.0.0.1, [::1] or the first address inside
//
// It lives in the container's net namespace alone: a socket belongs to where it was made, so listeners are the host's and
// all that it makes later is the container's. Before it serves, it gives up every capability and all but twenty system
// calls, for both peers are strangers. It ends with the container's first process, and by SIGKILL from whoever settles.
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/forward/protocol.h"

namespace hull::net::forward {

constexpr int kMaxConnections = 4096, kMaxFlows = 1024;
constexpr int64_t kFlowIdleSeconds = 90;  // as docker's proxy
constexpr int kAttempts = 3;              // 127.0.0.1, ::1, the first address of another interface

// All of it is zero at first, so that memory is taken by what is used: no descriptor is 0, and no place in a list.
struct Listener {
  int fd = 0;
  bool datagrams = false;
  uint16_t port = 0;        // inside
};

enum Side : int { kClient = 0, kInside = 1 };

// Nothing of what passes is kept here: bytes are looked at in one socket's queue, and leave it when the other took them.
struct Connection {
  int fds[2] = {0, 0};
  uint32_t watched[2] = {0, 0};       // events in epoll
  bool ended[2] = {false, false};     // this side's end has been passed on
  bool blocked[2] = {false, false};   // this side took less than there was
  bool connecting = false;
  uint8_t attempt = 0;
  uint16_t port = 0;
  int next = 0;             // of a list of free ones: index + 1
};

// A UDP peer: the socket inside that stands for it, and from which of our addresses it is answered.
struct Flow {
  int fd = 0;
  uint16_t listener = 0;
  uint8_t attempt = 0;
  bool answered = false;
  sockaddr_storage peer{};
  socklen_t peer_size = 0;
  alignas(8) char control[64]{};  // the packet info of its last datagram, as sendmsg takes it
  size_t control_size = 0;
  int64_t last = 0;
};

// What an epoll event is about.
enum class About : uint8_t { Process, Listener, Connection, Flow };
uint64_t tag(About about, uint32_t index, int side = 0);

struct Forwarder {
  int epoll = 0;
  int64_t now = 0;              // monotonic seconds
  Listener listeners[kMaxListeners];
  int listener_count = 0;
  bool resting = false;         // full, or short of descriptors: nothing is accepted for a while
  Connection connections[kMaxConnections];
  int connection_limit = 0;     // what the limit of descriptors allows
  int used = 0;                 // connections that were ever made, from the start of the table
  int free_list = 0;            // index + 1
  int closed_list = 0;          // of this turn: events that are still to come may name them
  int open = 0;
  Flow flows[kMaxFlows];
  int flows_used = 0, flows_open = 0;
};

inline constexpr size_t kBufferSize = 64 << 10;
extern char buffer[kBufferSize];

// A non-blocking socket inside, connected (or about to be: *pending) to the port in one of kAttempts ways; -1 if not.
int connect_inside(int type, uint16_t port, int attempt, bool* pending);
bool watch(Forwarder& all, int fd, uint32_t* watched, uint32_t wanted, uint64_t data);
// Accepts again, or no longer.
void rest(Forwarder& all, bool resting);

// connections.cpp
void accept_all(Forwarder& all, Listener& listener);
void serve_connection(Forwarder& all, int index, int side, uint32_t events);
void free_closed(Forwarder& all);
// flows.cpp
void take_datagrams(Forwarder& all, int listener);
void answer_datagrams(Forwarder& all, int index);
void end_idle_flows(Forwarder& all);
// source.cpp: false with errno. A socket that connects inside is bound to it first.
bool make_source();
bool bind_source(int fd, int family);
// confine.cpp: null if done, else what failed.
const char* confine();

}  // namespace hull::net::forward
