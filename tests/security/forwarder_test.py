"""A hull-port that its peers have taken over: the program below has given up what hull-port gives up, by the same code, and
then tries what an attacker would. Each try is its end."""
import os
import subprocess

from lib.hull import REPOSITORY, check, equal, need, scratch

STUB = r"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "net/forward/confine.cpp"
using namespace hull::net::forward;
static char text[] = "/etc/shadow";
static long word(long value) { return value; }
struct Try { const char* name; long number, arguments[6]; bool allowed; };
static const Try kTries[] = {
  {"open", SYS_open, {(long)text, O_RDONLY}}, {"openat", SYS_openat, {AT_FDCWD, (long)text}}, {"openat2", SYS_openat2}, {"execve", SYS_execve, {(long)text}},
  {"execveat", SYS_execveat}, {"fork", SYS_fork}, {"vfork", SYS_vfork}, {"clone", SYS_clone, {SIGCHLD}}, {"clone3", SYS_clone3}, {"ptrace", SYS_ptrace, {0}},
  {"process_vm_writev", SYS_process_vm_writev}, {"kill", SYS_kill, {1, 0}}, {"tgkill", SYS_tgkill}, {"pidfd_open", SYS_pidfd_open, {1}},
  {"pidfd_send_signal", SYS_pidfd_send_signal, {3, 9}}, {"pidfd_getfd", SYS_pidfd_getfd}, {"mmap of code", SYS_mmap, {0, 4096, PROT_EXEC | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
  {"mprotect", SYS_mprotect}, {"memfd_create", SYS_memfd_create, {(long)text}}, {"setns", SYS_setns, {4}}, {"unshare", SYS_unshare, {0}}, {"mount", SYS_mount},
  {"chroot", SYS_chroot}, {"unlink", SYS_unlink}, {"stat", SYS_stat}, {"bpf", SYS_bpf}, {"io_uring_setup", SYS_io_uring_setup}, {"keyctl", SYS_keyctl},
  {"userfaultfd", SYS_userfaultfd}, {"perf_event_open", SYS_perf_event_open}, {"setuid", SYS_setuid, {0}}, {"capset", SYS_capset}, {"prctl", SYS_prctl},
  {"a unix socket", SYS_socket, {AF_UNIX, SOCK_STREAM}}, {"a netlink socket", SYS_socket, {16, SOCK_RAW}}, {"a packet socket", SYS_socket, {17, SOCK_RAW}},
  {"a vsock", SYS_socket, {40, SOCK_STREAM}}, {"TIOCSTI", SYS_ioctl, {0, 0x5412, (long)text}}, {"setting an address", SYS_ioctl, {0, 0x8916}},
  {"listen", SYS_listen, {0, 1}}, {"write", SYS_write, {1, (long)text, 1}}, {"x32 getpid", 0x40000000 | SYS_getpid},
  {"an Internet socket", SYS_socket, {AF_INET, SOCK_STREAM}, true}, {"a raw Internet socket", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}, true},
  {"close", SYS_close, {99}, true}};
int main() {
  for (const Try& one : kTries) {
    pid_t child = fork();
    if (child == 0) {
      if (confine() != nullptr) _exit(3);
      const long* a = one.arguments;
      long got = syscall(word(one.number), a[0], a[1], a[2], a[3], a[4], a[5]);
      syscall(SYS_exit_group, got < 0 ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("%s\t%s\t%d\n", one.name, one.allowed ? "allowed" : "fatal", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  }
}
"""


def test_whoever_takes_the_forwarder_over_has_twenty_calls_and_no_rights():
    need("g++")
    program = f"{scratch()}/stub"
    subprocess.run(["g++", "-std=c++20", "-w", f"-I{REPOSITORY}/src", "-o", program, "-x", "c++", "-"], input=STUB, text=True, check=True)
    lines = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    check(len(lines) > 40, "all tries were made")
    sigsys, wrong = -31, []
    for line in lines:
        name, expected, code = line.split("\t")
        if expected == "fatal" and int(code) != sigsys:
            wrong.append(f"{name}: {code}")
        if expected == "allowed" and int(code) == sigsys:
            wrong.append(f"{name} must be allowed")
        if name == "a raw Internet socket" and int(code) == 0:
            wrong.append("a raw socket was made, which needs a capability")
    equal(wrong, [], "tries that did not end it")
    os.unlink(program)
