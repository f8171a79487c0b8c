"""Runs inside user-mode Linux (oci_v2_test.py): bundles on a host of cgroup v2 alone, with AppArmor. One line per case."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inside  # noqa: E402
from inside import command, judge, quiet  # noqa: E402

HULL, PARSER = sys.argv[1], sys.argv[2]
DISK = "98:0"
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
    case("cpu.max.burst", read + "cpu.max.burst", "5000", {"cpu": {"quota": 20000, "period": 50000, "burst": 5000}})
    case("cpu.idle", read + "cpu.idle", "1", {"cpu": {"idle": 1}})
    case("swap beside memory", read + "memory.swap.max", "16777216", {"memory": {"limit": 48 << 20, "swap": 64 << 20}})
    case("no limit", read + "memory.max " + "/sys/fs/cgroup/memory.swap.max /sys/fs/cgroup/pids.max", "max\nmax\nmax", {"memory": {"limit": -1}, "pids": {"limit": -1}})
    case("io.max", read + "io.max", f"{DISK} rbps=1048576 wbps=2097152 riops=30 wiops=40", {"blockIO": {
        key: [{"major": 98, "minor": 0, "rate": rate}] for key, rate in (("throttleReadBpsDevice", 1 << 20), ("throttleWriteBpsDevice", 2 << 20),
                                                                        ("throttleReadIOPSDevice", 30), ("throttleWriteIOPSDevice", 40))}})
    case("unified of several lines", read + "io.max", f"{DISK} rbps=4096 wbps=max riops=max wiops=7", {"unified": {"io.max": f"{DISK} rbps=4096\n{DISK} wiops=7"}})
    for field, resources in (("cpuset.cpus", {"cpu": {"cpus": "0"}}), ("rdma", {"rdma": {"mlx": {"hcaHandles": 1}}}),
                             ("hugetlb.2MB.max", {"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}), ("network class id", {"network": {"classID": 1}}),
                             ("memory.nothing", {"unified": {"memory.nothing": "1"}}), ("swappiness", {"memory": {"swappiness": 5}}),
                             ("realtime", {"cpu": {"realtimeRuntime": 5000}})):
        code, said = oci("run", "-b", bundle("true", resources), "x")
        judge(f"{field}, which is not here, is told", (code, field in said, said.count("\n")), (1, True, 0))
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
    judge("a new quota keeps the period, a new period the quota",
          (oci("update", "--cpu-quota", "30000", "--cpu-period", "60000", "y"), oci("update", "--cpu-quota", "12000", "y"), value("cpu.max"),
           oci("update", "--cpu-period", "40000", "y"), value("cpu.max")), ((0, ""), (0, ""), "12000 60000", (0, ""), "12000 40000"))
    judge("an update that fails changes nothing", (oci("update", "--memory", "60000000", "--pids-limit", "77", "--cpu-quota", "1", "y")[0],
                                                   value("memory.max"), value("pids.max"), value("cpu.max")), (1, "50331648", "9", "12000 40000"))
    judge("a burst above the old quota", (oci("update", "--cpu-quota", "30000", "--cpu-burst", "20000", "y"), value("cpu.max.burst")), ((0, ""), "20000"))
    judge("idle", (oci("update", "--cpu-idle", "1", "y"), value("cpu.idle")), ((0, ""), "1"))
    data = json.loads(oci("events", "--stats", "y")[1])["data"]
    judge("stats", (data["memory"]["usage"]["limit"], data["pids"], data["cpu"]["usage"]["total"] > 0, "anon" in data["memory"]["raw"]),
          (50331648, {"current": 1, "limit": 9}, True, True))
    judge("kill --all", oci("kill", "--all", "y", "KILL"), (0, ""))
    for _ in range(100):
        if status() == "stopped":
            break
        time.sleep(0.05)
    judge("delete", oci("delete", "y"), (0, ""))
    judge("nothing is left", (os.path.exists(GROUP), os.listdir("/run/state")), (False, []))


def value(name):
    with open(f"{GROUP}/{name}") as file:
        return file.read().strip()


def memory_runs_out():
    """The error names the limit where the kernel ends what hull makes, on v2 as on v1."""
    tmpfs = [{"destination": "/big", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]
    os.makedirs("/run/rootfs/big")
    with open("/run/rootfs/big/file", "w") as file:
        file.truncate(200 << 20)
    path = inside.bundle("true", {"cgroupsPath": "/oci-vm", "resources": {"memory": {"limit": 16 << 20, "swap": 16 << 20}}}, mounts=inside.CONFIG["mounts"] + tmpfs)
    code, said = oci("run", "-b", path, "x")
    judge("killed while it is made", (code, "the limit is 16777216 bytes; raise memory.limit" in said), (1, True))
    shutil.rmtree("/run/rootfs/big")


def beside_v1():
    """A host that has one controller in v1, and mounts it where it likes."""
    os.makedirs("/run/net_cls")
    if subprocess.run(["mount", "-t", "cgroup", "-o", "net_cls", "none", "/run/net_cls"], capture_output=True).returncode != 0:
        return judge("net_cls is mounted", False, True)
    namespaces = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
    mounts = [mount for mount in inside.CONFIG["mounts"] if mount["type"] != "cgroup"]
    inside.bundle("sleep 600", {"cgroupsPath": "/oci-vm", "namespaces": namespaces,
                                "resources": {"network": {"classID": 0x100001}, "memory": {"limit": 64 << 20}, "pids": {"limit": 17}}}, mounts=mounts)
    judge("run -d", (quiet(HULL, "oci", "--root", "/run/state", "--log", "/run/log", "run", "-d", "-b", "/run/bundle", "n"), open("/run/log").read()), (0, ""))
    with open("/run/net_cls/oci-vm/net_cls.classid") as file:
        judge("the class", (file.read().strip(), value("memory.max"), value("pids.max")), (str(0x100001), "67108864", "17"))
    judge("exec is in both", "1:net_cls:/oci-vm" in oci("exec", "n", "/bin/cat", "/proc/self/cgroup")[1], True)
    judge("delete", oci("delete", "-f", "n"), (0, ""))
    judge("nothing is left of both", (os.path.exists("/run/net_cls/oci-vm"), os.path.exists(GROUP)), (False, False))
    subprocess.run(["umount", "/run/net_cls"], check=True)


USER = 1000
OWN_ID = [{"containerID": 0, "hostID": USER, "size": 1}]
MINE = "/sys/fs/cgroup/mine"


def user_bundle(script, **linux):
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "user")]
    mounts = [mount for mount in inside.CONFIG["mounts"] if mount["type"] != "cgroup"]
    limits = {"pids": {"limit": 9}, "memory": {"limit": 64 << 20}, "cpu": {"quota": 20000, "period": 50000}}
    return inside.bundle(script, {"namespaces": namespaces, "uidMappings": OWN_ID, "gidMappings": OWN_ID, "resources": limits} | linux, mounts=mounts)


def become_user():
    with open(f"{MINE}/session/cgroup.procs", "w") as file:
        file.write("0")
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def as_user(*argv, run=command):
    return run(HULL, "oci", "--root", "/run/users", *argv, preexec=become_user, XDG_RUNTIME_DIR="/run/users", HOME="/run/users")


def rootless():
    """An ordinary user whom a group was given: his containers' limits hold, and he freezes and ends them as root does his."""
    os.makedirs(f"{MINE}/session")
    os.mkdir("/run/users")
    with open("/sys/fs/cgroup/cgroup.subtree_control", "w") as file:
        file.write("+cpu +memory +pids")
    for path in ("/run/users", MINE, f"{MINE}/session", *[f"{MINE}/{name}" for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")],
                 f"{MINE}/session/cgroup.procs"):
        os.chown(path, USER, USER)
    judge("a user's group beside his own", as_user("run", "-b", user_bundle("cat /proc/self/cgroup"), "u"), (0, "0::/mine/u"))
    judge("one that he names", as_user("run", "-b", user_bundle("cat /proc/self/cgroup", cgroupsPath="/mine/named/deep"), "u"), (0, "0::/mine/named/deep"))
    os.rmdir(f"{MINE}/named")  # a parent that was missing stays, as with root
    code, said = as_user("run", "-b", user_bundle("true", cgroupsPath="/elsewhere"), "u")
    judge("one that is not his", (code, "Permission denied" in said, said.count("\n")), (1, True, 0))
    judge("a user's run -d", as_user("run", "-d", "-b", user_bundle("sleep 600"), "u", run=quiet), 0)
    read = lambda name: open(f"{MINE}/u/{name}").read().strip()  # noqa: E731
    judge("a user's limits", (read("pids.max"), read("memory.max"), read("cpu.max")), ("9", "67108864", "20000 50000"))
    judge("a user's exec", as_user("exec", "u", "/bin/cat", "/proc/self/cgroup"), (0, "0::/mine/u"))
    judge("a user's pids limit holds", as_user("exec", "u", "/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done 2>&1 | grep -c fork")[1] != "0", True)
    judge("a user's update", (as_user("update", "--pids-limit", "5", "u"), read("pids.max")), ((0, ""), "5"))
    as_user("pause", "u")
    judge("a user's pause", (json.loads(as_user("state", "u")[1])["status"], read("cgroup.freeze")), ("paused", "1"))
    as_user("resume", "u")
    judge("a user's kill --all", as_user("kill", "--all", "u", "KILL"), (0, ""))
    inside.wait(lambda: json.loads(as_user("state", "u")[1])["status"] == "stopped")
    judge("a user's delete", as_user("delete", "u"), (0, ""))
    judge("nothing is left of his", (sorted(name for name in os.listdir(MINE) if os.path.isdir(f"{MINE}/{name}")), os.listdir("/run/users")), (["session"], []))


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
memory_runs_out()
rootless()
beside_v1()
if PARSER != "none":
    apparmor()
print("END", flush=True)
