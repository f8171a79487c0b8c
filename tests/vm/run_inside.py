"""Runs inside user-mode Linux (run_v2_test.py): the engine on a host of cgroup v2 alone, kernel 6.1. One line per case."""
import ctypes
import glob
import os
import subprocess
import sys
import time

HULL = sys.argv[1]
TREE = "/sys/fs/cgroup"


def hull(*argv):
    done = subprocess.run([HULL, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout.strip()


def judge(name, got, wanted):
    print(f"{'PASS' if got == wanted else 'FAIL'} {name}: {got!r}" + ("" if got == wanted else f", wanted {wanted!r}"), flush=True)


def case(name, wanted, *options, script, code=0):
    judge(name, hull("run", "--rm", "--net=none", *options, "busybox", "sh", "-c", script), (code, wanted))


def group(name):
    return f"{TREE}/hull/" + hull("inspect", "-f", "{{.Id}}", name)[1]


def value(name, file):
    with open(f"{group(name)}/{file}") as text:
        return text.read().strip()


def load_overlay():
    (module,) = glob.glob(f"/usr/lib/uml/modules/{os.uname().release}/kernel/fs/overlayfs/overlay.ko")
    file = os.open(module, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(313), ctypes.c_int(file), b"", ctypes.c_int(0)) != 0:  # finit_module
        print("FAIL overlay.ko does not load", flush=True)
    os.close(file)


def limits():
    case("it runs", "works", script="echo works")
    case("-m", "67108864", "-m", "64m", script=f"cat {TREE}/memory.max")
    case("--cpus", "50000 100000", "--cpus=0.5", script=f"cat {TREE}/cpu.max")
    case("--pids-limit", "17", "--pids-limit=17", script=f"cat {TREE}/pids.max")
    case("the namespace begins at the group", "0::/", script="cat /proc/self/cgroup")
    case("the tree is read-only", "Read-only", script=f"touch {TREE}/x 2>&1 | grep -o Read-only")
    case("a device of the host's does not open", "Operation not permitted", "--cap-add=MKNOD",
         script="mknod /tmp/mem c 1 1; head -c1 /tmp/mem 2>&1 | grep -o 'Operation not permitted'")
    case("--device opens it", "opened", "--privileged", script="mknod /tmp/mem c 1 1; head -c1 /tmp/mem > /dev/null && echo opened")
    case("a user namespace of its own", "65536\n0", "--userns=private", script="awk '{ print $3 }' /proc/self/uid_map; stat -c %u /bin/busybox")
    case("a fork bomb meets its limit", "sh: can't fork: Resource temporarily unavailable", "--pids-limit=5",
         script="for i in 1 2 3 4 5 6 7 8; do sleep 30 & done", code=2)


def oom():
    code, _ = hull("run", "--name=eater", "--net=none", "-m", "16m", "busybox", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1")
    judge("out of memory", (code, hull("inspect", "-f", "{{.State.OOMKilled}}", "eater")), (137, (0, "true")))
    hull("rm", "eater")


def life():
    hull("run", "-d", "--name=db", "--net=none", "-m", "32m", "busybox", "sleep", "600")
    judge("the group is under /hull", value("db", "memory.max"), "33554432")
    judge("exec is in the group", hull("exec", "db", "cat", "/proc/self/cgroup"), (0, "0::/"))
    hull("pause", "db")
    judge("paused", (value("db", "cgroup.freeze"), hull("inspect", "-f", "{{.State.Status}}", "db")[1]), ("1", "paused"))
    hull("unpause", "db")
    net = hull("exec", "db", "readlink", "/proc/self/ns/net")
    hull("restart", "-t0", "db")
    judge("a restart keeps the net namespace", hull("exec", "db", "readlink", "/proc/self/ns/net"), net)
    hull("run", "-d", "--name=web", "--net=container:db", "busybox", "sleep", "600")
    judge("a sharer is in it", hull("exec", "web", "readlink", "/proc/self/ns/net"), net)
    judge("stop", hull("stop", "-t0", "web"), (0, "web"))
    judge("rm", hull("rm", "-f", "web", "db"), (0, "web\ndb"))
    for _ in range(100):
        if not os.listdir("/run/hull"):
            break
        time.sleep(0.05)
    left = [name for name in os.listdir(f"{TREE}/hull") if os.path.isdir(f"{TREE}/hull/{name}")]
    judge("nothing is left", (left, hull("ps", "-aq")), ([], (0, "")))


load_overlay()
limits()
oom()
life()
print("END", flush=True)
