// HOME for a program whose configuration gives none: its user's directory in the container's own /etc/passwd, else "/". The
// container wrote that file: it is read whole lines at a time into a fixed buffer, and nothing of it can fail the launch.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {
namespace {

constexpr size_t kMostOfFile = 4 << 20;
char g_buffer[8192];      // a longer line is nobody's
char g_home[5 + sizeof g_buffer];

// The home of a line "name:password:uid:gid:comment:home:shell", NUL-terminated, if the line is the user's; it cuts the line.
const char* home_in(char* line, uid_t uid) {
  char* fields[6];
  for (char*& field : fields) {
    field = line;
    if (line == nullptr) return nullptr;
    line = strchr(line, ':');
    if (line != nullptr) *line++ = '\0';
  }
  char* end;
  if (fields[2][0] < '0' || fields[2][0] > '9') return nullptr;
  unsigned long found = strtoul(fields[2], &end, 10);
  return *end == '\0' && found == uid ? fields[5] : nullptr;
}

const char* search(int fd, uid_t uid) {
  size_t kept = 0;
  bool too_long = false;
  for (size_t total = 0; total < kMostOfFile;) {
    ssize_t got = read(fd, g_buffer + kept, sizeof g_buffer - 1 - kept);
    if (got <= 0 && kept == 0) return nullptr;
    if (got <= 0) g_buffer[kept] = '\n', got = 1, total = kMostOfFile;  // a last line without its end
    total += static_cast<size_t>(got);
    char *line = g_buffer, *end = g_buffer + kept + got;
    while (auto* stop = static_cast<char*>(memchr(line, '\n', static_cast<size_t>(end - line)))) {
      *stop = '\0';
      const char* home = too_long ? nullptr : home_in(line, uid);
      if (home != nullptr) return home;
      too_long = false;
      line = stop + 1;
    }
    kept = static_cast<size_t>(end - line);
    if (kept == sizeof g_buffer - 1) too_long = true, kept = 0;
    memmove(g_buffer, line, kept);
  }
  return nullptr;
}

}  // namespace

// A magic link would lead to a descriptor of ours or out of the root, and a fifo would keep us waiting.
void find_home(uid_t uid) {
  const char* home = nullptr;
  struct stat status;
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = root < 0 ? -1 : sys_openat2(root, "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, kResolveInRoot | kResolveNoMagiclinks);
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) home = search(fd, uid);
  if (fd >= 0) close(fd);
  if (root >= 0) close(root);
  strcpy(g_home, "HOME=");
  strcat(g_home, home == nullptr || *home == '\0' ? "/" : home);
  g_state.home = g_home;
}

}  // namespace hull::init
