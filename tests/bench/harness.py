"""What the benchmarks share: a private world on tmpfs with v1 cgroups for all engines alike, subjects measured in interleaved
rounds, and tables of medians, spread and ratios."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

from lib import isolate

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
BUILD = f"{REPOSITORY}/build/bench"
NAME = f"hull-bench-{os.getpid()}"
WORLD = "/run/hull-bench"
ROOTFS = f"{WORLD}/rootfs"
HULL = os.environ.get("HULL", f"{REPOSITORY}/build/release/hull")


def compile_helpers():
    os.makedirs(BUILD, exist_ok=True)
    for name in ("floor", "timeit"):
        source, target = f"{HERE}/{name}.c", f"{BUILD}/{name}"
        if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
            subprocess.run(["gcc", "-O2", "-static", "-o", target, source], check=True)


def private_world():
    isolate.unshare(isolate.CLONE_NEWNS)
    isolate.mount(None, "/", None, isolate.MS_REC | isolate.MS_PRIVATE)
    repository = os.open(REPOSITORY, os.O_PATH)
    for folder in ("/run", "/tmp", "/var/lib/containers", "/var/lib/hull"):
        if os.path.isdir(folder):
            isolate.mount("tmpfs", folder, "tmpfs", 0, "mode=0755")
    if not os.path.isdir(REPOSITORY):
        os.makedirs(REPOSITORY)
        isolate.mount(f"/proc/self/fd/{repository}", REPOSITORY, None, isolate.MS_BIND | isolate.MS_REC)
    os.close(repository)
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"):
        isolate.umount("/sys/fs/cgroup/unified")
    os.makedirs(WORLD)
    os.makedirs(f"{WORLD}/state")
    os.environ.update(HULL_ROOT=f"{WORLD}/hull", HULL_RUN=f"{WORLD}/hull-run", HOME=WORLD,
                      XDG_RUNTIME_DIR=f"{WORLD}/xdg", TMPDIR="/tmp")


def make_rootfs():
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "run", "var"):
        os.makedirs(f"{ROOTFS}/{folder}")
    shutil.copy2(shutil.which("busybox"), f"{ROOTFS}/bin/busybox")
    for applet in ("true", "sh", "sleep", "echo", "cat", "ps"):
        os.symlink("busybox", f"{ROOTFS}/bin/{applet}")
    with open(f"{ROOTFS}/etc/passwd", "w") as passwd:
        passwd.write("root:x:0:0:root:/root:/bin/sh\n")


def quietly(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, **options)


def cgroup_directories():
    return {os.path.join(folder, child) for top in isolate.hierarchies() for folder, children, _ in os.walk(top)
            for child in children}


class Subject:
    """One command to be measured. `group` is the table it is shown in; the first of a group is what others are divided by."""

    def __init__(self, group, label, argv, rounds=1, env=None):
        self.group, self.label, self.argv, self.rounds, self.env = group, label, argv, rounds, env
        self.micros, self.problem = [], None

    def measure(self, times):
        if self.problem:
            return
        if self.argv[0].endswith("/floor"):
            out = quietly(*[arg.replace("ROUNDS", str(times)) for arg in self.argv])
            lines = [(line, "0") for line in out.stdout.split()]
        else:
            out = quietly(f"{BUILD}/timeit", str(times), "1", *self.argv, env={**os.environ, **(self.env or {})})
            lines = [line.split()[:2] for line in out.stdout.splitlines()]
        if out.returncode or any(code != "0" for _, code in lines) or not lines:
            self.problem = out.stderr.strip() or explain(self.argv, self.env) or "failed"
            return
        self.micros += [float(micros) for micros, _ in lines]

    def warm(self):
        self.measure(2)
        self.micros = []

    def quantile(self, q):
        ordered = sorted(self.micros)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def explain(argv, env):
    with contextlib.suppress(Exception):
        out = quietly(*[arg.replace("{}", "0") for arg in argv], env={**os.environ, **(env or {})})
        return f"exit {out.returncode}: {(out.stderr.strip() or out.stdout.strip() or 'no message').splitlines()[-1][:150]}"


def bundle(runtime, name, args):
    """An OCI bundle over the same rootfs; crun and runc mount no overlay, so they do a little less than hull here."""
    path = f"{WORLD}/bundle-{name}"
    os.makedirs(path)
    if quietly(runtime, "spec", cwd=path).returncode:
        return None
    with open(f"{path}/config.json") as file:
        spec = json.load(file)
    spec["process"].update(terminal=False, args=args)
    spec["root"] = {"path": ROOTFS, "readonly": False}
    spec["linux"]["cgroupsPath"] = f"/{NAME}/{name}"
    with open(f"{path}/config.json", "w") as file:
        json.dump(spec, file)
    return path


def runtimes():
    for runtime in ("crun", "runc"):
        if shutil.which(runtime):
            yield runtime, ([runtime] if runtime == "crun" else [runtime, "--root", f"{WORLD}/runc"])


def measure_all(subjects, rounds):
    for subject in subjects:
        if not shutil.which(subject.argv[0]):
            subject.problem = f"{os.path.basename(subject.argv[0])} is not installed"
        subject.warm()
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        for subject in subjects:
            subject.measure(2 if "podman" in subject.argv[0] else 5)
    print("\r", end="", file=sys.stderr)


def show(subjects, titles):
    for group, title in titles.items():
        members = [s for s in subjects if s.group == group]
        if not members:
            continue
        measured = [s for s in members if s.micros]
        base = measured[0].quantile(0.5) if measured else 0
        ours = next((s.quantile(0.5) for s in measured if s.argv[0] == HULL), 0)
        print(f"\n{title}\n  {'':40} {'median ms':>10} {'p10 - p90':>17} {'/ first':>8} {'/ hull':>8}")
        for s in members:
            if not s.micros:
                print(f"  {s.label:40} not measured: {s.problem}")
                continue
            mid = s.quantile(0.5)
            spread = f"{s.quantile(0.1) / 1000:.2f} - {s.quantile(0.9) / 1000:.2f}"
            print(f"  {s.label:40} {mid / 1000:10.2f} {spread:>17} {mid / base:8.2f} "
                  + (f"{mid / ours:8.2f}" if ours else f"{'-':>8}"))


def at_once(count, label, argv, results):
    out = quietly(f"{BUILD}/timeit", "1", str(count), *argv)
    lines = [line.split()[:2] for line in out.stdout.splitlines()]
    failed = sum(code != "0" for _, code in lines)
    if not lines or failed:
        print(f"  {label:40} {failed or count} of {count} failed: {explain(argv, None)}")
        return
    ends = sorted(float(micros) / 1000 for micros, _ in lines)
    results[label] = ends
    print(f"  {label:40} all {count} ended after {ends[-1]:8.1f} ms, {ends[-1] / count:6.2f} ms each; half after {ends[count // 2]:.1f}")


def clean_up(cleanups, before):
    for cleanup in cleanups:
        with contextlib.suppress(Exception):
            cleanup()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        left = [path for path in cgroup_directories() - before
                if any(word in path for word in (NAME, "libpod", "/hull", "conmon"))]
        isolate.remove_cgroups(sorted(left, reverse=True))
        if not left:
            break
        time.sleep(0.05)
