"""create, start, stop, kill, pause, rename, rm, wait: a container's states and what survives between them."""
import os
import signal
import time

from lib.hull import background, binary, check, container, contains, equal, eventually, hull, inspect

SLEEP = ("--net=none", "busybox", "sleep", "600")


def status(name):
    return inspect(name, "{{.State.Status}}")


def test_create_start_and_start_again_keep_the_files():
    hull("create", "--name=twice", "--net=none", "busybox", "sh", "-c", "echo run >> /count; cat /count").ok()
    equal(status("twice"), "created")
    equal(hull("start", "-a", "twice").ok().out, "run\n")
    equal(status("twice"), "exited")
    equal(hull("start", "-a", "twice").ok().out, "run\nrun\n")
    hull("rm", "twice").ok()


def test_stop_asks_first():
    script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    with container("--name=polite", "--net=none", "busybox", "sh", "-c", script):
        eventually(lambda: "up" in hull("logs", "polite").out)
        began = time.monotonic()
        hull("stop", "polite").ok()
        check(time.monotonic() - began < 3, "it did not wait for the time-out")
        equal((status("polite"), inspect("polite", "{{.State.ExitCode}}")), ("exited", "5"))
        contains(hull("logs", "polite").ok().out, "bye")


def test_stop_kills_after_the_time_out():
    with container("--name=stubborn", *SLEEP):
        began = time.monotonic()
        hull("stop", "-t", "1", "stubborn").ok()
        check(0.9 < time.monotonic() - began < 4, "about one second")
        equal(inspect("stubborn", "{{.State.ExitCode}}"), "137")
        hull("stop", "stubborn").ok()


def test_what_keeps_a_killed_container_is_named():
    with container("--name=db", "busybox", "sleep", "600"), background(binary(), "exec", "db", "sleep", "601") as entered:
        eventually(lambda: "sleep 601" in hull("exec", "db", "ps").ok().out)
        os.kill(entered.pid, signal.SIGSTOP)
        failed = hull("rm", "-f", "db").fails(1)
        contains(failed.err, "container db was killed and has not ended: process ")
        contains(failed.err, f"(sleep) has ended, and process {entered.pid} (hull), which started it, is stopped: kill -CONT {entered.pid}")
        os.kill(entered.pid, signal.SIGCONT)
        equal(entered.wait(), 137)
        eventually(lambda: hull("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "db").ok().out == "exited 137\n")


def test_stop_signal_of_the_container_is_used():
    script = "trap 'exit 33' USR1; echo up; while :; do sleep 0.05; done"
    with container("--name=own", "--stop-signal=USR1", "--net=none", "busybox", "sh", "-c", script):
        eventually(lambda: "up" in hull("logs", "own").out)
        hull("stop", "own").ok()
        equal(inspect("own", "{{.State.ExitCode}}"), "33")


def test_kill_sends_what_it_is_told():
    script = "trap 'echo usr' USR1; echo up; while :; do sleep 0.05; done"
    with container("--name=target", "--net=none", "busybox", "sh", "-c", script):
        eventually(lambda: "up" in hull("logs", "target").out)
        hull("kill", "-s", "USR1", "target").ok()
        eventually(lambda: "usr" in hull("logs", "target").out)
        equal(status("target"), "running")
        hull("kill", "target").ok()
        equal((status("target"), inspect("target", "{{.State.ExitCode}}")), ("exited", "137"))
        hull("kill", "target").exits(1).err_contains("is not running")


def test_pause_stops_time_and_kill_still_works():
    with container("--name=frozen", "--net=none", "busybox", "sh", "-c", "while :; do echo tick; sleep 0.02; done"):
        eventually(lambda: "tick" in hull("logs", "frozen").out)
        hull("pause", "frozen").ok()
        equal(status("frozen"), "paused")
        before = hull("logs", "frozen").ok().out
        time.sleep(0.2)
        equal(hull("logs", "frozen").ok().out, before, "log while paused")
        hull("exec", "frozen", "true").exits(1).err_contains("paused")
        hull("unpause", "frozen").ok()
        eventually(lambda: len(hull("logs", "frozen").out) > len(before))
        hull("pause", "frozen").ok()
        hull("rm", "-f", "frozen").ok()


def test_a_shared_pid_namespace_is_emptied_too():
    with container("--name=host", "--pid=host", "--net=none", "busybox", "sh", "-c", "sleep 601 & sleep 602 & wait"):
        time.sleep(0.1)
        hull("stop", "-t", "0", "host").ok()
        equal(status("host"), "exited")


def test_rename_moves_the_name():
    with container("--name=before", *SLEEP) as identity:
        hull("rename", "before", "after").ok()
        hull("inspect", "before").exits(1)
        equal(inspect("after", "{{.Id}}"), identity)
        with container("--name=before", *SLEEP):
            hull("rename", "after", "before").exits(1).err_contains("already in use")


def test_rm_frees_name_and_files():
    for _ in range(2):
        hull("run", "--name=again", "--net=none", "busybox", "true").ok()
        hull("rm", "again").ok()
    hull("ps", "-aq").ok().out_is("")


def test_restart_gives_a_new_process_and_the_same_container():
    with container("--name=circle", *SLEEP) as identity:
        first = inspect("circle", "{{.State.Pid}}")
        hull("restart", "-t", "0", "circle").ok()
        check(inspect("circle", "{{.State.Pid}}") != first, "a new process")
        equal(inspect("circle", "{{.Id}}"), identity)


def test_wait_waits():
    with container("--name=later", "--net=none", "busybox", "sh", "-c", "sleep 0.4; exit 17"):
        hull("wait", "later").ok().out_is("17\n")
        hull("wait", "later").ok().out_is("17\n")


def test_a_failed_start_leaves_a_created_container_that_says_why():
    hull("run", "--name=bad", "--net=none", "busybox", "no-such-thing").exits(127)
    equal(status("bad"), "created")
    contains(inspect("bad", "{{.State.Error}}"), "executable file not found")
    hull("start", "bad").exits(1)
    hull("rm", "bad").ok()


def test_running_out_of_memory_is_told():
    hull("run", "--name=hungry", "-m", "24m", "--net=none", "--init", "busybox", "sh", "-c",
         "head -c 200m /dev/zero | tail -c 150m > /dev/null; exit 9")
    eventually(lambda: status("hungry") == "exited")
    equal(inspect("hungry", "{{.State.OOMKilled}}"), "true")
    hull("rm", "hungry").ok()


def test_what_tidies_up_leaves_what_is_being_made_alone():
    """Every listing sweeps what a killed command left; a container that is being made is no such thing."""
    script = f"while :; do {binary()} ps -aq >/dev/null; done"
    with background("sh", "-c", script), background("sh", "-c", script), background("sh", "-c", script):
        for _ in range(100):
            hull("run", "--rm", "--name=quick", "--net=none", "busybox", "true").ok().quiet()
            hull("create", "--name=slow", "--net=none", "busybox", "true").ok().quiet()
            hull("rm", "slow").ok()
