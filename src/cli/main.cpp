// The start of the hull program: makes the process safe to work in, then hands over to the command table.
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <new>

#include "cli/dispatch.h"
#include "cli/output.h"

namespace {

// A descriptor 0, 1 or 2 that is closed would be taken by the next file we open, and messages would go into it.
bool reopen_standard_streams() {
  if (::fcntl(0, F_GETFD) >= 0 && ::fcntl(1, F_GETFD) >= 0 && ::fcntl(2, F_GETFD) >= 0) return true;
  for (;;) {
    int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    if (fd > 2) {
      ::close(fd);
      return true;
    }
    ::fcntl(fd, F_SETFD, 0);  // a standard stream is inherited
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace hull::cli;
  if (!reopen_standard_streams()) return kExitEngine;
  if (::getauxval(AT_SECURE) != 0) {
    print_error("hull: refusing to run set-user-id or with file capabilities; run it as root or as yourself");
    return kExitEngine;
  }
  try {
    ::_exit(dispatch({argv, static_cast<size_t>(argc)}));  // output is written by now; what is left the kernel takes back faster
  } catch (const std::bad_alloc&) {
    print_error("hull: out of memory");
    return kExitEngine;
  }
}
