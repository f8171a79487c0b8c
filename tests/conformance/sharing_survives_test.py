"""A sharer outlives its target. The same rounds of restart, kill, out-of-memory and remove-and-run-again are put to hull
and, fewer of them, to podman: hull's sharer answers after each and never loses a request; what podman's does is said.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import time

from lib.asker import ASK, SERVE, Asker
from lib.hull import Skip, busybox_rootfs, check, environment, equal, eventually, hull, inspect, log, run, scratch

ROUNDS = 100
# Alive until told otherwise; the file makes its next start eat memory.
TARGET = ("sh", "-c", "[ -e /oom ] && { rm /oom; exec dd if=/dev/zero of=/dev/null bs=64M count=1; }; exec sleep 600")


def running(*names):
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = open(f"/proc/{entry}/stat").read()
            if text[text.index("(") + 1:text.rindex(")")] in names and text.rsplit(")", 1)[1].split()[0] != "Z":
                return True
        except OSError:
            continue
    return False


def parent_of(pid):
    return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])


def pid_of(name):
    return int(inspect(name, "{{.State.Pid}}"))


def wait_until_ended(name):
    eventually(lambda: inspect(name, "{{.State.Status}}") == "exited")


def restart():
    hull("restart", "-t", "0", "db").ok()


def kill_the_process():
    os.kill(pid_of("db"), signal.SIGKILL)
    wait_until_ended("db")
    hull("start", "db").ok()


def kill_the_shim():
    os.kill(parent_of(pid_of("db")), signal.SIGKILL)
    hull("kill", "db").ok()
    hull("start", "db").ok()


def run_out_of_memory():
    hull("exec", "db", "touch", "/oom").ok()
    hull("restart", "-t", "0", "db").ok()
    wait_until_ended("db")
    equal(inspect("db", "{{.State.OOMKilled}}"), "true")
    hull("start", "db").ok()


def remove_and_run_again():
    hull("rm", "-f", "db").ok()
    run_target()


def run_target():
    hull("run", "-d", "--name=db", "-m", "16m", "busybox", *TARGET).ok()


def test_a_sharer_serves_through_a_hundred_ends_of_its_target():
    run_target()
    hull("run", "-d", "--name=web", "--net=container:db", "busybox", *SERVE).ok()
    eventually(lambda: hull("exec", "db", *ASK).code == 0)
    asker = Asker(pid_of("web"))
    before, web = os.readlink(f"/proc/{pid_of('web')}/ns/net"), pid_of("web")
    ends = (restart, kill_the_process, kill_the_shim, run_out_of_memory, remove_and_run_again)
    for number in range(ROUNDS):
        end = ends[number % len(ends)]
        end()
        equal(os.readlink(f"/proc/{pid_of('db')}/ns/net"), before, f"round {number}, {end.__name__}: the same namespace")
        hull("exec", "db", *ASK).ok().out_is("served\n")
    answers, failures, gap = asker.end()
    log(f"{answers} answers, longest gap {gap * 1000:.1f} ms")
    equal(failures, 0, "requests lost")
    check(answers > ROUNDS, f"only {answers} answers")
    equal(pid_of("web"), web, "the sharer itself was never restarted")
    hull("rm", "-f", "db", "web").ok()


@contextlib.contextmanager
def podman():
    """Its command line, on directories and in a mount namespace of its own."""
    root = scratch("podman")
    words = ["podman", "--root", f"{root}/root", "--runroot", f"{root}/run", "--tmpdir", f"{root}/tmp", "--cgroup-manager", "cgroupfs",
             "--runtime", "crun", "--events-backend", "none"]
    # crun takes no hybrid cgroups; its mounts, and podman's, stay in a mount namespace that goes with the keeper.
    keeper = subprocess.Popen(["unshare", "--mount", "sh", "-c",
                               "while umount -i /sys/fs/cgroup/unified; do :; done 2>/dev/null; echo; exec sleep 600"],
                              stdout=subprocess.PIPE)
    keeper.stdout.readline()

    def do(*argv):
        return run("nsenter", "--mount", "--target", keeper.pid, *words, *argv, timeout=60)
    try:
        yield do
    finally:
        do("rm", "-f", "-t", "0", "web")
        do("rm", "-f", "-t", "0", "db")
        eventually(lambda: not running("podman", "conmon"))  # its own clean-up runs behind it
        keeper.kill()
        keeper.wait()
        for folder in ("/run/crun", "/run/mount"):
            shutil.rmtree(folder, ignore_errors=True)
        if os.path.exists("/dev/shm/libpod_lock"):
            os.unlink("/dev/shm/libpod_lock")


PODMAN_FLAGS = ("--cgroups=disabled", "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000", "--network")


def podmans_ends(do, run_target):
    """What is done to hull's target, as far as podman can do it here: a container without cgroups is never out of memory, so
    the kernel's SIGKILL for that is the test's. Each gives what podman refused to do, or nothing."""
    def number(field):
        return int(do("inspect", "-f", f"{{{{.State.{field}}}}}", "db").ok().line)

    def kill_process():
        os.kill(number("Pid"), signal.SIGKILL)
        eventually(lambda: do("inspect", "-f", "{{.State.Status}}", "db").line == "exited", 10)
        do("start", "db").ok()

    def kill_conmon():
        os.kill(number("ConmonPid"), signal.SIGKILL)
        do("kill", "db")
        do("start", "db")

    def remove():
        removed = do("rm", "-f", "-t", "0", "db")
        return f"refused: {removed.err.strip()}" if removed.code != 0 else run_target().ok() and None
    return {"restart": lambda: do("restart", "-t", "0", "db").ok() and None, "kill the process": kill_process, "kill conmon": kill_conmon,
            "out of memory": kill_process, "remove and run again": remove}


def test_podmans_sharer_is_left_alone():
    """The same ends with the peer: its sharer is left alone by each, or this project has lost its reason."""
    if not shutil.which("podman"):
        raise Skip("podman is not installed: nothing to compare with")
    tree = busybox_rootfs()
    with podman() as do:
        def run_target():
            return do("run", "-d", "--name=db", *PODMAN_FLAGS, "none", "--rootfs", tree, *TARGET)
        outcomes = {}
        for name, end in podmans_ends(do, run_target).items():
            run_target().ok()
            do("run", "-d", "--name=web", *PODMAN_FLAGS, "container:db", "--rootfs", tree, *SERVE).ok()
            eventually(lambda: do("exec", "db", *ASK).code == 0)
            refused = end()
            after = do("exec", "db", *ASK)
            outcomes[name] = bool(refused) or after.code != 0
            log(f"podman, {name}: {refused or f'the sharer answers with exit {after.code}: {after.err.strip()[:200]}'}")
            do("rm", "-f", "-t", "0", "web")
            do("rm", "-f", "-t", "0", "db")
        check(all(outcomes.values()), f"podman's sharer outlives an end of its target, say so in the documentation: {outcomes}")


test_a_sharer_serves_through_a_hundred_ends_of_its_target.timeout = 180
test_podmans_sharer_is_left_alone.timeout = 180
