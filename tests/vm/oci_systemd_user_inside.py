"""Runs inside user-mode Linux (oci_systemd_test.py): an ordinary user's containers, whose groups his own systemd makes, while he
himself is in a group that is not his, as after a login. One line per case."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inside  # noqa: E402
from inside import command, judge, quiet  # noqa: E402

HULL, USER, RUNTIME = sys.argv[1], 1000, "/run/user/1000"
SLICE = "/user.slice/user-1000.slice"
SESSION = f"/sys/fs/cgroup{SLICE}/session-1.scope"
GROUP = f"{SLICE}/user@1000.service/user.slice/runc-x.scope"
OWN = [{"containerID": 0, "hostID": USER, "size": 1}]


def begin():
    for path in (RUNTIME, "/run/state", SESSION):
        os.makedirs(path, exist_ok=True)
    for path in (RUNTIME, "/run/state"):
        os.chown(path, USER, USER)
    judge("the user's systemd runs", command("systemctl", "start", "dbus.service", "user@1000.service"), (0, ""))


def become_user():
    with open(f"{SESSION}/cgroup.procs", "w") as file:
        file.write("0")
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def bundle(script):
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "user")]
    mounts = [mount for mount in inside.CONFIG["mounts"] if mount["type"] != "cgroup"]
    return inside.bundle(script, {"namespaces": namespaces, "uidMappings": OWN, "gidMappings": OWN, "resources": {"pids": {"limit": 9}}}, mounts=mounts)


def oci(*argv, run=command):
    return run(HULL, "oci", "--root", "/run/state", "--systemd-cgroup", *argv, preexec=become_user, XDG_RUNTIME_DIR=RUNTIME, HOME=RUNTIME)


def read(name):
    with open(f"/sys/fs/cgroup{GROUP}/{name}") as file:
        return file.read().strip()


inside.root()
begin()
judge("the group", oci("run", "-b", bundle("cat /proc/self/cgroup"), "x"), (0, f"0::{GROUP}"))
judge("run -d", oci("run", "-d", "-b", bundle("sleep 600"), "x", run=quiet), 0)
judge("exec is in the group", oci("exec", "x", "/bin/cat", "/proc/self/cgroup"), (0, f"0::{GROUP}"))
judge("update", (read("pids.max"), oci("update", "--pids-limit", "5", "x"), read("pids.max")), ("9", (0, ""), "5"))
oci("pause", "x")
judge("paused", json.loads(oci("state", "x")[1])["status"], "paused")
oci("resume", "x")
judge("delete", oci("delete", "-f", "x"), (0, ""))
judge("nothing is left", (os.path.exists(f"/sys/fs/cgroup{GROUP}"), os.listdir("/run/state")), (False, []))
print("END", flush=True)
