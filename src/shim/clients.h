// The shim's attach clients: at most sixteen sockets with one message in flight to all of them. A client that cannot
// take the message yet holds back the next read of the container's output, so nothing is lost; a client that has taken
// nothing for kStallSeconds is dropped, except the foreground run, whose reader decides its pace (`hull run … | less`).
#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

namespace hull::shim {

constexpr int kMaxClients = 16;
constexpr int64_t kStallSeconds = 10;

struct Client {
  int fd = -1;
  uint8_t wants = 0;    // kWantStdout, …
  bool primary = false; // the foreground run
  bool cleans = false;  // said that it cleans up after the end
  bool pending = false; // has not taken the message in flight
  int64_t since = 0;    // when it began to be pending, monotonic seconds
};

class Clients {
 public:
  void add(int fd, uint8_t wants, bool primary);
  bool accept_from(int listener);
  void drop(Client& client);

  // Sends one message (type byte first) to all who want it; keeps it for those that are not ready. `message` must stay
  // as it is until blocked() is false.
  void send(const char* message, size_t size);
  void resume(Client& client);        // POLLOUT: the message in flight again
  bool blocked() const { return pending_ > 0; }
  void drop_stalled(int64_t now);
  bool any() const { return count_ > 0; }
  bool primary_connected() const;
  bool somebody_cleans() const;
  bool input_lost() const { return input_lost_; }  // one that could send input has gone

  Client* begin() { return clients_; }
  Client* end() { return clients_ + kMaxClients; }

 private:
  Client clients_[kMaxClients];
  const char* message_ = nullptr;
  size_t size_ = 0;
  int pending_ = 0, count_ = 0;
  bool input_lost_ = false;
};

int64_t monotonic_seconds();

}  // namespace hull::shim
