"""Runs inside user-mode Linux as a service of systemd (oci_systemd_test.py): bundles whose groups systemd makes. One line per case."""
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inside  # noqa: E402
from inside import command, judge, quiet  # noqa: E402

HULL, RUNC, NOTIFY = sys.argv[1], sys.argv[2], sys.argv[4]
TOP = "/sys/fs/cgroup"
POD = "kubepods-burstable-podabc.slice"
POD_PATH = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podabc.slice"
BUS = "unix:path=/run/dbus/system_bus_socket"
OWN = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]  # no cgroup namespace: paths are the host's


def oci(*argv, program=HULL, **environment):
    words = [program, "oci"] if program == HULL else [program]
    return command(*words, "--root", "/run/state", "--systemd-cgroup", *argv, **environment)


def bundle(script, path=None, resources=None, **top):
    linux = {"namespaces": OWN, "resources": resources or {}} | ({"cgroupsPath": path} if path else {})
    return inside.bundle(script, linux, **top)


def start(name, *bundle_arguments, **top):
    return quiet(HULL, "oci", "--root", "/run/state", "--systemd-cgroup", "run", "-d", "-b", bundle(*bundle_arguments, **top), name)


def shown(unit, *properties):
    lines = command("systemctl", "show", unit, *(f"-p{name}" for name in properties))[1].splitlines()
    return dict(line.split("=", 1) for line in lines)


def units():
    out = command("systemctl", "list-units", "--all", "--plain", "--no-legend", "--type=scope")[1]
    return sorted(line.split()[0] for line in out.splitlines() if not line.startswith("init.scope"))


def read(group, name):
    with open(f"{TOP}{group}/{name}") as file:
        return file.read().strip()


def state(name):
    code, said = oci("state", name)
    return json.loads(said)["status"] if code == 0 else said


def group_of_run(program, path):
    return oci("run", "-b", bundle("cat /proc/self/cgroup", path), "same", program=program)


def names():
    for path, group in ((None, "/system.slice/runc-same.scope"), ("system.slice:runc:other", "/system.slice/runc-other.scope"),
                        (":cri-containerd:one", "/system.slice/cri-containerd-one.scope"), (f"{POD}:cri-containerd:two", f"{POD_PATH}/cri-containerd-two.scope"),
                        ("-.slice:a:b", "/a-b.scope")):
        judge(f"the group of {path}", group_of_run(HULL, path), (0, f"0::{group}"))
        if RUNC != "none":
            code, said = group_of_run(RUNC, path)
            judge(f"runc's group of {path}", (code, said.splitlines()[-1:]), (0, [f"0::{group}"]))
    for path, words in (("/oci/x", "slice:prefix:name"), ("a:b", "slice:prefix:name"), ("a--b.slice:x:y", "is no slice"), ("x:y:z", "is no slice"),
                        ("a.slice:x:y/z", "no name of a systemd unit")):
        code, said = oci("run", "-b", bundle("true", path), "same")
        judge(f"no group of {path}", (code, words in said, said.count("\n")), (1, True, 0))
    judge("nothing is left of these", (units(), os.listdir("/run/state")), ([], []))


LIMITS = {"memory": {"limit": 64 << 20, "swap": 80 << 20, "reservation": 32 << 20}, "cpu": {"shares": 512, "quota": 25500, "period": 50000},
          "pids": {"limit": 17}, "unified": {"memory.high": "50331648"}, "devices": [{"allow": False, "access": "rwm"}]}
FILES = {"memory.max": "67108864", "memory.swap.max": "16777216", "memory.low": "33554432", "cpu.weight": "59", "cpu.max": "25500 50000", "pids.max": "17",
         "memory.high": "50331648"}
SHOWN = {"MemoryMax": "67108864", "MemorySwapMax": "16777216", "MemoryLow": "33554432", "CPUWeight": "59", "CPUQuotaPerSecUSec": "510ms",
         "CPUQuotaPeriodUSec": "50ms", "TasksMax": "17", "MemoryHigh": "50331648"}


