"""hull logs: what was written, in order, with times, from the end, as it comes; rotation and odd bytes."""
import json
import os
import signal
import subprocess
import time

from lib.hull import (background, binary, check, container, contains, environment, equal, eventually, hull, inspect,
                      matches)


def test_both_streams_come_back_in_order():
    hull("run", "--name=both", "--net=none", "busybox", "sh", "-c", "echo a; echo b >&2; echo c").ok()
    result = hull("logs", "both").ok()
    equal((result.out, result.err), ("a\nc\n", "b\n"))
    hull("rm", "both").ok()


def test_tail_timestamps_since_and_until():
    hull("run", "--name=lines", "--net=none", "busybox", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done").ok()
    equal(hull("logs", "--tail", "2", "lines").ok().out, "line 4\nline 5\n")
    equal(hull("logs", "-n", "0", "lines").ok().out, "")
    equal(hull("logs", "--tail", "all", "lines").ok().out.count("\n"), 5)
    stamped = hull("logs", "-t", "lines").ok().out.splitlines()
    matches(stamped[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 1$")
    third = stamped[2].split()[0]
    equal(hull("logs", "--since", third, "lines").ok().out, "line 3\nline 4\nline 5\n")
    equal(hull("logs", "--until", third, "lines").ok().out, "line 1\nline 2\nline 3\n")
    equal(hull("logs", "--since", "1h", "lines").ok().out.count("\n"), 5)
    hull("logs", "--since", "yesterday", "lines").exits(1)
    hull("rm", "lines").ok()


def test_follow_ends_with_the_container():
    with container("--name=ticker", "--net=none", "busybox", "sh", "-c", "for i in 1 2 3; do echo tick $i; sleep 0.2; done"):
        equal(hull("logs", "-f", "ticker").ok().out, "tick 1\ntick 2\ntick 3\n")


def test_follow_shows_lines_as_they_come():
    with container("--name=slow", "--net=none", "busybox", "sh", "-c", "echo first; sleep 600"):
        with background(binary(), "logs", "-f", "slow") as child:
            equal(child.stdout.readline(), b"first\n")


def test_a_line_without_an_end_and_a_long_one():
    hull("run", "--name=odd", "--net=none", "busybox", "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; printf tail").ok()
    equal(hull("logs", "odd").ok().out, "x" * 40000 + "\ntail")
    path = inspect("odd", "{{.LogPath}}")
    with open(path) as file:
        records = [json.loads(line) for line in file]
    equal([len(record["log"]) for record in records], [16384, 16384, 7233, 4])
    hull("rm", "odd").ok()


def test_bytes_that_are_no_text():
    hull("run", "--name=raw", "--net=none", "busybox", "sh", "-c", r"""printf 'a\377\001<\\ \303\244\n'; echo '"'""").ok()
    equal(hull("logs", "raw", text=False).ok().out, "a\ufffd\x01<\\ ä\n\"\n".encode())
    with open(inspect("raw", "{{.LogPath}}"), "rb") as file:
        contains(file.read().decode(), r'"log":"a\ufffd\u0001\u003c\\ ä\n"')
    hull("rm", "raw").ok()


def test_the_log_is_rotated():
    hull("run", "--name=full", "--log-opt", "max-size=10k", "--log-opt", "max-file=3", "--net=none", "busybox", "sh", "-c",
         "seq 1 2000").ok()
    folder = os.path.dirname(inspect("full", "{{.LogPath}}"))
    files = [name for name in os.listdir(folder) if "-json.log" in name]
    equal(len(files), 3, f"log files {files}")
    check(all(os.path.getsize(f"{folder}/{name}") < 12000 for name in files), "no file grows beyond its limit")
    out = hull("logs", "full").ok().out.split()
    equal(out, [str(i) for i in range(2001 - len(out), 2001)], "the newest lines, in order")
    equal(hull("logs", "--tail", "200", "full").ok().out.split(), [str(i) for i in range(1801, 2001)])
    hull("rm", "full").ok()


def test_without_a_log_there_is_none():
    hull("run", "--name=none", "--log-driver=none", "--net=none", "busybox", "echo", "x").ok().out_is("x\n")
    hull("logs", "none").exits(1).err_contains("does not support reading")
    hull("rm", "none").ok()


def test_a_stopped_reader_stops_neither_container_nor_log():
    with container("--name=loud", "--net=none", "busybox", "sh", "-c", "sleep 0.5; yes | head -c 3000000; echo done; sleep 600"):
        child = subprocess.Popen([binary(), "attach", "--no-stdin", "loud"], env=environment(), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.2)
            child.send_signal(signal.SIGSTOP)
            eventually(lambda: "done" in hull("logs", "--tail", "1", "loud").out, 20, "the log goes on after the client is dropped")
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
