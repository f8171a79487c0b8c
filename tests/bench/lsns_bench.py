#!/usr/bin/env python3
"""hull lsns beside util-linux's lsns on 600 processes in 800 namespaces, in interleaved rounds: medians, p10-p90,
processor time, ratios.

The crowd lives in a pid namespace of its own with a fresh /proc, so that both see exactly it. Needs root.
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

REPOSITORY = os.path.dirname(os.path.dirname(HERE))
HULL = os.environ.get("HULL", f"{REPOSITORY}/build/release/hull")
BUILD = f"{REPOSITORY}/build/bench"
# The last says what a look at threads, descriptors and sockets costs: `-p 1` looks at processes alone, as 2.38 does.
SUBJECTS = (("lsns", ["lsns"]), ("hull lsns", [HULL, "lsns"]), ("lsns --output-all", ["lsns", "--output-all"]),
            ("hull lsns --output-all", [HULL, "lsns", "--output-all"]), ("lsns -p 1", ["lsns", "-p", "1"]),
            ("hull lsns -p 1", [HULL, "lsns", "-p", "1"]))


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


def measure(rounds):
    times = {label: [] for label, _ in SUBJECTS}
    for _ in range(rounds):
        for label, argv in SUBJECTS:
            times[label].append(timed(argv))
    return times


def show(times):
    """Processor time is what a busy machine leaves comparable: hull's helpers then find no idle processor."""
    print(f"  {'':26} {'median ms':>10} {'p10 - p90':>17} {'lsns / hull':>12} {'cpu ms':>8} {'lsns / hull':>12}")
    for label, values in times.items():
        peer = times.get(label.removeprefix("hull ")) if label.startswith("hull ") else None
        wall, cpu = [value[0] for value in values], [value[1] for value in values]
        spread = f"{quantile(wall, 0.1):.1f} - {quantile(wall, 0.9):.1f}"

        def ratio(which):
            if not peer:
                return f"{'-':>12}"
            return f"{quantile([value[which] for value in peer], 0.5) / quantile([value[which] for value in values], 0.5):11.1f}x"
        print(f"  {label:26} {quantile(wall, 0.5):10.2f} {spread:>17} {ratio(0)} {quantile(cpu, 0.5):8.1f} {ratio(1)}")


def inside(options, crowd):
    isolate.mount(None, "/", None, isolate.MS_REC | isolate.MS_PRIVATE)
    isolate.mount("proc", "/proc", "proc")
    people = subprocess.Popen([crowd, str(options.processes), str(options.namespaces)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, start_new_session=True)
    people.stdout.readline()
    found = subprocess.run(["lsns", "-n", "-l", "-o", "NS"], capture_output=True, text=True).stdout.split()
    count = sum(name.isdigit() for name in os.listdir("/proc"))
    print(f"listing namespaces: {count} processes in {len(found)} namespaces, {options.rounds} interleaved rounds")
    show(measure(options.rounds))
    people.stdin.close()


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/lsns_bench.py")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--processes", type=int, default=600)
    parser.add_argument("--namespaces", type=int, default=800)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: root is needed")
    if not shutil.which("lsns"):
        sys.exit("bench: lsns is not installed")
    crowd = compile_crowd()
    isolate.unshare(isolate.CLONE_NEWPID | isolate.CLONE_NEWNS)
    child = os.fork()
    if child == 0:
        try:
            inside(options, crowd)
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