def life():
    unit, group = "cri-containerd-y.scope", f"{POD_PATH}/cri-containerd-y.scope"
    judge("run -d", start("y", "sleep 600", f"{POD}:cri-containerd:y", LIMITS, annotations={"org.systemd.property.CollectMode": "'inactive-or-failed'",
                          "org.systemd.property.TimeoutStopSec": "7"}), 0)
    judge("running", state("y"), "running")
    judge("the unit", shown(unit, "ActiveState", "Slice", "ControlGroup", "Delegate", "Transient", "CollectMode", "TimeoutStopUSec", "Description"),
          {"ActiveState": "active", "Slice": POD, "ControlGroup": group, "Delegate": "yes", "Transient": "yes", "CollectMode": "inactive-or-failed",
           "TimeoutStopUSec": "7s", "Description": "hull container y"})
    judge("the limits in the group", {name: read(group, name) for name in FILES}, FILES)
    judge("the limits of the unit", shown(unit, *SHOWN), SHOWN)
    judge("only the container is in the group", len(read(group, "cgroup.procs").split()), 1)
    judge("exec is in the group", oci("exec", "y", "/bin/cat", "/proc/self/cgroup"), (0, f"0::{group}"))
    command("systemctl", "daemon-reload")
    judge("the limits outlast a reload", {name: read(group, name) for name in FILES if name != "cpu.max"}, {k: v for k, v in FILES.items() if k != "cpu.max"})
    judge("devices stay denied after a reload", oci("exec", "y", "/bin/sh", "-c", "mknod /tmp/mem c 1 1 && head -c1 /tmp/mem 2>&1 | grep -o 'Operation not permitted'"),
          (0, "Operation not permitted"))
    judge("update", (oci("update", "--memory", "50331648", "--memory-swap", "50331648", "--pids-limit", "9", "--cpu-quota", "30000", "y"), read(group, "memory.max"),
                     read(group, "pids.max"), read(group, "cpu.max"), shown(unit, "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec")),
          ((0, ""), "50331648", "9", "30000 50000", {"MemoryMax": "50331648", "TasksMax": "9", "CPUQuotaPerSecUSec": "600ms"}))
    oci("pause", "y")
    judge("paused", (state("y"), read(group, "cgroup.freeze")), ("paused", "1"))
    oci("resume", "y")
    judge("resumed", (state("y"), read(group, "cgroup.freeze")), ("running", "0"))
    judge("stats", "memory" in oci("events", "--stats", "y")[1], True)
    judge("ps", read(group, "cgroup.procs") in oci("ps", "--format", "json", "y")[1], True)
    code, said = oci("run", "-b", bundle("true", f"{POD}:cri-containerd:y"), "z")
    judge("a name that is taken", (code, unit in said, said.count("\n"), state("y"), os.listdir("/run/state")), (1, True, 0, "running", ["y"]))
    judge("delete of one that runs", oci("delete", "y")[0], 1)
    judge("kill --all", oci("kill", "--all", "y", "KILL"), (0, ""))
    inside.wait(lambda: state("y") == "stopped")
    judge("delete", oci("delete", "y"), (0, ""))
    gone("y", group)


def gone(name, group):
    judge(f"nothing is left of {name}", (os.path.exists(TOP + group), units(), os.listdir("/run/state"), command("pgrep", "-f", "hull-init")[1]), (False, [], [], ""))


