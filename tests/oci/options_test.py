"""Options of create, run and exec: terminals with and without a console socket, descriptors, pid files, processes as JSON."""
import array
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

from lib import isolate, ledger
from lib.bundle import bundle, command, container, oci, quiet_oci, run_bundle, state
from lib.hull import Terminal, contains, environment, equal, eventually, run, scratch

TTY = {"process": {"terminal": True, "args": ["/bin/sh", "-c", "tty; stty size; test -t 0 && test -t 2 && echo all"]}}


class ConsoleSocket:
    """Takes one terminal's master, as conmon and containerd's shim do, and reads it to its end."""

    def __init__(self):
        self.path, self.text, self.master = scratch(f"console{os.urandom(2).hex()}"), "", None
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(self.path)
        self.server.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.server.accept()
        _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        self.master = array.array("i", ancillary[0][2])[0]
        connection.close()
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 4096):
                self.text += data.decode()
        os.close(self.master)

    def close(self):
        self.thread.join(5)
        self.server.close()


def test_create_sends_the_terminal_to_the_console_socket():
    console = ConsoleSocket()
    path = bundle(TTY, {"process": {"consoleSize": {"height": 33, "width": 77}}})
    equal(quiet_oci("create", "-b", path, "--console-socket", console.path, "t"), (0, ""))
    try:
        oci("start", "t").ok()
        eventually(lambda: "all" in console.text, what="the terminal's output")
        equal(console.text.split(), ["/dev/pts/0", "33", "77", "all"] if "/dev/pts/0" in console.text else ["/dev/console", "33", "77", "all"])
        eventually(lambda: state("t")["status"] == "stopped")
    finally:
        oci("delete", "-f", "t").ok()
        console.close()


