"""linux.seccomp: what a filtered call answers. mkdir, chmod and personality are called by busybox alone."""
import array
import json
import os
import re
import socket
import struct
import threading

from lib.bundle import bundle, oci, quiet_oci
from lib.hull import check as claim, contains, equal, eventually, scratch
from lib.oci_cases import Case, agree, check


def rule(*names, action="SCMP_ACT_ERRNO", args=None, **more):
    return {"names": list(names), "action": action} | ({"args": args} if args else {}) | more


def seccomp(*rules, default="SCMP_ACT_ALLOW", **more):
    return {"linux": {"seccomp": {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": list(rules)} | more}}


def arg(index, value, op, second=None):
    return {"index": index, "value": value, "op": op} | ({"valueTwo": second} if second is not None else {})


MKDIR = "rmdir /tmp/s$$ 2>/dev/null; mkdir -m 755 /tmp/s$$ 2>&1 | sed 's/.*: //'; echo done"
KILL = "rmdir /tmp/k$$ 2>/dev/null; mkdir -m 755 /tmp/k$$ 2>/dev/null; echo $?"
CHMOD = "touch /tmp/c; for m in 600 644 700 755; do chmod $m /tmp/c 2>/dev/null && printf '%s ' $m; done; echo"


def chmod_when(op, value, second=None):
    """chmod(2) has the mode in argument 1, fchmodat(2) in argument 2."""
    return (rule("chmod", args=[arg(1, value, op, second)]), rule("fchmodat", args=[arg(2, value, op, second)]))


CASES = [
    Case("no filter", "grep Seccomp: /proc/self/status | tr -d '\\t'", "Seccomp:0"),
    Case("a filter", "grep Seccomp: /proc/self/status | tr -d '\\t'", "Seccomp:2", seccomp(rule("mkdir"))),
    Case("a filter without no_new_privs", "grep -E 'Seccomp:|NoNew' /proc/self/status | tr -d '\\t' | tr '\\n' ' '", "NoNewPrivs:0 Seccomp:2",
         seccomp(rule("mkdir")), {"process": {"noNewPrivileges": False}}),
    Case("a filter with no_new_privs", "grep -E 'Seccomp:|NoNew' /proc/self/status | tr -d '\\t' | tr '\\n' ' '", "NoNewPrivs:1 Seccomp:2",
         seccomp(rule("mkdir")), {"process": {"noNewPrivileges": True}}),
    Case("errno by default", MKDIR, "Operation not permitted\ndone", seccomp(rule("mkdir"))),
    Case("errnoRet", MKDIR, "Function not implemented\ndone", seccomp(rule("mkdir", errnoRet=38))),
    Case("errnoRet of another kind", MKDIR, "No space left on device\ndone", seccomp(rule("mkdir", errnoRet=28))),
    Case("a default that denies", MKDIR, "Operation not permitted\ndone",
         lambda c: c["linux"].update(seccomp=allow_all_but("mkdir", "SCMP_ACT_ERRNO"))),
    Case("defaultErrnoRet", MKDIR, re.compile("Value too large"),
         lambda c: c["linux"].update(seccomp=allow_all_but("mkdir", "SCMP_ACT_ERRNO", defaultErrnoRet=75))),
    Case("kill", KILL, "159", seccomp(rule("mkdir", action="SCMP_ACT_KILL"))),
    Case("kill the thread", KILL, "159", seccomp(rule("mkdir", action="SCMP_ACT_KILL_THREAD"))),
    Case("kill the process", KILL, "159", seccomp(rule("mkdir", action="SCMP_ACT_KILL_PROCESS"))),
    Case("trap", KILL, "159", seccomp(rule("mkdir", action="SCMP_ACT_TRAP"))),
    Case("log", KILL, "0", seccomp(rule("mkdir", action="SCMP_ACT_LOG"))),
    Case("allow", KILL, "0", seccomp(rule("mkdir", action="SCMP_ACT_ALLOW"))),
    Case("trace without a tracer", MKDIR, "Function not implemented\ndone", seccomp(rule("mkdir", action="SCMP_ACT_TRACE"))),
    Case("several names", MKDIR + "; rmdir /tmp 2>&1 | sed 's/.*: //'", "Operation not permitted\ndone\nOperation not permitted",
         seccomp(rule("mkdir", "rmdir"))),
    Case("a name that no kernel has is passed over", MKDIR, "Operation not permitted\ndone", seccomp(rule("future_call", "mkdir"))),
    Case("an argument equal", CHMOD, "600 644 700", seccomp(*chmod_when("SCMP_CMP_EQ", 0o755))),
    Case("an argument not equal", CHMOD, "644", seccomp(*chmod_when("SCMP_CMP_NE", 0o644))),
    Case("an argument less", CHMOD, "700 755", seccomp(*chmod_when("SCMP_CMP_LT", 0o700))),
    Case("an argument less or equal", CHMOD, "755", seccomp(*chmod_when("SCMP_CMP_LE", 0o700))),
    Case("an argument greater", CHMOD, "600 644", seccomp(*chmod_when("SCMP_CMP_GT", 0o644))),
    Case("an argument greater or equal", CHMOD, "600", seccomp(*chmod_when("SCMP_CMP_GE", 0o644))),
    Case("an argument masked", CHMOD, "600 644", seccomp(*chmod_when("SCMP_CMP_MASKED_EQ", 0o100, 0o100))),
    Case("two arguments are both needed", CHMOD, "600 644 700",
         seccomp(rule("chmod", args=[arg(1, 0o755, "SCMP_CMP_EQ"), arg(5, 0, "SCMP_CMP_GE")]),
                 rule("fchmodat", args=[arg(2, 0o755, "SCMP_CMP_EQ"), arg(5, 0, "SCMP_CMP_GE")]))),
    Case("the flag LOG", "grep Seccomp: /proc/self/status | tr -d '\\t'", "Seccomp:2", seccomp(rule("mkdir"), flags=["SECCOMP_FILTER_FLAG_LOG"]), unlike={"runc"}),
    Case("the flag WAIT_KILLABLE_RECV without a listener", "grep Seccomp: /proc/self/status | tr -d '\\t'", "Seccomp:2",
         seccomp(rule("mkdir"), flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]), unlike={"runc"}),
    Case("the flag SPEC_ALLOW", "grep Seccomp: /proc/self/status | tr -d '\\t'", "Seccomp:2", seccomp(rule("mkdir"), flags=["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]), unlike={"runc"}),
    Case("calls of 32 bits are refused when not listed", "echo fine", "fine", seccomp(rule("mkdir"))),
    Case("three architectures", MKDIR, "Operation not permitted\ndone",
         seccomp(rule("mkdir"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])),
]


def allow_all_but(name, default, **more):
    """The calls that busybox needs, from the kernel's own table of names; `name` is left to the default."""
    needed = [call for call in NEEDED if call != name]
    return {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule(*needed, action="SCMP_ACT_ALLOW")]} | more


NEEDED = """read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ioctl pread64
access pipe pipe2 select dup dup2 dup3 getpid sendfile clone fork vfork execve exit wait4 kill uname fcntl getdents getdents64 getcwd chdir
umask getuid getgid geteuid getegid getppid getpgrp setsid setuid setgid setgroups setresuid setresgid capget capset prctl arch_prctl futex
set_tid_address clock_gettime exit_group openat newfstatat set_robust_list prlimit64 getrandom statx rseq faccessat faccessat2 readlink
readlinkat clone3 setpgid sysinfo rt_sigsuspend sigaltstack seccomp close_range sendmsg gettid tgkill setrlimit getrlimit execveat keyctl
fchdir chown fchown getsockopt socket connect nanosleep fstatfs statfs epoll_create1 epoll_ctl epoll_pwait sched_yield madvise time
sched_getaffinity rt_sigpending write writev readv openat2 getxattr lgetxattr unlink mkdir""".split()


def test_the_filter_is_as_the_configuration_says():
    check(CASES)


def test_crun_agrees():
    agree("crun", CASES)


def test_runc_agrees():
    agree("runc", CASES)


def test_exec_has_the_filter_too():
    from lib.bundle import container
    with container(seccomp(rule("mkdir"))) as name:
        oci("exec", name, "/bin/mkdir", "-m", "755", "/tmp/x").exits(1).err_contains("Operation not permitted")


class Agent:
    """A seccomp agent: takes one listener, answers each call that is notified with an errno."""

    def __init__(self, errno):
        self.path, self.errno, self.state, self.fd = scratch(f"agent{os.urandom(2).hex()}"), errno, None, None
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(self.path)
        self.server.listen(4)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        import fcntl
        connection, _ = self.server.accept()
        data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
        self.state = json.loads(data)
        self.fd = array.array("i", ancillary[0][2])[0]
        connection.close()
        while True:
            notified = bytearray(80)
            try:
                fcntl.ioctl(self.fd, 0xc0502100, notified)  # SECCOMP_IOCTL_NOTIF_RECV
            except OSError:
                return
            identity = struct.unpack_from("Q", notified)[0]
            answer = bytearray(struct.pack("QqiI", identity, 0, -self.errno, 0))
            try:
                fcntl.ioctl(self.fd, 0xc0182101, answer)  # SECCOMP_IOCTL_NOTIF_SEND
            except OSError:
                return

    def close(self):
        self.server.close()
        self.thread.join(5)
        if self.fd is not None:
            os.close(self.fd)


def test_a_listener_gets_the_state_and_decides():
    agent = Agent(errno=30)  # EROFS
    try:
        patch = seccomp(rule("mkdir", action="SCMP_ACT_NOTIFY"), listenerPath=agent.path, listenerMetadata="who")
        path = bundle(patch, {"process": {"args": ["/bin/sh", "-c", "mkdir -m 755 /tmp/n; exit 0"]}})
        result = oci("run", "-b", path, "noted").ok()
        contains(result.err, "Read-only file system")
        eventually(lambda: agent.state)
        equal((agent.state["fds"], agent.state["metadata"], agent.state["state"]["id"]), (["seccompFd"], "who", "noted"))
        claim(agent.state["pid"] == agent.state["state"]["pid"] > 1, f"pids as we see them: {agent.state}")
    finally:
        agent.close()


def test_notify_without_a_listener_is_refused():
    code, text = quiet_oci("create", "-b", bundle(seccomp(rule("mkdir", action="SCMP_ACT_NOTIFY"))), "x")
    equal(code, 1)
    contains(text, "listenerPath")
