// What hull and hull-port agree on: arguments and descriptors. Plain C++ without any library, shared by both sides.
//
// Arguments: hull-port LISTENER…   one for each listening socket, in the order of their descriptors: "t80" is a TCP
//            listener whose connections go to port 80 inside, "u53" a bound UDP socket
// Its standard output is a socket: kReady once it serves, or one line that says why it cannot; then it is closed.
#pragma once

namespace hull::net::forward {

constexpr int kPidfdFd = 3;      // the container's first process: its end is ours
constexpr int kNetNsFd = 4;      // where connections are made
constexpr int kUserNsFd = 5;     // whose rights that takes, if we have none here; else it is absent
constexpr int kLockFd = 6;       // held open: whoever can take its flock(2) knows that we are gone
constexpr int kFirstListenerFd = 7;

constexpr int kMaxListeners = 4096;

constexpr char kReady = '+';
constexpr char kTcp = 't', kUdp = 'u';

}  // namespace hull::net::forward
