"""podman over hull: the same commands are given to it with hull and with runc as its OCI runtime, and end alike."""
import contextlib
import json
import os
import re
import shutil
import subprocess

from lib import isolate
from lib.hull import (Terminal, binary, busybox_rootfs, check, contains, environment, equal, eventually, matches, need, run,
                      scratch)

LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000", "--network", "none")  # its own need CAP_SYS_RESOURCE
SLEEP = ("bb", "sleep", "600")


class Podman:
    """podman with its own store and one OCI runtime."""

    def __init__(self, runtime):
        need("podman")
        self.folder = scratch(f"podman-{runtime}")
        os.makedirs(self.folder, exist_ok=True)
        path = need(runtime) if runtime != "hull-oci" else f"{self.folder}/hull-oci"
        if runtime == "hull-oci":
            os.symlink(binary(), path)
        self.words = ["podman", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp",
                      "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", path]
        with open(f"{self.folder}/containers.conf", "w") as settings:  # its usual locks are the host's /dev/shm/libpod_lock
            settings.write('[engine]\nlock_type = "file"\n')
        self.environment = {"CONTAINERS_CONF": f"{self.folder}/containers.conf"}
        tar = subprocess.run(["tar", "-C", busybox_rootfs(), "-c", "."], stdout=subprocess.PIPE, check=True).stdout
        self("import", "-", "bb", input=tar, text=False).ok()

    def __call__(self, *argv, **options):
        # A cgroup namespace, in which the test's subtree is all there is: runc and podman compute paths from its root.
        return run(*self.words, *argv, timeout=60, env=self.environment, preexec=isolate.enter_own_cgroups, **options)

    def run(self, *argv, **options):
        return self("run", *LIMITS, *argv, **options)


def conmons():
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{entry}/stat") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            if name in ("conmon", "podman") and rest.split()[0] != "Z":
                yield entry


@contextlib.contextmanager
def podmans(*runtimes):
    made = [Podman(runtime) for runtime in runtimes]
    try:
        yield made if len(made) > 1 else made[0]
    finally:
        for podman in made:
            podman("rm", "-a", "-f", "-t", "0")
            podman("pod", "rm", "-a", "-f", "-t", "0")
            eventually(lambda: not list(conmons()))  # its own clean-up runs behind it
            subprocess.run(["umount", "-q", "-l", f"{podman.folder}/root/overlay", f"{podman.folder}/run"], check=False)
            shutil.rmtree(podman.folder, ignore_errors=True)
        for path in ("/run/runc", "/run/hull-oci"):  # where the runtimes keep their state, empty now
            with contextlib.suppress(OSError):
                os.rmdir(path)
        shutil.rmtree("/run/mount", ignore_errors=True)
        for top in isolate.hierarchies() + ["/sys/fs/cgroup/unified"]:
            isolate.remove_cgroups([f"{top}/libpod_parent/conmon", f"{top}/libpod_parent", f"{top}/conmon"])


