"""hull run: streams, signals, terminal, removal, cid file; what the container is given."""
import os
import signal
import subprocess
import time

from lib.hull import (Terminal, binary, check, contains, environment, equal, eventually, hull, run, scratch,
                      sh)

RUN = ("run", "--rm", "--net=none", "busybox")


def popen(*argv, **options):
    return subprocess.Popen([binary(), *argv], env=environment(), text=True, stdin=options.pop("stdin", subprocess.DEVNULL),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_output_goes_where_it_belongs():
    result = hull(*RUN, "sh", "-c", "echo out; echo err >&2")
    result.ok().out_is("out\n")
    equal(result.err, "err\n", "stderr")


def test_input_reaches_the_container_only_with_i():
    hull("run", "--rm", "-i", "--net=none", "busybox", "cat", input="typed").ok().out_is("typed")
    hull(*RUN, "cat", input="typed").ok().out_is("")


def test_a_lot_of_data_passes_unchanged_in_both_directions():
    data = os.urandom(3_000_000)
    result = hull("run", "--rm", "-i", "--net=none", "busybox", "cat", input=data, text=False)
    check(result.out == data, f"{len(result.out)} of {len(data)} bytes came back")


def test_a_slow_reader_gets_everything():
    sh("hull run --rm --net=none busybox sh -c 'head -c 2000000 /dev/zero' | (sleep 0.5; wc -c)").ok().out_is("2000000\n")


def test_a_reader_that_goes_away_does_not_hang_the_container():
    sh("hull run --rm --net=none busybox sh -c 'yes | head -n 1000000' | head -n 1", timeout=20).ok().out_is("y\n")


def test_signals_are_passed_on():
    child = popen(*RUN, "sh", "-c", "trap 'echo got; exit 44' TERM; echo ready; while :; do sleep 0.05; done")
    equal(child.stdout.readline(), "ready\n")
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=10)
    equal((out, child.returncode), ("got\n", 44))


def test_the_real_time_signals_that_c_libraries_keep_are_passed_on_too():
    for number in (34, 35, 64):
        child = popen(*RUN, "sh", "-c", f"trap 'exit 7' {number}; echo ready; while :; do sleep 0.05; done")
        equal(child.stdout.readline(), "ready\n")
        os.kill(child.pid, number)
        child.communicate(timeout=10)
        equal(child.returncode, 7, f"signal {number}")


def test_the_callers_signal_mask_comes_back():
    """What runs after hull in the same process, in unshare, has what the caller has blocked."""
    for number in (33, 34, 35):
        blocked = f"{1 << (number - 1):016x}"
        script = f"import ctypes, os; mask = (ctypes.c_ulong * 16)(1 << {number - 1}); ctypes.CDLL(None).syscall(14, 2, mask, None, 8); " \
                 f"os.execv({binary()!r}, ['hull', 'unshare', '-f', 'grep', 'SigBlk', '/proc/self/status'])"
        equal(run("python3", "-c", script).ok().out.split()[1], blocked, f"signal {number}")


def test_without_sig_proxy_the_container_runs_on():
    child = popen("run", "--name=deaf", "--sig-proxy=false", "--net=none", "busybox", "sh", "-c", "echo ready; exec sleep 600")
    equal(child.stdout.readline(), "ready\n")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=10)
    hull("inspect", "-f", "{{.State.Status}}", "deaf").ok().out_is("running\n")
    hull("rm", "-f", "deaf").ok()


def test_a_terminal_has_a_size_and_follows_it():
    with Terminal(binary(), "run", "--rm", "-it", "--net=none", "busybox", "sh", rows=30, columns=90) as terminal:
        before = terminal.initial
        terminal.expect("# ")
        terminal.send("stty size; tty\r")
        terminal.expect("30 90")
        terminal.expect("/dev/(pts/0|console)")
        terminal.resize(50, 132)
        time.sleep(0.1)
        terminal.send("stty size\r")
        terminal.expect("50 132")
        terminal.send("exit 6\r")
        equal(terminal.wait(), 6, "exit code")
        equal(terminal.settings(), before, "terminal settings")


def test_the_terminal_is_restored_when_hull_is_told_to_end():
    with Terminal(binary(), "run", "--name=gone", "-it", "--net=none", "busybox", "sh") as terminal:
        before = terminal.initial
        terminal.expect("# ")
        check(terminal.settings() != before, "raw while it runs")
        terminal.child.send_signal(signal.SIGTERM)
        equal(terminal.wait(), 143, "exit code")
        equal(terminal.settings(), before, "terminal settings")
    hull("rm", "-f", "gone").ok()


