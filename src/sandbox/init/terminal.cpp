// The console: a pty of the container's own devpts. The master leaves through the console socket, the slave becomes
// dev/console and the process's standard streams.
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

namespace hull::init {

static int open_master() {
  constexpr long kDevptsMagic = 0x1cd1;
  const char* path = "/dev/pts/ptmx";
  int master = g_state.root >= 0 ? open_inside(path, O_RDWR | O_NOCTTY)
                                   : sys_openat2(AT_FDCWD, path, O_RDWR | O_NOCTTY, kResolveNoSymlinks);
  if (master < 0) return fail("open", path);
  struct statfs fs;
  if (fstatfs(master, &fs) != 0 || fs.f_type != kDevptsMagic) return fail_as(ELOOP, "not a devpts file", path);
  int unlocked = 0;
  if (ioctl(master, TIOCSPTLCK, &unlocked) != 0) return fail("ioctl", "TIOCSPTLCK");
  return master;
}

// dev/console is the slave itself, by descriptor; whatever the image has in its place is only covered (SECURITY B2).
static int bind_console(int slave) {
  int tree = clone_tree(slave, "", false);
  if (tree < 0) return fail("open_tree", "/dev/console");
  const char* name;
  int parent = open_parent_inside("/dev/console", &name);
  if (parent < 0) return -1;
  int made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (made >= 0) close(made);
  int target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0) return fail("open", "/dev/console");
  if (move_mount_to(tree, target) != 0) return fail("move_mount", "/dev/console");
  close(target);
  close(parent);
  return close(tree);
}

int open_console(const StepView& step) {
  int master = open_master();
  if (master < 0) return -1;
  int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return fail("ioctl", "TIOCGPTPEER");
  if (step.number(0) != 0) {
    struct winsize size = {static_cast<unsigned short>(step.number(0)), static_cast<unsigned short>(step.number(1)), 0, 0};
    ioctl(master, TIOCSWINSZ, &size);
  }
  if (step.number(2) != 0) (void)!fchown(slave, static_cast<uid_t>(step.number(2)), static_cast<gid_t>(-1));
  if (g_state.root >= 0 && bind_console(slave) != 0) return -1;
  if (send_descriptor(sandbox::kConsoleFd, master, "P", 1) != 0) return fail("sendmsg", "the terminal's master");
  close(master);
  close(sandbox::kConsoleFd);
  if (step.number(3) == 0 && ioctl(slave, TIOCSCTTY, 0) != 0) return fail("ioctl", "TIOCSCTTY");
  for (int fd = 0; fd < 3; ++fd)
    if (dup2(slave, fd) < 0) return fail("dup2", "terminal");
  return close(slave);
}

}  // namespace hull::init