# What a person types, and what must come out the same under both runtimes: (words after `run`, input).
SAME = (
    ("--rm", "bb", "echo", "hello"),
    ("--rm", "bb", "sh", "-c", "echo out; echo err >&2; exit 7"),
    ("--rm", "bb", "nosuch"),
    ("--rm", "bb", "/etc"),
    ("--rm", "-w", "/var/new", "bb", "pwd"),
    ("--rm", "-u", "12:34", "bb", "id"),
    ("--rm", "-e", "A=b c", "bb", "sh", "-c", "echo $A"),
    ("--rm", "--read-only", "bb", "touch", "/x"),
    ("--rm", "--hostname", "h1", "bb", "hostname"),
    ("--rm", "--tmpfs", "/t:size=1m,mode=700", "bb", "sh", "-c", "stat -c %a /t; df -k /t | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("--rm", "--cap-drop=all", "--cap-add=CHOWN", "bb", "grep", "Cap", "/proc/self/status"),
    ("--rm", "--privileged", "bb", "sh", "-c", "grep -c CapEff /proc/self/status; ls /dev/null"),
    ("--rm", "--security-opt=no-new-privileges", "bb", "grep", "NoNewPrivs", "/proc/self/status"),
    ("--rm", "--security-opt=seccomp=unconfined", "bb", "grep", "Seccomp:", "/proc/self/status"),
    ("--rm", "bb", "grep", "Seccomp:", "/proc/self/status"),
    ("--rm", "-m", "64m", "bb", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ("--rm", "--pids-limit", "50", "bb", "cat", "/sys/fs/cgroup/pids/pids.max"),
    ("--rm", "--cpus", "0.5", "bb", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    ("--rm", "--cgroupns=private", "bb", "head", "-n1", "/proc/self/cgroup"),
    ("--rm", "--sysctl", "net.ipv4.ip_forward=1", "bb", "cat", "/proc/sys/net/ipv4/ip_forward"),
    ("--rm", "--device", "/dev/full:/dev/mine:r", "bb", "sh", "-c", "test -c /dev/mine && ! echo x > /dev/mine && echo ok"),
    ("--rm", "--init", "bb", "sh", "-c", "cat /proc/1/comm"),
    ("--rm", "--pid=host", "bb", "sh", "-c", "[ $$ -ne 1 ] && echo outside"),
    ("--rm", "--oom-score-adj=100", "bb", "cat", "/proc/self/oom_score_adj"),
    ("--rm", "--userns=auto:size=1000", "bb", "sh", "-c", "true"),
    ("--rm", "--umask=0027", "bb", "sh", "-c", "umask"),
    ("--rm", "--shm-size=2m", "bb", "sh", "-c", "df -k /dev/shm | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("--rm", "bb", "sh", "-c", "ls /dev; ls -l /proc/self/fd | wc -l; cat /proc/sys/kernel/hostname | wc -c"),
    ("--rm", "bb", "sh", "-c", "cat /proc/kcore; ls /proc/acpi /sys/firmware; echo x > /proc/sys/kernel/panic"),
)


def anonymous(text):
    """Without what differs from run to run: ids, paths and the runtime's own name."""
    text = re.sub(r"/tmp/\S*?/(hull-oci|runc)", "RUNTIME", text)
    text = re.sub(r"\b(/usr/s?bin/)?(hull-oci|runc|crun)\b", "RUNTIME", text)
    return re.sub(r"[0-9a-f]{12,64}", "ID", text)


def test_run_ends_alike_under_both_runtimes():
    with podmans("hull-oci", "runc") as (ours, theirs):
        different = []
        for words in SAME:
            a, b = ours.run(*words), theirs.run(*words)
            if (a.code, anonymous(a.out)) != (b.code, anonymous(b.out)):
                different.append(f"{' '.join(words)}:\n  hull: {a.code} {a.out!r} {a.err!r}\n  runc: {b.code} {b.out!r} {b.err!r}")
        check(not different, "\n".join(different))


def test_a_containers_life():
    with podmans("hull-oci") as podman:
        podman.run("-d", "--name", "c1", *SLEEP).ok()
        podman("exec", "c1", "sh", "-c", "echo in; exit 5").exits(5).out_is("in\n")
        podman("exec", "-u", "7", "-w", "/tmp", "-e", "X=1", "c1", "sh", "-c", "id -u; pwd; echo $X").ok().out_is("7\n/tmp\n1\n")
        podman("exec", "c1", "nosuch").exits(127)
        contains(podman("top", "c1").ok().out, "sleep 600")
        stats = json.loads(podman("stats", "--no-stream", "--format", "json", "c1").ok().out)[0]
        equal(stats["pids"], "1")
        podman("pause", "c1").ok()
        podman("inspect", "-f", "{{.State.Status}}", "c1").ok().out_is("paused\n")
        podman("unpause", "c1").ok()
        podman("restart", "-t", "0", "c1").ok()
        podman("kill", "c1").ok()
        podman("wait", "c1").ok().out_is("137\n")
        podman("start", "c1").ok()
        podman("stop", "-t", "0", "c1").ok()
        podman("rm", "c1").ok()


def test_pods_and_health_checks():
    with podmans("hull-oci") as podman:
        podman("pod", "create", "--name", "p1", "--infra=false").ok()
        podman.run("-d", "--pod", "p1", "--name", "c2", "--health-cmd", "test -e /ok", "--health-interval", "disable", *SLEEP).ok()
        podman("healthcheck", "run", "c2").exits(1)
        podman("exec", "c2", "touch", "/ok").ok()
        podman("healthcheck", "run", "c2").ok()
        contains(podman("pod", "ps").ok().out, "Running")
        podman("pod", "stop", "-t", "0", "p1").ok()
        podman("pod", "rm", "p1").ok()


def test_a_terminal():
    with podmans("hull-oci") as podman:
        with Terminal(*podman.words, "run", "--rm", "-it", *LIMITS, "bb", "sh", env=environment(podman.environment)) as terminal:
            terminal.expect("#")
            terminal.send("tty; echo $((6*7))\n")
            terminal.expect("/dev/pts/0")
            terminal.expect("42")
            terminal.send("exit 3\n")
            equal(terminal.wait(), 3)


def test_logs_name_the_reason_of_a_failed_start():
    with podmans("hull-oci") as podman:
        podman.run("--rm", "-v", "/no/such/source:/x", "bb", "true").exits(125)
        matches(podman.run("--rm", "--security-opt=apparmor=nosuch-profile", "bb", "true").err, r"(?i)apparmor")


for _name in [name for name in list(globals()) if name.startswith("test_")]:
    globals()[_name].timeout = 240