def test_ctrl_c_is_a_byte_for_the_terminals_foreground():
    with Terminal(binary(), "run", "--rm", "-it", "--net=none", "busybox", "sh", "-c", "trap 'echo int; exit 9' INT; echo up; while :; do sleep 0.05; done") as terminal:
        terminal.expect("up")
        terminal.send("\x03")
        terminal.expect("int")
        equal(terminal.wait(), 9)


def test_rm_leaves_nothing_and_keeps_the_code():
    hull(*RUN, "sh", "-c", "exit 3").exits(3)
    hull("ps", "-aq").ok().out_is("")
    identity = hull("run", "-d", "--rm", "--net=none", "busybox", "true").ok().line
    eventually(lambda: not hull("ps", "-aq").ok().line, 5, "a detached --rm container is removed")
    hull("inspect", identity).exits(1)


def test_wait_gets_the_code_of_a_container_that_removes_itself():
    hull("run", "-d", "--rm", "--name=brief", "--net=none", "busybox", "sh", "-c", "sleep 0.3; exit 21").ok()
    hull("wait", "brief").ok().out_is("21\n")


def test_the_id_file_holds_the_id_and_is_never_overwritten():
    path = scratch("cid")
    hull("run", "--rm", "--cidfile", path, "--net=none", "busybox", "true").ok()
    with open(path) as file:
        equal(len(file.read()), 64, "length of the id")
    hull("run", "--rm", "--cidfile", path, "--net=none", "busybox", "true").exits(125).one_line_error().err_contains("container ID file found")


def test_environment_user_and_directory():
    out = hull("run", "--rm", "--net=none", "-e", "A=b", "-w", "/made/here", "-u", "1234:99", "busybox", "sh", "-c",
               "echo $A; pwd; id -u; id -g; echo $HOME; hostname | wc -c").ok().out.splitlines()
    equal(out, ["b", "/made/here", "1234", "99", "/", "13"])


def test_managed_files_are_there():
    out = hull("run", "--rm", "--net=none", "--hostname=web", "busybox", "sh", "-c", "cat /etc/hostname; grep -c localhost /etc/hosts; ls /etc/resolv.conf").ok().out
    equal(out, "web\n2\n/etc/resolv.conf\n")


def test_volumes_read_only_and_tmpfs():
    folder = scratch("volume")
    hull("run", "--rm", "--net=none", "-v", f"{folder}:/v", "busybox", "sh", "-c", "echo x > /v/file").ok()
    with open(f"{folder}/file") as file:
        equal(file.read(), "x\n")
    result = hull("run", "--rm", "--net=none", "--read-only", "--tmpfs=/scratch", "-v", f"{folder}:/v:ro", "busybox", "sh", "-c",
                  "for f in /v/no /no /scratch/yes; do touch $f 2>/dev/null && echo $f; done")
    equal(result.out, "/scratch/yes\n")


def test_limits_hold():
    out = hull("run", "--rm", "--net=none", "-m", "64m", "--pids-limit", "17", "busybox", "sh", "-c",
               "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null ||"
               " cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max").ok().out.split()
    equal(out, ["67108864", "17"])


def test_only_three_descriptors_are_inherited():
    out = run("sh", "-c", f"exec 9</etc; exec {binary()} run --rm --net=none busybox ls /proc/self/fd").ok().out.split()
    equal(sorted(out), ["0", "1", "2", "3"])  # 3 is ls reading the directory


def test_a_dry_run_makes_nothing():
    contains(hull("run", "--dry-run", "--net=none", "busybox", "true").ok().out, "pivot", "plan")
    contains(hull("run", "--teach", "--net=none", "busybox", "true").ok().out, "unshare", "script")
    hull("ps", "-aq").ok().out_is("")


def test_fifty_start_at_once():
    children = [popen("run", "-d", f"--name=many{i}", "--net=none", "busybox", "sleep", "600") for i in range(50)]
    codes = [child.wait(60) for child in children]
    for child in children:
        child.communicate()
    equal(set(codes), {0}, "exit codes")
    equal(len(hull("ps", "-q").ok().out.split()), 50)
    hull("rm", "-f", *[f"many{i}" for i in range(50)], timeout=60).ok()


def test_one_of_many_gets_a_name():
    children = [popen("run", "-d", "--name=same", *(["--rm"] if i % 2 else []), "--net=none", "busybox", "sleep", "600") for i in range(12)]
    codes = sorted(child.wait(60) for child in children)
    errors = [child.communicate()[1] for child in children]
    equal(codes, [0] + [125] * 11)
    equal(sum("is already in use by container" in text for text in errors), 11)
    hull("rm", "-f", "same").ok()
