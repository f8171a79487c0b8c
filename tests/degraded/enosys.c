// A kernel without a facility: runs a command with the named system calls answering ENOSYS, for it and its children.
//
//   enosys NAME[,NAME…] COMMAND ARG…
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct { const char* name; unsigned number; } calls[] = {
    {"clone3", SYS_clone3}, {"openat2", SYS_openat2}, {"fsopen", SYS_fsopen}, {"fsconfig", SYS_fsconfig},
    {"fsmount", SYS_fsmount}, {"open_tree", SYS_open_tree}, {"move_mount", SYS_move_mount},
    {"mount_setattr", 442}, {"pidfd_open", SYS_pidfd_open}, {"pidfd_send_signal", SYS_pidfd_send_signal},
    {"close_range", SYS_close_range}, {"statmount", 457}, {"listmount", 458}, {"open_tree_attr", 467},
    {"memfd_create", SYS_memfd_create}, {"seccomp", SYS_seccomp}, {"keyctl", SYS_keyctl}, {"add_key", SYS_add_key},
    {"copy_file_range", SYS_copy_file_range}, {"renameat2", SYS_renameat2}, {"faccessat2", 439}, {"fchmodat2", 452}};

int main(int argc, char** argv) {
  if (argc < 3) { fprintf(stderr, "usage: enosys NAME[,NAME...] COMMAND ARG...\n"); return 2; }
  struct sock_filter code[128];
  unsigned short at = 0;
  code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (char* name = strtok(argv[1], ","); name; name = strtok(NULL, ",")) {
    size_t i = 0;
    while (i < sizeof calls / sizeof *calls && strcmp(calls[i].name, name) != 0) i++;
    if (i == sizeof calls / sizeof *calls) { fprintf(stderr, "enosys: unknown system call %s\n", name); return 2; }
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
  }
  code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {at, code};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
    perror("enosys: seccomp");
    return 2;
  }
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 127;
}
