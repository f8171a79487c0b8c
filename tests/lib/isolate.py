"""A private world for one test worker: its own pid, mount, network and ipc namespaces, fresh /proc, private tmpfs on
the scratch directories, and a cgroup subtree of its own in every hierarchy. Everything a test can leave behind is
then visible from inside, and nothing that other users of the machine do can be mistaken for it. Called by
lib/worker.py alone; `tests/run --host` goes without.
"""
import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

SCRATCH = ("/tmp", "/var/tmp", "/run", "/dev/shm", "/var/lib/hull")
CGROUPS = "/sys/fs/cgroup"


def _check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def unshare(flags):
    _check(libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source, target, kind=None, flags=0, data=None):
    encode = lambda text: text.encode() if text is not None else None
    _check(libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)),
           f"mount {kind or source} on {target}")


def umount(target, flags=MNT_DETACH):
    _check(libc.umount2(target.encode(), ctypes.c_int(flags)), f"umount {target}")


def prctl(option, value):
    _check(libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), 0, 0, 0), "prctl")


def set_signals(ignored, numbers=range(1, 65)):
    """Ignore these signals or take the default for them, by the kernel's own call: the C library keeps 32 and 33 back."""
    action = (ctypes.c_ulong * 4)(int(ignored), 0, 0, 0)
    for number in numbers:
        libc.syscall(ctypes.c_long(13 if os.uname().machine == "x86_64" else 134), ctypes.c_int(number), action, None, ctypes.c_ulong(8))


def hierarchies():
    """Mount points of every cgroup hierarchy, as this process sees them."""
    found = []
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields = line.split()
            if fields[fields.index("-") + 1] in ("cgroup", "cgroup2") and fields[4] not in found:
                found.append(fields[4])
    return found


def make_cgroups(name):
    """Directories <hierarchy>/<name>, usable by children. The caller removes them with remove_cgroups."""
    made = []
    for top in hierarchies():
        path = f"{top}/{name}"
        try:
            os.mkdir(path)
        except OSError:
            continue
        made.append(path)
        for knob in ("cpuset.cpus", "cpuset.mems"):  # an empty v1 cpuset takes no process
            if os.path.exists(f"{path}/{knob}") and os.path.exists(f"{path}/tasks"):
                with open(f"{os.path.dirname(path)}/{knob}") as source, open(f"{path}/{knob}", "w") as target:
                    target.write(source.read())
    return made


def remove_cgroups(paths):
    for path in paths:
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


def enter_world(cgroup_paths, keep):
    """In the worker, before its first fork: mounts become private, scratch directories empty. `keep` is a directory
    (the checkout) that stays visible even if it lies under one of them."""
    unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    with open("/proc/self/mountinfo") as mounts:  # what somebody keeps on this host is not in this world
        for point in [line.split()[4] for line in mounts if " - nsfs " in line]:
            umount(point.encode().decode("unicode_escape"))
    kept = os.open(keep, os.O_PATH)
    for folder in SCRATCH:
        os.makedirs(folder, exist_ok=True)
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV if folder == "/dev/shm" else 0,
              "mode=0755" if folder in ("/run", "/var/lib/hull") else "mode=1777")
    if not os.path.isdir(keep):
        os.makedirs(keep)
        mount(f"/proc/self/fd/{kept}", keep, None, MS_BIND | MS_REC)
        os.chdir(keep + "/tests")
    os.close(kept)
    for path in cgroup_paths:
        mount(path, os.path.dirname(path), None, MS_BIND)
    _loopback_up()


def mount_proc():
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _loopback_up():
    import fcntl
    import socket
    import struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING


def die_with_parent():
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
