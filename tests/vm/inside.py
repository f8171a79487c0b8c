"""For scripts that run inside user-mode Linux: a busybox root, bundles of it, hull oci, and verdicts as lines that machine.judged reads."""
import copy
import json
import os
import shutil
import subprocess
import time

CAPS = ["CAP_CHOWN", "CAP_KILL", "CAP_MKNOD", "CAP_SETUID", "CAP_SETGID"]
CONFIG = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": [], "cwd": "/", "env": ["PATH=/bin"],
                "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS}},
    "root": {"path": "/run/rootfs"}, "hostname": "vm",
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
               {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
               {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]}],
    "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")]},
}


def root():
    os.makedirs("/run/rootfs/bin")
    for folder in ("dev", "proc", "sys/fs/cgroup", "tmp"):
        os.makedirs(f"/run/rootfs/{folder}", exist_ok=True)
    shutil.copy2("/usr/bin/busybox", "/run/rootfs/bin/busybox")
    for name in ("sh", "cat", "sleep", "head", "mknod", "echo", "wc", "grep", "true", "touch"):
        os.symlink("busybox", f"/run/rootfs/bin/{name}")


def bundle(script, linux, process=None, **top):
    """/run/bundle, which runs a script."""
    config = copy.deepcopy(CONFIG) | top
    config["process"].update(args=["/bin/sh", "-c", script], **(process or {}))
    config["linux"].update(linux)
    os.makedirs("/run/bundle", exist_ok=True)
    with open("/run/bundle/config.json", "w") as file:
        json.dump(config, file)
    return "/run/bundle"


def command(*argv, preexec=None, **environment):
    """(exit code, what it said): containers' outputs must not be pipes of ours when they stay, see `quiet`."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          env=os.environ | environment, preexec_fn=preexec)
    return done.returncode, done.stdout.strip()


def quiet(*argv, preexec=None, **environment):
    """The exit code, for what leaves a container behind."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                          env=os.environ | environment, preexec_fn=preexec).returncode


def judge(name, got, wanted):
    print(f"{'PASS' if got == wanted else 'FAIL'} {name}: {got!r}" + ("" if got == wanted else f", wanted {wanted!r}"), flush=True)


def wait(claim, seconds=10):
    end = time.monotonic() + seconds
    while not claim() and time.monotonic() < end:
        time.sleep(0.02)