def steps():
    group = "/system.slice/runc-c.scope"
    path = bundle("sleep 600")
    judge("create", quiet(HULL, "oci", "--root", "/run/state", "--systemd-cgroup", "create", "-b", path, "c"), 0)
    judge("created", (state("c"), units()), ("created", ["runc-c.scope"]))
    judge("start", (oci("start", "c"), state("c")), ((0, ""), "running"))
    judge("delete --force without the option", command(HULL, "oci", "--root", "/run/state", "delete", "--force", "c"), (0, ""))
    gone("c", group)
    code, said = oci("run", "-b", inside.bundle("true", {"resources": {"cpu": {"cpus": "77"}}}), "c")
    judge("limits that the kernel refuses", (code, said.count("\n")), (1, 0))
    gone("c", group)
    code, said = oci("run", "-b", bundle("true", hooks={"prestart": [{"path": "/bin/false"}]}), "c")
    judge("a hook that fails", (code, said.count("\n")), (1, 0))
    gone("c", group)
    code, said = oci("run", "-b", bundle("true", annotations={"org.systemd.property.Foo": "true"}), "c")
    judge("a property that is none", (code, "Foo" in said, said.count("\n")), (1, True, 0))
    gone("c", group)
    start("c", "true", hooks={"prestart": [{"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]}]})
    inside.wait(lambda: not units())
    judge("a create that was killed leaves no unit", units(), [])
    judge("and its state is removed", oci("delete", "c"), (0, ""))
    gone("c", group)
    judge("a limit of one task", oci("run", "-b", bundle("echo one", None, {"pids": {"limit": 1}}), "c"), (0, "one"))
    gone("c", group)


def slices():
    judge("a slice of its own", oci("run", "-b", bundle("cat /proc/self/cgroup", "a.slice::a-b.slice"), "s"), (0, "0::/a.slice/a-b.slice"))
    judge("the slice is gone", (os.path.exists(f"{TOP}/a.slice/a-b.slice"), shown("a-b.slice", "ActiveState")), (False, {"ActiveState": "inactive"}))


def bus():
    """The same through a message bus instead of systemd's own socket."""
    judge("dbus-daemon runs", command("systemctl", "start", "dbus.service"), (0, ""))
    path = bundle("cat /proc/self/cgroup", None, {"memory": {"limit": 32 << 20}})
    judge("run through a bus", oci("run", "-b", path, "b", DBUS_SYSTEM_BUS_ADDRESS=BUS), (0, "0::/system.slice/runc-b.scope"))
    judge("nobody on the bus", oci("run", "-b", path, "b", DBUS_SYSTEM_BUS_ADDRESS="unix:path=/run/none"),
          (1, "--systemd-cgroup: systemd does not run here: connect /run/none: No such file or directory; remove --systemd-cgroup, or start it"))
    gone("b", "/system.slice/runc-b.scope")


def killed():
    """A container whose memory runs out leaves no failed unit behind."""
    judge("out of memory", oci("run", "-b", bundle("head -c 64m /dev/zero > /tmp/fill", None, {"memory": {"limit": 16 << 20, "swap": 16 << 20}},
                               mounts=inside.CONFIG["mounts"] + [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]), "m")[0] != 0, True)
    gone("m", "/system.slice/runc-m.scope")


def service():
    """hull as a service of Type=notify: it is started when the program says so, and its main process is the container's."""
    shutil.copy2(NOTIFY, "/run/rootfs/bin/notify")
    path = bundle("notify 'STATUS=soon'; notify READY=1 -- 600")
    started = command("systemd-run", "--unit=served", "-p", "Type=notify", "-p", "DefaultDependencies=no", "-p", "StandardOutput=null", "-p", "TimeoutStopSec=1", HULL, "oci", "--root", "/run/state", "--systemd-cgroup", "run", "-b", path, "n")
    judge("the service", started[0] or started[1].startswith("Running as unit"), True)
    judge("its main process", shown("served.service", "ActiveState", "MainPID"),
          {"ActiveState": "active", "MainPID": str(json.loads(oci("state", "n")[1])["pid"])})
    command("systemctl", "stop", "served.service")
    oci("delete", "-f", "n")
    gone("n", "/system.slice/runc-n.scope")


def median(program, count=5):
    times = []
    path = bundle("true")
    for _ in range(count):
        began = time.monotonic()
        oci("run", "-b", path, "t", program=program)
        times.append(time.monotonic() - began)
    return sorted(times)[count // 2]


def compare_times():
    if RUNC != "none":
        print(f"NOTE a run takes {median(HULL) / median(RUNC):.2f} of runc's time", flush=True)


inside.root()
os.makedirs("/run/state", exist_ok=True)
for part in {"names": (names, compare_times), "life": (life, killed), "steps": (steps, slices, bus, service)}[sys.argv[3]]:
    part()
print("END", flush=True)
