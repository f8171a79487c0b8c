// From which address clients seem to come inside. Not from 127.0.0.1: services trust that as their own host, and the client
// may be anyone (CVE-2021-20199). Nor can it be the client's own, for answers to it would leave the namespace. So it is the
// address that stands for none, 192.0.0.8 of RFC 7600 (and 100::1 of RFC 6666's), made local by a route; no interface has it.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/forward/forward.h"

namespace hull::net::forward {
namespace {

// As linux/netlink.h and linux/rtnetlink.h have them.
struct Header { uint32_t size; uint16_t type, flags; uint32_t sequence, port; };
struct Route { uint8_t family, dst_bits, src_bits, tos, table, protocol, scope, type; uint32_t flags; };
struct Attribute { uint16_t size, type; };
struct NetlinkAddress { uint16_t family, pad; uint32_t port, groups; };
constexpr int kNetlinkRoute = 0;
constexpr uint16_t kNewRoute = 24, kRequest = 1, kAcknowledge = 4, kCreateNew = 0x600, kDestination = 1, kInterface = 4;
constexpr uint8_t kTableLocal = 255, kStatic = 4, kScopeHost = 254, kTypeLocal = 2;
constexpr uint32_t kLoopback = 1;  // lo is every namespace's first interface

constexpr in_addr_t kSource4 = 0xc0000008;
constexpr int kIpv6Freebind = 78;

in6_addr source6() {
  in6_addr address{};
  address.s6_addr[0] = 1;
  address.s6_addr[15] = 1;
  return address;
}

struct Request {
  Header header;
  Route route;
  Attribute interface;
  uint32_t index;
  Attribute destination;
  unsigned char address[16];
};

// Whether it was there or has been made; errno says why not.
bool add_local_route(int family, const void* address, size_t size) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, kNetlinkRoute);
  if (fd < 0) return false;
  Request request{};
  request.header.size = static_cast<uint32_t>(sizeof request - sizeof request.address + size);
  request.header.type = kNewRoute;
  request.header.flags = kRequest | kAcknowledge | kCreateNew;
  request.route = {static_cast<uint8_t>(family), static_cast<uint8_t>(8 * size), 0, 0, kTableLocal, kStatic, kScopeHost, kTypeLocal, 0};
  request.interface = {sizeof(Attribute) + sizeof kLoopback, kInterface};
  request.index = kLoopback;
  request.destination = {static_cast<uint16_t>(sizeof(Attribute) + size), kDestination};
  memcpy(request.address, address, size);
  struct { Header header; int32_t error; char rest[512]; } answer{};
  ssize_t got = send(fd, &request, request.header.size, 0) < 0 ? -1 : recv(fd, &answer, sizeof answer, 0);
  close(fd);
  if (got < 0) return false;
  errno = -answer.error;
  return answer.error == 0 || errno == EEXIST;
}

}  // namespace

bool make_source() {
  in_addr_t address = htonl(kSource4);
  in6_addr six = source6();
  add_local_route(AF_INET6, &six, sizeof six);  // where there is no IPv6, nothing listens there either
  return add_local_route(AF_INET, &address, sizeof address);
}

bool bind_source(int fd, int family) {
  constexpr int kBindAddressNoPort = 24;  // the port is chosen by the connection: as many as there are to each target
  int one = 1;
  setsockopt(fd, IPPROTO_IP, kBindAddressNoPort, &one, sizeof one);
  if (family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(kSource4);
    return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  setsockopt(fd, IPPROTO_IPV6, kIpv6Freebind, &one, sizeof one);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = source6();
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace hull::net::forward
