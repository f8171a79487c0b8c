"""Runs inside user-mode Linux (oci_systemd_test.py) where systemd has mounted cgroup v1 and v2 side by side. One line per case."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inside  # noqa: E402
from inside import command, judge, quiet  # noqa: E402

HULL, GROUP = sys.argv[1], "/system.slice/runc-x.scope"
RESOURCES = {"memory": {"limit": 64 << 20}, "pids": {"limit": 9}, "cpu": {"quota": 25500, "period": 50000, "shares": 512},
             "devices": [{"allow": False, "access": "rwm"}]}
FILES = {"memory/memory.limit_in_bytes": "67108864", "pids/pids.max": "9", "cpu,cpuacct/cpu.cfs_quota_us": "25500", "cpu,cpuacct/cpu.shares": "512"}


def oci(*argv, run=command):
    return run(HULL, "oci", "--root", "/run/state", "--systemd-cgroup", *argv)


def bundle(script):
    return inside.bundle(script, {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")], "resources": RESOURCES})


def read(file):
    controller, name = file.split("/")
    with open(f"/sys/fs/cgroup/{controller}{GROUP}/{name}") as lines:
        return lines.read().strip()


inside.root()
code, said = oci("run", "-b", bundle("cat /proc/self/cgroup"), "x")
judge("every hierarchy has the group", (code, {line.split(":", 2)[2] for line in said.splitlines()}, len(said.splitlines()) > 5), (0, {GROUP}, True))
judge("run -d", oci("run", "-d", "-b", bundle("sleep 600"), "x", run=quiet), 0)
judge("the limits", {name: read(name) for name in FILES}, FILES)
devices = read("devices/devices.list")
command("systemctl", "daemon-reload")
command("systemctl", "show", "runc-x.scope")
judge("a reload leaves the devices", (sorted(read("devices/devices.list").splitlines()), "136:*" in devices, "a *:*" in devices), (sorted(devices.splitlines()), True, False))
judge("update", (oci("update", "--pids-limit", "5", "--memory", "33554432", "x"), read("pids/pids.max"), read("memory/memory.limit_in_bytes")), ((0, ""), "5", "33554432"))
judge("delete", oci("delete", "-f", "x"), (0, ""))
judge("nothing is left", (glob.glob(f"/sys/fs/cgroup/*{GROUP}"), os.listdir("/run/state")), ([], []))
print("END", flush=True)
