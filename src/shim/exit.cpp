// The end of the container: reaping, the exit record, and the hand-over to clean-up.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/shim.h"
#include "shim/text.h"

namespace hull::shim {

// Everything that ended: the first process, and orphans that a shared pid namespace gives us as their subreaper.
void reap(Shim& shim) {
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid <= 0) {
      if (pid < 0 && !shim.ended) shim.ended = true, shim.exit_code = 255;  // no child at all: started wrongly
      return;
    }
    if (pid != shim.options.pid) continue;
    shim.ended = true;
    shim.exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    shim.exit_code = shim.exit_signal ? 128 + shim.exit_signal : WEXITSTATUS(status);
  }
}

// Written beside its place and renamed into it: a reader sees all of it or nothing. The directory is on tmpfs, so there
// is nothing to sync. A kill before the rename leaves no record, and the next command reports an unknown end.
void write_exit_record(Shim& shim) {
  if (shim.recorded) return;
  shim.recorded = true;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  char buffer[160];
  Text text(buffer, sizeof buffer);
  text.add("{\"ExitCode\":").add_number(shim.exit_code).add(",\"Signal\":").add_number(shim.exit_signal);
  text.add(",\"FinishedAt\":\"").add_time(now).add("\"}\n");
  int fd = openat(kRuntimeDirFd, "exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;  // the directory is gone: `rm -f` was faster
  bool whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (whole) renameat(kRuntimeDirFd, "exit.new", kRuntimeDirFd, kExitName);
}

// No fork: we are at our end. Children that are left stay ours, and `hull` kills them through the cgroup.
void become_cleanup(const Options& options) {
  if (options.hull == nullptr) _exit(0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char root[4096 + 16], run[4096 + 16];
  Text(root, sizeof root).add("HULL_ROOT=").add(options.root ? options.root : "").c_str();
  Text(run, sizeof run).add("HULL_RUN=").add(options.run ? options.run : "").c_str();
  char program[] = "hull", command[] = "__cleanup", path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* arguments[] = {program, command, const_cast<char*>(options.id), nullptr};
  char* environment[] = {root, run, path, nullptr};
  execve(options.hull, arguments, environment);
  _exit(1);
}

}  // namespace hull::shim
