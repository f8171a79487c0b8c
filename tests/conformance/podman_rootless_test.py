"""podman as an ordinary user over `hull-oci`, with a range of ids from newuidmap, and the same beside it over runc."""
import contextlib
import os
import subprocess

from lib import isolate
from lib.bundle import enter_cgroup_world, sweep_parent
from lib.hull import SPARE_UID, busybox_rootfs, check, equal, need, readable_copy, run, scratch


@contextlib.contextmanager
def a_user_with_ids():
    """SPARE_UID as a named user with 1000 ids more, in this world's mounts alone; yields his home."""
    need("podman", "conmon", "newuidmap", "newgidmap", "runc")
    home = scratch("home")
    os.makedirs(home)
    os.chown(home, SPARE_UID, SPARE_UID)
    for path in (scratch(), os.path.dirname(scratch())):
        os.chmod(path, 0o755)
    for name in ("subuid", "subgid"):
        with open(scratch(name), "w") as file:
            file.write("spare:200000:1000\n")
    with open("/etc/passwd") as passwd, open(scratch("passwd"), "w") as file:
        file.write(passwd.read() + f"spare:x:{SPARE_UID}:{SPARE_UID}::{home}:/bin/sh\n")
    with contextlib.ExitStack() as mounts:
        for name in ("subuid", "subgid", "passwd"):
            isolate.mount(scratch(name), f"/etc/{name}", None, isolate.MS_BIND)
            mounts.callback(isolate.umount, f"/etc/{name}")
        yield home


def podman(home, *argv, runtime, **options):
    path = f"{home}/containers.conf"
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write('[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = "cgroupfs"\n')
    words = ["podman", "--root", f"{home}/root", "--runroot", f"{home}/run", "--tmpdir", f"{home}/tmp", "--cgroup-manager", "cgroupfs",
             "--storage-driver", "vfs", "--events-backend", "file", "--runtime", runtime]
    env = {"XDG_RUNTIME_DIR": home, "HOME": home, "TMPDIR": home, "CONTAINERS_CONF": path, "USER": "spare"}
    return run(*words, *argv, env=env, timeout=60, user=SPARE_UID, cwd=home, **options)


def hull_oci():
    path = f"{os.path.dirname(readable_copy())}/hull-oci"
    if not os.path.islink(path):
        os.symlink(readable_copy(), path)
    return path


@contextlib.contextmanager
def engine():
    """Yields podman's caller: the runtime first, then podman's words."""
    with a_user_with_ids() as home:
        tar = f"{home}/rootfs.tar"
        subprocess.run(["tar", "-C", busybox_rootfs(), "-cf", tar, "."], check=True)
        os.chmod(tar, 0o644)
        call = lambda runtime, *argv, **options: podman(home, *argv, runtime=runtime, **options)  # noqa: E731
        call(hull_oci(), "import", tar, "busybox").ok()
        try:
            yield call
        finally:
            call(hull_oci(), "rm", "-af", "-t", "0")
            call(hull_oci(), "system", "migrate")  # ends the process that holds the user namespace
            sweep_parent(files=[f"/dev/shm/libpod_rootless_lock_{SPARE_UID}"])


RUN = ("run", "--rm", "--network", "none")
SAME = (
    ("busybox", "echo", "hello"),
    ("busybox", "sh", "-c", "exit 7"),
    ("busybox", "nosuch"),
    ("busybox", "/etc"),
    ("busybox", "cat", "/proc/self/uid_map"),
    ("-u", "12:34", "busybox", "id"),
    ("--userns=keep-id", "busybox", "id", "-u"),
    ("--hostname", "h1", "busybox", "hostname"),
    ("--read-only", "busybox", "touch", "/x"),
    ("--tmpfs", "/t:size=1m", "busybox", "sh", "-c", "df -k /t | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("--cap-drop=all", "busybox", "grep", "Cap", "/proc/self/status"),
    ("--security-opt=no-new-privileges", "busybox", "grep", "NoNewPrivs", "/proc/self/status"),
    ("busybox", "sh", "-c", "touch /made && stat -c %u /made && ls /dev"),
)


def test_run_ends_alike_under_hull_and_runc():
    with engine() as call:
        different = []
        for words in SAME:
            ours, theirs = (call(runtime, *RUN, *words, preexec=enter_cgroup_world) for runtime in (hull_oci(), need("runc")))
            if (ours.code, ours.out) != (theirs.code, theirs.out):
                different.append(f"{' '.join(words)}:\n  hull: {ours.code} {ours.out!r} {ours.err!r}\n  runc: {theirs.code} {theirs.out!r} {theirs.err!r}")
        check(not different, "\n".join(different))


def test_a_container_s_life():
    with engine() as call:
        mine = lambda *argv: call(hull_oci(), *argv)  # noqa: E731
        mine("run", "-d", "--network", "none", "--name", "web", "busybox", "/bin/sleep", "600").ok()
        equal(mine("inspect", "-f", "{{.State.Status}}", "web").ok().line, "running")
        mine("exec", "web", "/bin/sh", "-c", "id -u; exit 9").exits(9).out_is("0\n")
        mine("exec", "-u", "7", "-w", "/tmp", "web", "/bin/sh", "-c", "id -u; pwd").ok().out_is("7\n/tmp\n")
        mine("kill", "web").ok()
        mine("wait", "web").ok().out_is("137\n")
        mine("start", "web").ok()
        mine("stop", "-t", "0", "web").ok()
        mine("rm", "web").ok()
