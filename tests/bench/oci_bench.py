#!/usr/bin/env python3
"""hull as an OCI runtime beside crun and runc: the same bundles (of `runc spec`), the same v1 cgroups, interleaved rounds."""
import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True
from bench.harness import (BUILD, HULL, NAME, ROOTFS, WORLD, Subject, at_once, bundle, cgroup_directories, clean_up,  # noqa: E402
                           compile_helpers, make_rootfs, measure_all, private_world, quietly, runtimes, show)
from lib import isolate  # noqa: E402

TITLES = {"run": "run: one container from bundle to removal", "life": "create, start, delete --force, as a shell runs them",
          "exec": "exec in a running container"}


def all_runtimes():
    yield "hull oci", [HULL, "oci", "--root", f"{WORLD}/hull-oci"]
    yield from runtimes()


def run_subjects():
    yield Subject("run", "kernel floor (bare system calls)", [f"{BUILD}/floor", "ROUNDS", ROOTFS, f"{WORLD}/state", f"{NAME}-floor"])
    for name, command in all_runtimes():
        path = bundle("runc", f"{name.replace(' ', '-')}-oci-run", ["/bin/true"])
        yield Subject("run", name, [*command, "run", "-b", path, f"o{os.getpid()}"])


def life_subjects():
    for name, command in all_runtimes():
        path = bundle("runc", f"{name.replace(' ', '-')}-oci-life", ["/bin/true"])
        runtime, container = " ".join(command), f"l{os.getpid()}"
        script = f"{runtime} create -b {path} {container} >/dev/null && {runtime} start {container} && {runtime} delete -f {container}"
        yield Subject("life", name, ["sh", "-c", script])


def exec_subjects(cleanups):
    for name, command in all_runtimes():
        path = bundle("runc", f"{name.replace(' ', '-')}-oci-exec", ["/bin/sleep", "600"])
        container = f"x{os.getpid()}"
        with open(os.devnull, "w") as null:
            subprocess.run([*command, "run", "-d", "-b", path, container], stdin=null, stdout=null, stderr=null)
        cleanups.append(lambda command=command, container=container: quietly(*command, "delete", "-f", container))
        yield Subject("exec", name, [*command, "exec", container, "/bin/true"])


def in_sequence(count):
    print(f"\n{count} runs, one after the other")
    rounds = quietly(f"{BUILD}/floor", str(count), ROOTFS, f"{WORLD}/state", f"{NAME}-floor").stdout.split()
    floor = sum(map(float, rounds)) / 1000
    print(f"  {'kernel floor (bare system calls)':40} {floor:10.1f} ms     1.00 of the floor")
    for name, command in all_runtimes():
        path = f"{WORLD}/bundle-{name.replace(' ', '-')}-oci-run"
        began = time.perf_counter()
        out = quietly(f"{BUILD}/timeit", str(count), "1", *command, "run", "-b", path, f"s{os.getpid()}")
        spent = (time.perf_counter() - began) * 1000
        failed = sum(line.split()[1] != "0" for line in out.stdout.splitlines())
        print(f"  {name:40} {spent:10.1f} ms {spent / floor:8.2f}" + (f", {failed} failed" if failed else ""))


def many_at_once(count):
    print(f"\n{count} runs at once")
    results = {}
    for name, command in all_runtimes():
        label = name.replace(" ", "-")
        for number in range(count):
            bundle("runc", f"{label}-oci-many{number}", ["/bin/true"])
        at_once(count, name, [*command, "run", "-b", f"{WORLD}/bundle-{label}-oci-many{{}}", f"m{os.getpid()}-{{}}"], results)


def peak_memory():
    print("\npeak memory of one run (largest resident set of it and its helpers), of nine runs the median, least and most")
    for name, command in all_runtimes():
        path = f"{WORLD}/bundle-{name.replace(' ', '-')}-oci-run"
        runs = [quietly(f"{BUILD}/timeit", "1", "1", *command, "run", "-b", path, f"k{os.getpid()}-{n}").stdout.split() for n in range(9)]
        peaks = sorted(int(out[2]) for out in runs if out)
        print(f"  {name:40} {f'{peaks[len(peaks) // 2]} KiB ({peaks[0]} - {peaks[-1]})' if peaks else 'not measured'}")


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/oci_bench.py")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--in-sequence", type=int, default=100)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: root is needed")
    compile_helpers()
    private_world()
    make_rootfs()
    before, cleanups = cgroup_directories(), []
    try:
        subjects = [*run_subjects(), *life_subjects(), *exec_subjects(cleanups)]
        print(f"kernel {os.uname().release}, {os.cpu_count()} cpus, load {os.getloadavg()[0]:.1f}; state on tmpfs for all; "
              f"{len(isolate.hierarchies())} v1 cgroup hierarchies; {options.rounds} interleaved rounds")
        measure_all(subjects, options.rounds)
        show(subjects, TITLES)
        in_sequence(options.in_sequence)
        many_at_once(options.at_once)
        peak_memory()
    finally:
        clean_up(cleanups, before)


if __name__ == "__main__":
    main()
