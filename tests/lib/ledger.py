"""The leak ledger: a snapshot of everything a test could leave behind, and the difference of two of them.

Inside a worker's private world (lib/isolate.py) every process, mount, cgroup, link and scratch file is the test's own,
so the comparison is exact. Kernel clean-up is partly asynchronous: the difference is polled for up to two seconds.
"""
import os
import time

from . import isolate

SYSCTLS = ("kernel/hostname", "kernel/domainname", "kernel/core_pattern", "kernel/ns_last_pid",
           "net/ipv4/ip_forward", "net/ipv4/ping_group_range", "net/ipv4/ip_unprivileged_port_start",
           "kernel/shmmax", "kernel/msgmax", "fs/mqueue/msg_max", "user/max_user_namespaces", "vm/overcommit_memory")
SYSCTLS = tuple(name for name in SYSCTLS if name != "kernel/ns_last_pid")
KINDS = ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time")


def _read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def own_tree():
    """This process, its ancestors and its descendants' root: used with --host, where others share the machine."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _read(f"/proc/{entry}/stat")
            if stat:
                parents[int(entry)] = int(stat.rsplit(")", 1)[1].split()[1])
    mine, grown = {os.getpid()}, True
    while grown:
        grown = False
        for pid, parent in parents.items():
            if parent in mine and pid not in mine:
                mine.add(pid)
                grown = True
    return mine


def reap():
    """Collect orphans that were re-parented to us. Children that subprocess still waits for are left to it."""
    import subprocess
    waited_for = {child.pid for child in getattr(subprocess, "_active", [])}
    for pid in _zombies():
        if pid not in waited_for and pid not in KNOWN_CHILDREN:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


KNOWN_CHILDREN = set()  # pids started by lib/hull.py and not yet waited for


def _zombies():
    me = os.getpid()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _read(f"/proc/{entry}/stat").rsplit(")", 1)
            if len(fields) == 2 and fields[1].split()[0] == "Z" and int(fields[1].split()[1]) == me:
                yield int(entry)


def processes(isolated):
    reap()
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    if not isolated:
        mine = own_tree()
        pids = [pid for pid in pids if pid in mine]
    found = {}
    for pid in pids:
        if pid == os.getpid():
            continue
        stat = _read(f"/proc/{pid}/stat")
        if not stat:
            continue
        state, parent = stat.rsplit(")", 1)[1].split()[:2]
        command = _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() or stat[stat.index("("):stat.rindex(")") + 1]
        found[f"process {pid} (parent {parent}, state {state}): {command[:120]}"] = 1
    return found


def mounts():
    found = {}
    for line in _read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        tail = fields.index("-")
        found_key = f"mount {fields[tail + 1]} {fields[tail + 2]} {fields[3]} on {fields[4]}"
        found[found_key] = found.get(found_key, 0) + 1
    return found


def namespaces(isolated):
    """Distinct namespaces held by processes, threads aside; those held by mounts show up as nsfs mounts."""
    pids = own_tree() if not isolated else [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    held = set()
    for pid in pids:
        for kind in KINDS:
            try:
                held.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                pass
    return {f"namespace {name}": 1 for name in held}


def cgroups(isolated):
    found = {}
    for top in isolate.hierarchies():
        for folder, children, _ in os.walk(top):
            if not isolated and folder == top:
                children[:] = [child for child in children if "hull" in child]
            for child in children:
                found[f"cgroup {os.path.join(folder, child)}"] = 1
    return found


def links():
    found = {f"link {line.split(':')[0].strip()}": 1 for line in _read("/proc/net/dev").splitlines()[2:]}
    found.update({f"route {line}": 1 for line in _read("/proc/net/route").splitlines()[1:]})
    return found


def sockets():
    listening = {}
    for line in _read("/proc/net/unix").splitlines()[1:]:
        fields = line.split()
        if len(fields) == 8 and int(fields[3], 16) & 0x10000:
            listening[f"listening unix socket {fields[7]}"] = 1
    return listening


def shared_memory():
    found = {}
    for kind in ("shm", "msg", "sem"):
        for line in _read(f"/proc/sysvipc/{kind}").splitlines()[1:]:
            found[f"sysvipc {kind} {line.split()[1]}"] = 1
    return found


def files(isolated, ignore):
    found = {}
    for top in isolate.SCRATCH if isolated else ("/run/hull", "/dev/shm"):
        device = os.stat(top).st_dev if os.path.isdir(top) else None
        for folder, children, names in os.walk(top):
            if any(folder == skip or folder.startswith(skip + "/") for skip in ignore):
                children[:] = []
                continue
            children[:] = [c for c in children if _same_device(os.path.join(folder, c), device)]
            for name in names + children:
                path = os.path.join(folder, name)
                if path not in ignore:
                    found[f"file {path}"] = 1
    return found


def _same_device(path, device):
    try:
        return os.lstat(path).st_dev == device
    except OSError:
        return False


def sysctls():
    return {f"sysctl {name} = {_read('/proc/sys/' + name).strip()}": 1 for name in SYSCTLS}


def snapshot(isolated, ignore=()):
    taken = {}
    for part in (processes(isolated), mounts(), namespaces(isolated), cgroups(isolated), links(), sockets(),
                 shared_memory(), files(isolated, ignore), sysctls()):
        taken.update(part)
    return taken


def difference(before, after):
    lines = [f"left behind: {key}" for key, n in after.items() if n > before.get(key, 0)]
    # A process (and what it alone held) that ended meanwhile was ending: a shim outlives `run --rm` by a moment.
    lines += [f"gone: {key}" for key, n in before.items() if n > after.get(key, 0) and not key.startswith(("process", "namespace"))]
    return sorted(lines)


def compare(before, isolated, ignore=(), seconds=2.0):
    """[] if the world equals `before` within `seconds`, else one line per difference."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        lines = difference(before, snapshot(isolated, ignore))
        if not lines or time.monotonic() > deadline:
            return lines
        time.sleep(pause)
        pause = min(pause * 2, 0.1)
