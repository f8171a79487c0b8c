// The container's terminal: hull-init makes the pty on the container's own devpts and sends its master here.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/shim.h"

namespace hull::shim {

void apply_size(Shim& shim) {
  if (shim.terminal < 0 || shim.size.rows == 0 || shim.size.columns == 0) return;
  winsize size{shim.size.rows, shim.size.columns, 0, 0};
  ioctl(shim.terminal, TIOCSWINSZ, &size);
}

void receive_terminal(Shim& shim) {
  char byte;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  ssize_t got = recvmsg(shim.console_socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  close(shim.console_socket);
  shim.console_socket = -1;
  cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return;  // the start failed; our child's end says so
  memcpy(&shim.terminal, CMSG_DATA(header), sizeof(int));
  fcntl(shim.terminal, F_SETFL, O_RDWR | O_NONBLOCK);
  shim.outputs[0].fd = shim.input = shim.terminal;
  // KERNEL: a master whose last peer is closed reads EIO and polls POLLHUP until somebody opens one; with a peer of
  // our own the terminal lasts as long as the container. TIOCGPTPEER (4.13) needs no path.
  shim.terminal_peer = ioctl(shim.terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  apply_size(shim);
}

}  // namespace hull::shim