def test_exec_sends_its_terminal_too():
    with container() as name:
        console = ConsoleSocket()
        process = {"terminal": True, "cwd": "/", "args": ["/bin/tty"], "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]}
        with open(scratch("process.json"), "w") as file:
            json.dump(process, file)
        equal(quiet_oci("exec", "--detach", "--process", scratch("process.json"), "--console-socket", console.path, "--pid-file", scratch("pid"), name), (0, ""))
        eventually(lambda: "/dev/pts/" in console.text)
        with open(scratch("pid")) as file:
            pid = int(file.read())
        eventually(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, what="its end, which init sees")
        console.close()


def test_run_in_a_terminal():
    path = bundle({"process": {"terminal": True, "args": ["/bin/sh"]}})
    with Terminal(*command(), "run", "-b", path, "x", rows=31, columns=91) as terminal:
        terminal.send("stty size; echo $((6*7))\n")
        terminal.expect("31 91", timeout=10)
        terminal.expect("42", timeout=10)
        terminal.resize(20, 60)
        eventually(lambda: asked(terminal, "stty size\n", "20 60"), what="the new size")
        terminal.send("exit 5\n")
        equal(terminal.wait(10), 5)
    equal(oci("list", "-q").ok().out, "")


def asked(terminal, words, wanted):
    terminal.send(words)
    with contextlib.suppress(Exception):
        return terminal.expect(wanted, timeout=1)
    return None


def test_exec_in_a_terminal_leaves_it_as_it_was():
    with container() as name:
        with Terminal(*command(), "exec", "-t", name, "/bin/sh", rows=22, columns=66) as terminal:
            before = terminal.initial
            terminal.send("tty; exit 6\n")
            terminal.expect("/dev/pts/", timeout=10)
            equal(terminal.wait(10), 6)
            equal(terminal.settings(), before, "the terminal's settings")


def test_a_terminal_without_a_socket_needs_the_foreground():
    code, text = quiet_oci("create", "-b", bundle(TTY), "x")
    equal(code, 1)
    contains(text, "--console-socket")
    code, text = quiet_oci("create", "-b", bundle(), "--console-socket", scratch("none"), "x")
    contains(text, "--console-socket: given without process.terminal")


def with_descriptors(texts, *words, env=None):
    """Run with files open as 3, 4, …; gives output and exit code."""
    opened = []
    for number, text in enumerate(texts):
        with open(scratch(f"passed{number}"), "w") as file:
            file.write(text)
        opened.append(os.open(scratch(f"passed{number}"), os.O_RDONLY))

    def place():
        copies = [os.dup(fd) for fd in opened]
        for number, fd in enumerate(copies):
            os.dup2(fd, 3 + number)
        os.closerange(3 + len(copies), 200)
    child = subprocess.run(command() + list(words), stdin=subprocess.DEVNULL, capture_output=True, text=True, close_fds=False, preexec_fn=place,
                           env=environment(env), timeout=20)
    for fd in opened:
        os.close(fd)
    return child


READ = {"process": {"args": ["/bin/sh", "-c", "cat <&3; cat <&4 2>/dev/null; ls /proc/self/fd | wc -l; env | grep LISTEN"]}}


def test_descriptors_are_passed_on():
    done = with_descriptors(["one\n", "two\n"], "run", "--preserve-fds", "2", "-b", bundle(READ), "x")
    equal(done.stdout, "one\ntwo\n6\n", done.stderr)  # three streams, two files, and what ls opens
    done = with_descriptors(["one\n", "two\n"], "run", "-b", bundle({"process": {"args": ["/bin/sh", "-c", "ls /proc/self/fd | wc -l"]}}), "x")
    equal(done.stdout, "4\n", "without the option none of ours")


def test_listen_fds_are_passed_on():
    done = with_descriptors(["socket\n"], "run", "-b", bundle(READ), "x", env={"LISTEN_FDS": "1"})
    equal(done.stdout.splitlines()[0], "socket", done.stderr)
    contains(done.stdout, "LISTEN_FDS=1")


def test_exec_passes_descriptors_on():
    with container() as name:
        done = with_descriptors(["three\n"], "exec", "--preserve-fds", "1", name, "/bin/sh", "-c", "cat <&3")
        equal(done.stdout, "three\n", done.stderr)


def test_exec_of_a_process_as_json():
    with container() as name:
        process = {"cwd": "/tmp", "args": ["/bin/sh", "-c", "id -u; id -g; pwd; echo $X; umask; grep CapEff /proc/self/status; ulimit -n"], "env": ["X=y", "PATH=/bin"],
                   "user": {"uid": 8, "gid": 9, "umask": 0o77}, "noNewPrivileges": True, "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 99}]}
        with open(scratch("p"), "w") as file:
            json.dump(process, file)
        oci("exec", "-p", scratch("p"), name).ok().out_is("8\n9\n/tmp\ny\n0077\nCapEff:\t0000000000000000\n99\n")
        with open(scratch("p"), "w") as file:
            file.write("{}")
        oci("exec", "-p", scratch("p"), name).exits(255).err_contains("cwd: missing")


def test_exec_on_chosen_cpus():
    process = {"cwd": "/", "args": ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"], "execCPUAffinity": {"initial": "0-1", "final": "0"}}
    with container() as name, open(scratch("p"), "w") as file:
        json.dump(process, file)
        file.flush()
        oci("exec", "-p", scratch("p"), name).ok().out_is("Cpus_allowed_list:\t0\n")
        process["execCPUAffinity"] = {"initial": "1000"}
        file.seek(0)
        file.truncate()
        json.dump(process, file)
        file.flush()
        oci("exec", "-p", scratch("p"), name).fails(255, "none of these CPUs")


def test_a_scheduler_s_values_that_the_kernel_refuses():
    process = {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3}}
    run_bundle({"process": process}).fails(1, "does not take these values together")


def test_exec_with_a_score_of_its_own():
    with container() as name, open(scratch("p"), "w") as file:
        json.dump({"cwd": "/", "args": ["/bin/cat", "/proc/self/oom_score_adj"], "oomScoreAdj": 321}, file)
        file.flush()
        oci("exec", "-p", scratch("p"), name).ok().out_is("321\n")


def test_signals_reach_the_process_of_a_foreground_run():
    path = bundle({"process": {"args": ["/bin/sh", "-c", "trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.1; done"]}})
    child = subprocess.Popen(command() + ["run", "-b", path, "x"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(), text=True)
    ledger.KNOWN_CHILDREN.add(child.pid)
    try:
        equal(child.stdout.readline(), "up\n")
        child.send_signal(signal.SIGTERM)
        equal((child.communicate(timeout=10)[0], child.returncode), ("got\n", 9))
    finally:
        child.kill()
        child.wait()
        ledger.KNOWN_CHILDREN.discard(child.pid)


def test_no_pivot_moves_the_root():
    path = bundle({"process": {"args": ["/bin/sh", "-c", "ls / | tr '\\n' ' '; ls /work 2>/dev/null; pwd"]}})
    oci("run", "--no-pivot", "-b", path, "x").ok().out_matches("^bin .*var \n?/$")


def test_keep_leaves_the_container_to_be_deleted():
    path = bundle({"process": {"args": ["/bin/true"]}})
    oci("run", "--keep", "-b", path, "kept").ok()
    equal(state("kept")["status"], "stopped")
    oci("delete", "kept").ok()


def test_two_starts_at_once_and_two_creates_at_once():
    with container(start=False) as name:
        racing = [subprocess.Popen(command() + ["start", name], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) for _ in range(8)]
        codes = sorted(one.wait(20) for one in racing)
        for one in racing:
            one.stderr.close()
        equal(codes, [0] + [1] * 7, "one start wins")
    path = bundle()
    racing = [subprocess.Popen(command() + ["create", "-b", path, "same"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment()) for _ in range(6)]
    codes = sorted(one.wait(20) for one in racing)
    equal(codes, [0] + [1] * 5, "one create wins")
    oci("delete", "-f", "same").ok()


def test_many_at_once_all_end_well():
    began, paths = time.monotonic(), [bundle({"process": {"args": ["/bin/true"]}}) for _ in range(30)]
    racing = [subprocess.Popen(command() + ["run", "-b", path, os.path.basename(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=environment()) for path in paths]
    wrong = [one.communicate(timeout=60)[1] for one in racing if one.wait(60) != 0]
    for one in racing:
        one.stderr.close()
    equal(wrong, [], f"after {time.monotonic() - began:.1f} s")
    equal(oci("list", "-q").ok().out, "")


def test_ids_as_runc_has_them():
    path = bundle({"process": {"args": ["/bin/true"]}})
    for name in ("a", "A-b_c.d+e", "0", "x" * 200):
        oci("run", "-b", path, name).ok()


def test_a_process_that_dies_by_a_signal():
    with container() as name:
        oci("exec", name, "/bin/sh", "-c", "kill -TERM $$").exits(143)
        run(*command(), "exec", name, "/bin/sh", "-c", "kill -KILL $$").exits(137)


def groups_of(name, *words, runtime="hull"):
    """Where a process of exec is, by hierarchy, as it sees itself."""
    lines = oci("exec", *words, name, "/bin/cat", "/proc/self/cgroup", runtime=runtime).ok().out.splitlines()
    return {line.split(":")[1]: line.split(":", 2)[2] for line in lines}


def below(name, path, hierarchies=None):
    """Makes the group `path` below the container's own, in these hierarchies or in all; removed with the container."""
    for top in isolate.hierarchies():
        if hierarchies is not None and os.path.basename(top) not in hierarchies:
            continue
        group = f"{top}/oci-{name}"
        for part in path.split("/"):
            os.makedirs(f"{group}/{part}", exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems") if os.path.basename(top) == "cpuset" else ():
                with open(f"{group}/{file}") as parent, open(f"{group}/{part}/{file}", "w") as child:
                    child.write(parent.read())
            group += f"/{part}"


def test_exec_in_a_group_below():
    seen = {}
    for runtime in ("runc", "hull"):
        with container(runtime=runtime) as name:
            below(name, "in/side")
            below(name, "memory-alone", ["memory"])
            seen[runtime] = [groups_of(name, "--cgroup", wish, runtime=runtime) for wish in ("in/side", "/in", "memory:memory-alone", "/")]
            everywhere, _, memory, own = seen[runtime]
            equal({path for kind, path in everywhere.items() if kind != ""}, {"/in/side"})
            equal({kind for kind, path in memory.items() if path == "/memory-alone"}, {"memory"})
            equal({path for kind, path in own.items() if kind != ""}, {"/"})
            if runtime == "hull":  # the later of two wishes holds where both speak
                both = groups_of(name, "--cgroup", "in", "--cgroup", "memory:memory-alone")
                equal((both["memory"], both["pids"]), ("/memory-alone", "/in"))
            for wish in ("../x", "in/../../x", f"memory:../oci-{name}2", "nosuch:in", "missing", "memory:missing", "in\nside"):
                refused = oci("exec", "--cgroup", wish, name, "/bin/true", runtime=runtime)
                if runtime == "hull":
                    refused.fails(255).one_line_error()
        seen[runtime] = [{kind: path for kind, path in one.items() if kind != ""} for one in seen[runtime]]  # runc 1.1 leaves the unified one alone
    equal(seen["hull"], seen["runc"])
