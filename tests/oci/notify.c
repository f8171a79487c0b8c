// notify MESSAGE... [-- SECONDS]: sends each message to $NOTIFY_SOCKET, then stays. Static, for a container's root.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int count, char** words) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == NULL) return 3;
  strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0), i = 1;
  for (; i < count && strcmp(words[i], "--") != 0; ++i)
    if (sendto(fd, words[i], strlen(words[i]), 0, (struct sockaddr*)&to, sizeof to) < 0) return perror("sendto"), 4;
  if (i + 1 < count) sleep((unsigned)atoi(words[i + 1]));
  return 7;
}
