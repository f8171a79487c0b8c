"""Runs inside user-mode Linux (oci_systemd_test.py): containerd with SystemdCgroup, whose runc shim runs hull. One line per case."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inside  # noqa: E402
from inside import command, judge  # noqa: E402

HULL, TOP = sys.argv[1], "/run/containerd-test"
GROUP = "/kubepods.slice/kubepods-podx.slice/cri-containerd-one.scope"
CONFIG = f"""version = 2
root = "{TOP}/root"
state = "{TOP}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{TOP}/socket"
[ttrpc]
address = "{TOP}/ttrpc"
"""


def ctr(*argv):
    return command("ctr", "-a", f"{TOP}/socket", *argv)


def run(*argv):
    options = ("--runc-binary", "/run/hull-oci", "--runc-systemd-cgroup", "--cgroup", "kubepods-podx.slice:cri-containerd:one", "--rootfs")
    return ctr("run", *argv[:-1], *options, "/run/rootfs", "one", *argv[-1])


def life():
    judge("run", run("--rm", ["/bin/cat", "/proc/self/cgroup"]), (0, f"0::{GROUP}"))
    judge("run -d", run("-d", "--memory-limit", "33554432", ["/bin/sleep", "600"]), (0, ""))
    judge("exec", ctr("task", "exec", "--exec-id", "e", "one", "/bin/cat", "/proc/self/cgroup"), (0, f"0::{GROUP}"))
    judge("the unit's limit", command("systemctl", "show", "-p", "MemoryMax", "cri-containerd-one.scope"), (0, "MemoryMax=33554432"))
    judge("metrics", "33554432" in ctr("task", "metrics", "one")[1], True)
    judge("task rm", ctr("task", "rm", "--force", "one")[0], 0)
    judge("rm", ctr("containers", "rm", "one"), (0, ""))
    judge("nothing is left", (os.path.exists(f"/sys/fs/cgroup{GROUP}"), "cri-containerd" in command("systemctl", "list-units", "--all")[1]), (False, False))


inside.root()
os.mkdir(TOP)
os.symlink(HULL, "/run/hull-oci")
with open(f"{TOP}/config.toml", "w") as file:
    file.write(CONFIG)
daemon = subprocess.Popen(["containerd", "-c", f"{TOP}/config.toml"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": "/run"})
inside.wait(lambda: os.path.exists(f"{TOP}/socket"))
life()
daemon.kill()
print("END", flush=True)
