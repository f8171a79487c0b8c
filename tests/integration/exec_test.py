"""hull exec: streams, terminal, user, environment, codes; and that what it starts is inside in every respect."""
import os
import time

from lib.hull import Skip, Terminal, binary, check, container, equal, eventually, hull, inspect, namespace_of

SLEEP = ("--net=none", "busybox", "sleep", "600")


def test_streams_input_and_code():
    with container("--name=box", *SLEEP):
        result = hull("exec", "box", "sh", "-c", "echo out; echo err >&2; exit 7").exits(7)
        equal((result.out, result.err), ("out\n", "err\n"))
        hull("exec", "-i", "box", "cat", input="typed").ok().out_is("typed")
        hull("exec", "box", "cat", input="typed").ok().out_is("")
        data = "x" * 2_000_000
        equal(len(hull("exec", "-i", "box", "cat", input=data).ok().out), len(data))


def test_it_is_inside_in_every_respect():
    with container("--name=box", "-m", "64m", *SLEEP):
        pid = inspect("box", "{{.State.Pid}}")
        out = hull("exec", "box", "sh", "-c", "for k in mnt net pid ipc uts cgroup; do readlink /proc/self/ns/$k; done;"
                   " grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status; cat /proc/self/cgroup").ok().out.splitlines()
        equal(out[:6], [namespace_of(pid, kind) for kind in ("mnt", "net", "pid", "ipc", "uts", "cgroup")])
        with open(f"/proc/{pid}/status") as status:
            own = [line.strip() for line in status if line.startswith(("CapEff:", "CapBnd:", "Seccomp:"))]
        equal(out[6:9], own, "capabilities and filter")
        check(all(line.endswith(":/") for line in out[9:]), f"every cgroup is the container's own: {out[9:]}")


def test_user_directory_and_environment():
    with container("--name=box", "-e", "A=1", "-w", "/tmp", *SLEEP):
        equal(hull("exec", "box", "sh", "-c", "echo $A; pwd; id -u").ok().out, "1\n/tmp\n0\n")
        equal(hull("exec", "-e", "A=2", "-w", "/etc", "-u", "1000", "box", "sh", "-c", "echo $A; pwd; id -u").ok().out, "2\n/etc\n1000\n")
        hull("exec", "-u", "nobody-there", "box", "true").fails(text="unable to find user")


def test_a_terminal_of_its_own():
    with container("--name=box", *SLEEP):
        with Terminal(binary(), "exec", "-it", "box", "sh", rows=33, columns=99) as terminal:
            before = terminal.initial
            terminal.expect("# ")
            terminal.send("stty size; tty\r")
            terminal.expect("33 99")
            terminal.expect("/dev/pts/0")
            terminal.resize(20, 70)
            time.sleep(0.1)
            terminal.send("stty size\r")
            terminal.expect("20 70")
            terminal.send("exit 8\r")
            equal(terminal.wait(), 8)
            equal(terminal.settings(), before, "terminal settings")


def test_detached_it_runs_on():
    with container("--name=box", *SLEEP):
        hull("exec", "-d", "box", "sh", "-c", "sleep 0.1; touch /done").ok()
        eventually(lambda: hull("exec", "box", "ls", "/done").code == 0)


def test_it_ends_with_its_container():
    with container("--name=box", "--net=none", "busybox", "sh", "-c", "until [ -e /entered ]; do sleep 0.05; done"):
        hull("exec", "box", "sh", "-c", "touch /entered; exec sleep 600").exits(137)


def test_privileged_has_more_and_only_then():
    with container("--name=box", *SLEEP):
        equal(hull("exec", "box", "sh", "-c", "grep CapEff /proc/self/status").ok().out.split()[1], "00000000800405fb")
        full = hull("exec", "--privileged", "box", "sh", "-c", "grep CapEff /proc/self/status").ok().out.split()[1]
        check(int(full, 16) & 1 << 21, f"CAP_SYS_ADMIN in {full}")


def test_a_container_that_is_full_of_processes_can_still_be_looked_into():
    """With cgroup v1 whoever enters is not counted against the limit; it is then that somebody has to look."""
    if not os.path.isdir("/sys/fs/cgroup/pids"):
        raise Skip("cgroup v2 counts who is cloned into a group")
    with container("--name=box", "--pids-limit=3", "--net=none", "busybox", "sh", "-c", "sleep 600 & sleep 600 & echo full; wait"):
        eventually(lambda: "full" in hull("logs", "box").out)
        hull("exec", "box", "cat", "/sys/fs/cgroup/pids/pids.current").ok().out_is("4\n")
        hull("exec", "box", "sh", "-c", "true & wait").exits(2).err_contains("can't fork")


def test_a_terminal_is_the_process_s_own():
    """It leads a session of its own in the container's pid namespace, with the terminal for its controlling one."""
    with container("--name=box", *SLEEP):
        with Terminal(binary(), "exec", "-it", "box", "sh", "-c", "tty; : > /dev/tty && echo controlled; echo \"$(cut -d' ' -f1,5,6 /proc/$$/stat)\"") as terminal:
            terminal.expect(r"/dev/pts/\d+")
            terminal.expect("controlled")
            found = terminal.expect(r"(\d+) (\d+) (\d+)")
            equal(len(set(found.groups())), 1, "pid, process group and session")
            equal(terminal.wait(), 0)
