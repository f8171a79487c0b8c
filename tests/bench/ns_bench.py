#!/usr/bin/env python3
"""Namespaces listed, kept and shared, beside util-linux and iproute2: medians, p10-p90, processor time, ratios, in
interleaved rounds. A sharer's target is restarted under traffic, and the longest gap between two answers told.

Each crowd lives in a pid namespace of its own with a fresh /proc, so that all see exactly it. Needs root.
"""
import argparse
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True
from lib import isolate  # noqa: E402
from lib.asker import SERVE, Asker  # noqa: E402

REPOSITORY = os.path.dirname(os.path.dirname(HERE))
HULL = os.environ.get("HULL", f"{REPOSITORY}/build/release/hull")
BUILD = f"{REPOSITORY}/build/bench"
# What each is compared with. `-p 1` looks at processes alone, as 2.38 does: it says what a look at threads, descriptors
# and sockets costs.
SUBJECTS = (("lsns", ["lsns"], None), ("hull lsns", [HULL, "lsns"], "lsns"),
            ("lsns --output-all", ["lsns", "--output-all"], None),
            ("hull lsns --output-all", [HULL, "lsns", "--output-all"], "lsns --output-all"),
            ("lsns -p 1", ["lsns", "-p", "1"], None), ("hull lsns -p 1", [HULL, "lsns", "-p", "1"], "lsns -p 1"),
            ("hull ns ls", [HULL, "ns", "ls"], "lsns"), ("hull map", [HULL, "map"], "lsns"),
            ("hull map --format json", [HULL, "map", "--format", "json"], "lsns"))
KEEPING = (("ip netns add", ["ip", "netns", "add", "bench-ns"], None), ("hull ns create", [HULL, "ns", "create", "net", "bench-ns"], "ip netns add"),
           ("ip netns del", ["ip", "netns", "del", "bench-ns"], None), ("hull ns rm", [HULL, "ns", "rm", "bench-ns"], "ip netns del"))
CROWDS = ((600, 800, 15), (500, 200, 15), (5000, 1000, 5))  # processes, namespaces, rounds
STATE = "/run/hull-ns-bench"


def compile_crowd():
    os.makedirs(BUILD, exist_ok=True)
    target = f"{BUILD}/crowd"
    subprocess.run(["gcc", "-O2", "-o", target, f"{HERE}/crowd.c"], check=True)
    return target


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def timed(argv):
    """Milliseconds of wall clock, and of processor time with its helpers."""
    began = time.perf_counter()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"bench: {' '.join(argv)} ended with {child.returncode}")
    return (time.perf_counter() - began) * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def measure(subjects, rounds):
    times = {label: [] for label, _, _ in subjects}
    for _ in range(rounds):
        for label, argv, _ in subjects:
            times[label].append(timed(argv))
    return times


def show(subjects, times):
    """Processor time is what a busy machine leaves comparable: hull's helpers then find no idle processor."""
    print(f"  {'':26} {'median ms':>10} {'p10 - p90':>17} {'peer / hull':>12} {'cpu ms':>8} {'peer / hull':>12}")
    for label, _, peer in subjects:
        wall, cpu = ([value[which] for value in times[label]] for which in (0, 1))
        spread = f"{quantile(wall, 0.1):.1f} - {quantile(wall, 0.9):.1f}"

        def ratio(which, own):
            if not peer:
                return f"{'-':>12}"
            return f"{quantile([value[which] for value in times[peer]], 0.5) / max(quantile(own, 0.5), 0.01):11.1f}x"
        print(f"  {label:26} {quantile(wall, 0.5):10.2f} {spread:>17} {ratio(0, wall)} {quantile(cpu, 0.5):8.1f} {ratio(1, cpu)}")
    sys.stdout.flush()


def own_world():
    """Mounts, state and /proc of this process and its children alone."""
    isolate.mount(None, "/", None, isolate.MS_REC | isolate.MS_PRIVATE)
    isolate.mount("proc", "/proc", "proc")
    isolate.mount("tmpfs", "/run", "tmpfs", 0, "mode=0755")
    os.environ.update(HULL_ROOT=f"{STATE}/root", HULL_RUN=f"{STATE}/run")


def list_crowd(crowd, processes, namespaces, rounds):
    own_world()
    people = subprocess.Popen([crowd, str(processes), str(namespaces)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              start_new_session=True)
    people.stdout.readline()
    found = subprocess.run(["lsns", "-n", "-l", "-o", "NS"], capture_output=True, text=True).stdout.split()
    count = sum(name.isdigit() for name in os.listdir("/proc"))
    print(f"listing namespaces: {count} processes in {len(found)} namespaces, {rounds} interleaved rounds")
    show(SUBJECTS, measure(SUBJECTS, rounds))
    people.stdin.close()


def keep(rounds):
    own_world()
    print(f"keeping a net namespace under a name, {rounds} interleaved rounds")
    show(KEEPING, measure(KEEPING, rounds))


def hull(*argv):
    done = subprocess.run([HULL, *argv], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: hull {' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def share(rounds):
    """The longest gap between two answers of a sharer, with its target left alone and with its target restarted."""
    own_world()
    hull("run", "-d", "--name=db", "busybox", "sleep", "600")
    hull("run", "-d", "--name=web", "--net=container:db", "busybox", *SERVE)
    time.sleep(0.3)
    gaps = {"left alone": [], "restarted": []}
    failed = 0
    for _ in range(rounds):
        for label, values in gaps.items():
            asker = Asker(hull("inspect", "-f", "{{.State.Pid}}", "web"))
            time.sleep(0.1)
            if label == "restarted":
                hull("restart", "-t", "0", "db")
            time.sleep(0.1)
            _, failures, gap = asker.end()
            failed += failures
            values.append(gap * 1000)
    hull("rm", "-f", "db", "web")
    print(f"a sharer's longest gap between two answers, {rounds} interleaved rounds; {failed} requests lost")
    for label, values in gaps.items():
        print(f"  target {label:19} {quantile(values, 0.5):10.2f} {quantile(values, 0.1):9.1f} - {quantile(values, 0.9):.1f} ms")


def apart(work, *arguments):
    """Runs `work` as the first process of its own pid and mount namespace; all of it ends with it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        isolate.unshare(isolate.CLONE_NEWPID | isolate.CLONE_NEWNS)
        first = os.fork()
        if first != 0:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))
        try:
            work(*arguments)
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(code)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/ns_bench.py")
    parser.add_argument("--rounds", type=int, help="of every part, instead of its own number")
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        sys.exit("bench: root is needed")
    for tool in ("lsns", "ip"):
        if not shutil.which(tool):
            sys.exit(f"bench: {tool} is not installed")
    crowd = compile_crowd()
    for processes, namespaces, usual in CROWDS:
        apart(list_crowd, crowd, processes, namespaces, rounds or usual)
    apart(keep, rounds or 25)
    apart(share, rounds or 15)


if __name__ == "__main__":
    main()
