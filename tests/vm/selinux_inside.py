"""Runs inside user-mode Linux (selinux_test.py): labels of bundles, under a policy of four types. One line per case."""
import json
import os
import subprocess
import sys

HULL, POLICY = sys.argv[1], sys.argv[2]
SELINUX = "/sys/fs/selinux"
PROCESS, OTHER, CONTENT = "system_u:system_r:contained_t", "system_u:system_r:other_t", "system_u:object_r:content_t"
CONFIG = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": [], "cwd": "/", "env": ["PATH=/bin"], "selinuxLabel": PROCESS},
    "root": {"path": "/run/rootfs"},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
               {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
               {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
               {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
               {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}],
    "linux": {"cgroupsPath": "/oci-vm", "mountLabel": CONTENT, "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
}


def judge(name, got, wanted):
    print(f"{'PASS' if got == wanted else 'FAIL'} {name}: {got!r}" + ("" if got == wanted else f", wanted {wanted!r}"), flush=True)


def oci(*argv):
    done = subprocess.run([HULL, "oci", "--root", "/run/state", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    return done.returncode, done.stdout.strip("\0\n ")


def prepare():
    for folder in ("bundle", "rootfs/bin", "rootfs/proc", "rootfs/dev", "rootfs/tmp"):
        os.makedirs(f"/run/{folder}", exist_ok=True)
    subprocess.run(["cp", "/usr/bin/busybox", "/run/rootfs/bin/busybox"], check=True)
    for name in ("sh", "cat", "sleep", "grep", "cut", "true"):
        os.symlink("busybox", f"/run/rootfs/bin/{name}")
    with open("/run/bundle/config.json", "w") as file:
        json.dump(CONFIG, file)
    judge("before there is a policy", oci("run", "-b", "/run/bundle", "x")[0], 1)
    subprocess.run(["mount", "-t", "selinuxfs", "selinuxfs", SELINUX], check=True)
    with open(POLICY, "rb") as policy:
        fd = os.open(f"{SELINUX}/load", os.O_WRONLY)
        os.write(fd, policy.read())
        os.close(fd)


def bundle(*args, **process):
    config = json.loads(json.dumps(CONFIG))
    config["process"].update(args=args, **process)
    with open("/run/bundle/config.json", "w") as file:
        json.dump(config, file)
    return "/run/bundle"


def case(name, wanted, *args, **process):
    judge(name, oci("run", "-b", bundle(*args, **process), "x"), (0, wanted))


def refused():
    code, said = oci("run", "-b", bundle("/bin/true", selinuxLabel="system_u:system_r:nobody_t"), "x")
    judge("a label that the policy does not know", (code, "nobody_t" in said, "\n" in said), (1, True, False))


def entering():
    bundle("/bin/sleep", "600")
    subprocess.run([HULL, "oci", "--root", "/run/state", "run", "-d", "-b", "/run/bundle", "y"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)
    judge("exec has the container's label", oci("exec", "y", "/bin/cat", "/proc/self/attr/current"), (0, PROCESS))
    judge("exec --process-label", oci("exec", "--process-label", OTHER, "y", "/bin/cat", "/proc/self/attr/current"), (0, OTHER))
    pid = str(json.loads(oci("state", "y")[1])["pid"])
    followed = subprocess.run([HULL, "nsenter", "-t", pid, "-u", "-Z", "/bin/cat", "/proc/self/attr/current"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    judge("nsenter --follow-context", (followed.returncode, followed.stdout.strip("\0\n ")), (0, PROCESS))
    oci("delete", "-f", "y")


prepare()
case("the process has its label", PROCESS, "/bin/cat", "/proc/self/attr/current")
case("the mounts but the kernel's own say so", "/dev /dev/pts /tmp", "/bin/sh", "-c", "echo $(grep context= /proc/self/mounts | cut -d' ' -f2)")
case("no label", "system_u:system_r:kernel_t", "/bin/cat", "/proc/self/attr/current", selinuxLabel="")
refused()
entering()
print("END", flush=True)
