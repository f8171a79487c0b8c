"""Runs inside user-mode Linux (oci_v2_test.py): bundles on a host of cgroup v2 alone, with AppArmor. One line per case."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inside  # noqa: E402
from inside import command, judge, quiet  # noqa: E402

HULL, PARSER = sys.argv[1], sys.argv[2]
GROUP = "/sys/fs/cgroup/oci-vm"
DENY = {"allow": False, "access": "rwm"}


def bundle(script, resources=None, **process):
    devices = [{"type": "c", "path": "/dev/mem0", "major": 1, "minor": 1, "fileMode": 0o666}]
    return inside.bundle(script, {"cgroupsPath": "/oci-vm", "resources": resources or {}, "devices": devices}, process)


def oci(*argv):
    return command(HULL, "oci", "--root", "/run/state", *argv)


def case(name, script, wanted, resources=None, code=0, **process):
    got = oci("run", "-b", bundle(script, resources, **process), "x")
    judge(name, got, (code, wanted))


def limits():
    read = "cat /sys/fs/cgroup/"
    case("memory.max", read + "memory.max", "67108864", {"memory": {"limit": 64 << 20}})
    case("memory.low from the reservation", read + "memory.low", "33554432", {"memory": {"reservation": 32 << 20}})
    case("cpu.max", read + "cpu.max", "20000 50000", {"cpu": {"quota": 20000, "period": 50000}})
    case("cpu.weight of 1024 shares", read + "cpu.weight", "100", {"cpu": {"shares": 1024}})
    case("pids.max", read + "pids.max", "17", {"pids": {"limit": 17}})
    case("unified", read + "memory.high", "50331648", {"unified": {"memory.high": "50331648"}})
    case("the namespace begins at the group", "cat /proc/self/cgroup", "0::/")
    case("the tree is read-only", "touch /sys/fs/cgroup/x 2>&1 | grep -o Read-only", "Read-only")


def devices():
    case("a denied device does not open", "head -c1 /dev/mem0 2>&1 | grep -o 'Operation not permitted'", "Operation not permitted", {"devices": [DENY]})
    case("the default devices open", "head -c 3 /dev/zero | wc -c; echo x > /dev/null && echo null", "3\nnull", {"devices": [DENY]})
    case("nodes may be made", "mknod /tmp/n c 1 3 && echo made", "made", {"devices": [DENY]})
    case("a node of a default device opens", "mknod /tmp/z c 1 5; head -c 2 /tmp/z | wc -c", "2")


def life():
    bundle("sleep 600")
    quiet(HULL, "oci", "--root", "/run/state", "run", "-d", "-b", "/run/bundle", "y")
    status = lambda: json.loads(oci("state", "y")[1])["status"]  # noqa: E731
    judge("running", status(), "running")
    judge("exec is in the group", oci("exec", "y", "/bin/cat", "/proc/self/cgroup"), (0, "0::/"))
    oci("pause", "y")
    judge("paused", (status(), open(f"{GROUP}/cgroup.freeze").read().strip()), ("paused", "1"))
    oci("resume", "y")
    judge("update", (oci("update", "--memory", "50331648", "--pids-limit", "9", "y"), open(f"{GROUP}/memory.max").read().strip(),
                     open(f"{GROUP}/pids.max").read().strip()), ((0, ""), "50331648", "9"))
    judge("stats", "memory" in oci("events", "--stats", "y")[1], True)
    judge("kill --all", oci("kill", "--all", "y", "KILL"), (0, ""))
    for _ in range(100):
        if status() == "stopped":
            break
        time.sleep(0.05)
    judge("delete", oci("delete", "y"), (0, ""))
    judge("nothing is left", (os.path.exists(GROUP), os.listdir("/run/state")), (False, []))


def apparmor():
    profile = "profile hull-test flags=(attach_disconnected,mediate_deleted) {\n  file,\n  signal,\n  deny /tmp/secret w,\n}\n"
    loaded = subprocess.run([PARSER, "-r", "-K"], input=profile, text=True, capture_output=True)
    if loaded.returncode:
        print("FAIL apparmor: the profile does not load:", loaded.stderr)
        return
    case("the profile is the program's", "cat /proc/self/attr/current", "hull-test (enforce)", apparmorProfile="hull-test")
    case("the profile holds", "(echo x > /tmp/secret) 2>&1 | grep -o 'Permission denied'; echo x > /tmp/other && echo other", "Permission denied\nother",
         apparmorProfile="hull-test")
    case("unconfined", "cat /proc/self/attr/current", "unconfined", apparmorProfile="unconfined")
    code, said = oci("run", "-b", bundle("true", apparmorProfile="nobody-loaded-it"), "x")
    judge("a profile that is not loaded", (code, "nobody-loaded-it" in said), (1, True))


inside.root()
limits()
devices()
life()
if PARSER != "none":
    apparmor()
print("END", flush=True)
