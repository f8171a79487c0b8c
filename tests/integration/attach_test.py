"""hull attach: several clients at once, detaching and coming back, what a client may do."""
import os
import signal
import subprocess
import time

from lib.hull import Terminal, binary, check, container, environment, equal, eventually, hull, inspect, sh

SHELL = ("--net=none", "busybox", "sh")


def test_detach_and_come_back():
    with Terminal(binary(), "run", "-it", "--name=shell", *SHELL) as first:
        before = first.initial
        first.expect("# ")
        first.send("x=42\r")
        first.expect("# ")
        first.send("\x10\x11")
        equal(first.wait(), 0, "exit code after the detach keys")
        equal(first.settings(), before, "terminal settings")
    equal(inspect("shell", "{{.State.Status}}"), "running")
    with Terminal(binary(), "attach", "shell") as second:
        time.sleep(0.2)
        second.send("echo got$x\r")
        second.expect("got42")
        second.send("exit 4\r")
        equal(second.wait(), 4)
    hull("rm", "shell").ok()


def test_other_detach_keys():
    with Terminal(binary(), "run", "-it", "--name=keys", "--detach-keys=ctrl-a,d", *SHELL) as terminal:
        terminal.expect("# ")
        terminal.send("\x01d")
        equal(terminal.wait(), 0)
    hull("rm", "-f", "keys").ok()


def test_two_see_the_same():
    with container("-it", "--name=pair", *SHELL):
        with Terminal(binary(), "attach", "pair") as one, Terminal(binary(), "attach", "pair") as two:
            time.sleep(0.3)
            one.send("echo mark$((1+1))\r")
            one.expect("mark2")
            two.expect("mark2")
            two.send("exit 3\r")
            equal((one.wait(), two.wait()), (3, 3))


def test_without_a_terminal():
    with container("-i", "--name=plain", "--net=none", "busybox", "sh", "-c", "read line; echo got $line; exit 6"):
        result = hull("attach", "plain", input="hello\n").exits(6)
        equal(result.out, "got hello\n")


def test_a_terminals_container_is_not_attached_to_a_pipe():
    with container("-it", "--name=tty", *SHELL):
        hull("attach", "tty", input="", timeout=10).exits(1).err_contains("the input device is not a TTY").one_line_error()
        hull("attach", "--no-stdin", "--detach-keys=x-", "tty", timeout=10).fails(1, "detach keys")


def test_the_terminal_is_restored_on_every_way_out():
    """The end of the program, an end by a signal to hull, a container that is removed or whose shim dies, a failed start."""
    def at_prompt(name):
        terminal = Terminal(binary(), "run", "-it", f"--name={name}", *SHELL)
        terminal.expect("# ")
        check(terminal.settings() != terminal.initial, "it is raw while the container has it")
        return terminal

    ways = {"exit": lambda t: t.send("exit 3\r"), "term": lambda t: t.child.send_signal(signal.SIGTERM),
            "hup": lambda t: t.child.send_signal(signal.SIGHUP), "gone": lambda t: hull("rm", "-f", "gone").ok(),
            "shim": lambda t: os.kill(int(sh(f"busybox awk '/^PPid/ {{print $2}}' /proc/{inspect('shim', '{{.State.Pid}}')}/status").ok().out), signal.SIGKILL)}
    for name, act in ways.items():
        with at_prompt(name) as terminal:
            act(terminal)
            if name in ("term", "hup"):  # passed on to the shell, which as the first process is deaf to them
                hull("kill", name).ok()
            terminal.wait()
            equal(terminal.settings(), terminal.initial, f"settings after {name}")
        hull("rm", "-f", name)
    for words in (("busybox", "no-such-command"), ("--hostname", "a" * 99, "busybox", "sh")):
        with Terminal(binary(), "run", "--rm", "-it", "--net=none", *words) as terminal:
            check(terminal.wait() in (125, 127), "it does not start")
            equal(terminal.settings(), terminal.initial, f"settings after {words}")


def test_a_stopped_container_cannot_be_attached_to():
    hull("run", "--name=over", "--net=none", "busybox", "true").ok()
    hull("attach", "over").exits(1).err_contains("cannot attach to a stopped container")
    hull("rm", "over").ok()


def test_a_client_that_is_killed_disturbs_nobody():
    with container("--name=calm", "--net=none", "busybox", "sh", "-c", "while :; do echo tick; sleep 0.02; done"):
        for _ in range(5):
            child = subprocess.Popen([binary(), "attach", "--no-stdin", "calm"], env=environment(), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.05)
            child.send_signal(signal.SIGKILL)
            child.wait()
        size = len(hull("logs", "calm").out)
        eventually(lambda: len(hull("logs", "calm").out) > size, 3, "it writes on")


def test_the_socket_is_ours_alone():
    with container("--name=box", "--net=none", "busybox", "sleep", "600") as identity:
        path = f"{environment()['HULL_RUN']}/containers/{identity}/attach.sock"
        mode = eventually(lambda: os.path.exists(path) and os.stat(path).st_mode & 0o777)
        equal(mode & 0o077, 0, "mode of attach.sock for others")
        check(os.stat(os.path.dirname(path)).st_mode & 0o077 == 0, "its directory is closed to others")
