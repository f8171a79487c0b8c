"""OCI bundles over one busybox root, and the runtimes that run them: hull, and crun or runc where installed.

    with container(lambda c: c["process"].update(args=["/bin/sleep", "600"])) as name:
        oci("exec", name, "/bin/true").ok()

All state is in the test's scratch directory; every cgroup is /oci-… in the test's own subtree.
"""
import contextlib
import copy
import json
import os
import shutil
import subprocess

from . import isolate, ledger
from .hull import Skip, binary, busybox_rootfs, environment, hull_words, log, run, scratch

CAPS = ["CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_NET_BIND_SERVICE",
        "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"]
CONFIG = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "600"], "cwd": "/",
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS}},
    "root": {"path": "rootfs"},
    "hostname": "bundle",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}],
    "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")]},
}
_count = [0]


def merge(config, patch):
    """A dict is merged into the configuration, None removes a key, anything else replaces; a function may do as it likes."""
    if callable(patch):
        return patch(config) or config
    for key, value in (patch or {}).items():
        if value is None:
            config.pop(key, None)
        elif isinstance(value, dict) and isinstance(config.get(key), dict):
            merge(config[key], value)
        else:
            config[key] = value
    return config


def rootfs():
    path = scratch("oci-rootfs")
    if not os.path.isdir(path):
        busybox_rootfs(path)
    return path


def bundle(*patches, path=None):
    """A bundle's directory. Each patch: see merge(). The root is shared by the test's bundles."""
    _count[0] += 1
    path = path or scratch(f"bundle{_count[0]}")
    config = copy.deepcopy(CONFIG)
    config["root"]["path"] = rootfs()
    config["linux"]["cgroupsPath"] = f"/oci-{os.path.basename(path)}"
    for patch in patches:
        config = merge(config, patch)
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/config.json", "w") as file:
        json.dump(config, file) if not isinstance(config, str) else file.write(config)
    return path


def command(runtime="hull"):
    """The runtime's words before its command."""
    if runtime == "hull":
        return [*hull_words(), "oci", "--root", scratch("oci-state")]
    if not shutil.which(runtime):
        raise Skip(f"{runtime} is not installed")
    return [runtime, "--root", scratch(f"{runtime}-state")]


_v1_alone = [False]


@contextlib.contextmanager
def v1_alone():
    """Every runtime as on a host without cgroup v2."""
    _v1_alone[0] = True
    try:
        yield
    finally:
        _v1_alone[0] = False


def hierarchies_of(runtime):
    """What a runtime's process does first: crun refuses hybrid cgroups."""
    return hide_unified if runtime == "crun" or _v1_alone[0] else None


def hide_unified():
    """A mount namespace without the unified hierarchy."""
    isolate.unshare(isolate.CLONE_NEWNS)
    isolate.mount(None, "/", None, isolate.MS_REC | isolate.MS_PRIVATE)
    with contextlib.suppress(OSError):  # the test's own subtree lies over the hierarchy
        while True:
            isolate.umount("/sys/fs/cgroup/unified")


def oci(*argv, runtime="hull", **options):
    """Run one command of the runtime to its end."""
    if first := hierarchies_of(runtime):
        options["preexec"] = first
    result = run(*command(runtime), *argv, **options)
    result.argv = [f"{runtime}-oci", *map(str, argv)]
    return result


def quiet_oci(*argv, runtime="hull", env=None):
    """As oci(), for commands whose container keeps our standard streams: they are /dev/null and nothing is captured
    but what the runtime says through --log."""
    log_file = scratch(f"log{_count[0]}")
    if os.path.exists(log_file):
        os.unlink(log_file)
    words = command(runtime) + ["--log", log_file, "--log-format", "json", *map(str, argv)]
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=environment(env), preexec_fn=hierarchies_of(runtime))
    ledger.KNOWN_CHILDREN.add(child.pid)
    try:
        code = child.wait(30)
    finally:
        child.kill()
        child.wait()
        ledger.KNOWN_CHILDREN.discard(child.pid)
    text = ""
    if os.path.exists(log_file):
        with open(log_file) as file:
            text = "\n".join(json.loads(line).get("msg", "") for line in file if line.strip())
    log(f"$ {runtime}-oci {' '.join(map(str, argv))}\n  exit {code} {text}")
    return code, text


def state(name, runtime="hull"):
    return json.loads(oci("state", name, runtime=runtime).ok().out)


def run_bundle(*patches, runtime="hull", args=None, script=None, **options):
    """Run a bundle to its end; gives what run() gives. `script` is for busybox's sh."""
    words = {"process": {"args": args or ["/bin/sh", "-c", script]}} if args or script else {}
    path = bundle(words, *patches)
    return oci("run", "-b", path, os.path.basename(path), runtime=runtime, **options)


@contextlib.contextmanager
def container(*patches, runtime="hull", start=True):
    """A container that exists for the length of the block; yields its id."""
    path = bundle(*patches)
    name = os.path.basename(path)
    code, text = quiet_oci("create", "-b", path, "--pid-file", f"{path}/pid", name, runtime=runtime)
    try:
        if code != 0:
            raise AssertionError(f"create failed: {text}")
        if start:
            oci("start", name, runtime=runtime).ok()
        yield name
    finally:
        oci("delete", "--force", name, runtime=runtime)


def link_runtime(name="hull-oci"):
    """The binary under the name that a parent's configuration has."""
    path = scratch(name)
    if not os.path.islink(path):
        os.symlink(binary(), path)
    return path


def end_daemon(daemon, name, log_path, seconds):
    """A parent's daemon that the test started: TERM, and KILL for one that does not heed it; the end of its log."""
    daemon.terminate()
    try:
        daemon.wait(seconds)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    ledger.KNOWN_CHILDREN.discard(daemon.pid)
    with open(log_path) as file:
        log(f"{name}: {file.read()[-2500:]}")


def sweep_parent(groups=(), files=("/run/hull-oci",)):
    """What a parent engine leaves of itself on every host: its groups' parents, locks and state directories."""
    isolate.remove_cgroups([f"{top}/{name}" for top in isolate.hierarchies() for name in groups])
    for path in files:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.lexists(path):
            os.unlink(path)


def enter_cgroup_world():
    """For a daemon, before exec: a cgroup namespace that begins at the test's own groups, with every hierarchy mounted anew.
    Engines compare /proc/PID/cgroup with mountinfo, and a subtree bound over its hierarchy confuses them (runc's users, too)."""
    found = {}
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields = line.split()
            kind, _, options = fields[fields.index("-") + 1:]
            if kind in ("cgroup", "cgroup2"):
                words = [word for word in options.split(",") if word not in ("rw", "ro", "xattr", "clone_children") and "release_agent" not in word]
                found[fields[4]] = (kind, ",".join(words))
    for top in found:
        with contextlib.suppress(OSError), open(f"{top}/cgroup.procs", "w") as file:
            file.write("0")
    isolate.unshare(isolate.CLONE_NEWNS | 0x02000000)  # CLONE_NEWCGROUP
    isolate.mount(None, "/", None, isolate.MS_REC | isolate.MS_PRIVATE)
    for top, (kind, options) in found.items():
        with contextlib.suppress(OSError):
            while True:
                isolate.umount(top)
        data = "" if kind == "cgroup2" else ("none," if options.startswith("name=") else "") + options
        isolate.mount("cgroup", top, kind, isolate.MS_NOSUID | isolate.MS_NODEV | isolate.MS_NOEXEC, data or None)
