"""An ordinary user runs bundles in a user namespace: of his own id, and with newuidmap of a range."""
import contextlib
import json
import os

from lib import isolate
from lib.bundle import rootfs
from lib.hull import SPARE_UID, equal, need, readable_copy, run, scratch


def as_user(*argv, **options):
    home = scratch("user")
    if not os.path.isdir(home):
        os.makedirs(home)
        os.chown(home, SPARE_UID, SPARE_UID)
        for path in (scratch(), os.path.dirname(scratch())):
            os.chmod(path, 0o755)
    return run(*argv, user=SPARE_UID, env={"XDG_RUNTIME_DIR": home, "HOME": home}, cwd=home, **options)


def bundle(maps=None, **process):
    """The template that `spec --rootless` writes, over the test's root."""
    need("setpriv")
    oci = [readable_copy(), "oci"]
    path = f"{scratch('user')}/config.json"
    if os.path.exists(path):
        os.unlink(path)
    as_user(*oci, "spec", "--rootless").ok()
    with open(path) as file:
        config = json.load(file)
    config["process"].update(terminal=False, **process)
    config["root"]["path"] = rootfs()
    config["linux"].update(maps or {})
    with open(path, "w") as file:
        json.dump(config, file)
    return oci


def test_a_container_of_one_s_own_id():
    oci = bundle(args=["/bin/sh", "-c", "id -u; cat /proc/self/uid_map | tr -s ' '; hostname; exit 7"])
    as_user(*oci, "run", "mine").exits(7).out_is(f"0\n 0 {SPARE_UID} 1\nhull\n")
    as_user(*oci, "list", "-q").ok().out_is("")


def test_its_life_without_a_cgroup():
    oci = bundle(args=["/bin/sleep", "600"])
    quiet = " ".join(oci) + " run -d mine >/dev/null 2>&1 </dev/null"
    as_user("sh", "-c", quiet).ok()
    try:
        as_user(*oci, "state", "mine").ok().out_contains('"running"')
        as_user(*oci, "exec", "mine", "/bin/id", "-u").ok().out_is("0\n")
        as_user(*oci, "pause", "mine").fails(1, "has no cgroup").one_line_error()
        as_user(*oci, "kill", "mine", "TERM").ok()
    finally:
        as_user(*oci, "delete", "-f", "mine").ok()


def test_limits_that_cannot_be_set_are_an_error():
    oci = bundle({"resources": {"pids": {"limit": 5}}}, args=["/bin/true"])
    as_user(*oci, "run", "mine").fails(1, "Permission denied").one_line_error()


def test_a_range_of_ids_through_newuidmap():
    need("newuidmap", "newgidmap")
    for name in ("subuid", "subgid"):
        with open(scratch(name), "w") as file:
            file.write(f"{SPARE_UID}:200000:1000\n")
    with open("/etc/passwd") as passwd, open(scratch("passwd"), "w") as file:
        file.write(passwd.read() + f"spare:x:{SPARE_UID}:{SPARE_UID}::/:/bin/sh\n")
    users = [{"containerID": 0, "hostID": SPARE_UID, "size": 1}, {"containerID": 1, "hostID": 200000, "size": 1000}]
    with contextlib.ExitStack() as mounts:
        for name in ("subuid", "subgid", "passwd"):
            isolate.mount(scratch(name), f"/etc/{name}", None, isolate.MS_BIND)
            mounts.callback(isolate.umount, f"/etc/{name}")
        oci = bundle({"uidMappings": users, "gidMappings": users}, args=["/bin/sh", "-c", "id -u; id -G; wc -l < /proc/self/uid_map"],
                     user={"uid": 5, "gid": 6, "additionalGids": [7]})
        as_user(*oci, "run", "mine").ok().out_is("5\n6 7\n2\n")
        oci = bundle({"uidMappings": [{"containerID": 0, "hostID": 300000, "size": 1}], "gidMappings": users[:1]}, args=["/bin/true"])
        as_user(*oci, "run", "mine").fails(1, "map user ids")


@contextlib.contextmanager
def own_groups():
    """A group in each hierarchy that is the user's, and one in it that his commands run in."""
    made = []
    try:
        for top in isolate.hierarchies():
            for path in (f"{top}/mine", f"{top}/mine/session"):
                os.mkdir(path)
                made.append(path)
                for name in ("cpuset.mems", "cpuset.cpus"):
                    if os.path.exists(f"{path}/{name}"):
                        with open(f"{os.path.dirname(path)}/{name}") as above, open(f"{path}/{name}", "w") as file:
                            file.write(above.read())
                for entry in [path, *[f"{path}/{name}" for name in ("cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads")]]:
                    if os.path.exists(entry):
                        os.chown(entry, SPARE_UID, SPARE_UID)
        yield
    finally:
        for path in reversed(made):
            os.rmdir(path)


def enter_own_groups():
    for top in isolate.hierarchies():
        with open(f"{top}/mine/session/cgroup.procs", "w") as file:
            file.write("0")


def test_limits_hold_where_the_groups_are_his():
    with own_groups():
        oci = bundle({"cgroupsPath": "/mine/c", "resources": {"pids": {"limit": 5}, "memory": {"limit": 64 << 20}, "cpu": {"shares": 100}}},
                     args=["/bin/sleep", "600"])
        quiet = " ".join(oci) + " run -d mine >/dev/null 2>&1 </dev/null"
        as_user("sh", "-c", quiet, preexec=enter_own_groups).ok()
        try:
            seen = {}
            for file in ("pids/mine/c/pids.max", "memory/mine/c/memory.limit_in_bytes", "cpu/mine/c/cpu.shares"):
                with open(f"/sys/fs/cgroup/{file}") as value:
                    seen[file.split("/")[0]] = value.read().strip()
            equal(seen, {"pids": "5", "memory": str(64 << 20), "cpu": "100"})
            as_user(*oci, "exec", "mine", "/bin/sh", "-c", "for i in 1 2 3 4 5 6; do sleep 1 & done", preexec=enter_own_groups).err_contains("fork")
            as_user(*oci, "update", "--pids-limit", "9", "mine").ok()
            as_user(*oci, "pause", "mine").ok()
            as_user(*oci, "state", "mine").ok().out_contains('"paused"')
            as_user(*oci, "resume", "mine").ok()
            as_user(*oci, "kill", "--all", "mine", "KILL").ok()
        finally:
            as_user(*oci, "delete", "-f", "mine").ok()
        as_user(*oci, "list", "-q").ok().out_is("")
