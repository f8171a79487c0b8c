"""Full disks and full tables: a clear error, nothing left, and the next command works."""
import os
import resource
import signal

from lib import isolate
from lib.bundle import bundle, command, container, oci, quiet_oci, state
from lib.hull import check, contains, equal, eventually, hull, log, run, scratch

PAGE = 4096


def full_root(pages):
    """A --root of so many pages."""
    path = scratch("oci-state")
    os.makedirs(path, exist_ok=True)
    isolate.mount("tmpfs", path, "tmpfs", 0, f"size={pages * PAGE},nr_inodes={2 + 2 * pages}")
    return path


def test_a_state_directory_that_is_full():
    path, outcomes = bundle(), []
    for pages in range(1, 9):
        root = full_root(pages)
        try:
            code, text = quiet_oci("create", "-b", path, "x")
            outcomes.append(code)
            if code == 0:
                equal(state("x")["status"], "created")
                oci("delete", "-f", "x").ok()
            else:
                contains(text, "No space left on device")
                equal(text.count("\n"), 0, "one line")
            equal(os.listdir(root), [], f"left with {pages} pages: {text}")
            oci("list", "-q").ok().out_is("")
        finally:
            isolate.umount(root)
    check(outcomes[0] != 0 and outcomes[-1] == 0, f"the least must fail and the most work: {outcomes}")
    log(f"{outcomes.count(0)} of {len(outcomes)} sizes are enough")


def test_a_full_state_directory_does_not_hold_a_container_up():
    """It starts, is paused, ends and is deleted without a byte to write."""
    root = full_root(64)
    try:
        with container(start=False) as name:
            with open(f"{root}/filler", "wb") as file:
                try:
                    file.write(b"x" * (64 * PAGE))
                    file.flush()
                except OSError:
                    pass
            oci("start", name).ok()
            oci("exec", name, "/bin/true").ok()
            oci("pause", name).ok()
            oci("resume", name).ok()
            oci("kill", name, "KILL").ok()
            eventually(lambda: state(name)["status"] == "stopped")
            oci("delete", name).ok()
            equal(os.listdir(root), ["filler"])
    finally:
        isolate.umount(root)


def limited(which, value):
    return lambda: resource.setrlimit(which, (value, resource.getrlimit(which)[1]))


def test_a_limit_of_open_files_that_is_too_low_is_told_before_anything_is_made():
    path = bundle({"process": {"args": ["/bin/true"]}})
    for count in (8, 20, 128, 191):  # a sanitizer's own reports need a few, too
        low = limited(resource.RLIMIT_NOFILE, count)
        oci("run", "-b", path, "x", preexec=low).fails(1, f"the limit of open files is {count}, and 192 are needed; raise it: ulimit -n 1024")
        hull("run", "--rm", "--net=none", "busybox", "true", preexec=low).fails(125, "the limit of open files")
        equal((oci("list", "-q").ok().out, hull("ps", "-aq").ok().out), ("", ""), f"left with {count} descriptors")
    with container() as name:
        oci("exec", name, "/bin/true", preexec=limited(resource.RLIMIT_NOFILE, 9)).fails(255, "the limit of open files")
    for count in (192, 300):
        oci("run", "-b", path, "x", preexec=limited(resource.RLIMIT_NOFILE, count)).ok()
        hull("run", "--rm", "--net=none", "busybox", "true", preexec=limited(resource.RLIMIT_NOFILE, count)).ok()


def test_files_that_may_not_grow():
    """RLIMIT_FSIZE with SIGXFSZ ignored, as under some supervisors: EFBIG."""
    def preexec():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    result = oci("run", "-b", bundle({"process": {"args": ["/bin/true"]}}), "x", preexec=preexec)
    check(result.code == 1 and "File too large" in result.err and result.err.count("\n") == 1, str(result))
    equal(oci("list", "-q").ok().out, "")


def test_no_process_may_be_made():
    """The pids limit of the caller's own group is reached."""
    group = "/sys/fs/cgroup/pids/full"
    os.mkdir(group)
    try:
        for limit in range(1, 4):
            with open(f"{group}/pids.max", "w") as file:
                file.write(str(limit))

            def enter():
                with open(f"{group}/cgroup.procs", "w") as procs:
                    procs.write("0")
            result = oci("run", "-b", bundle({"process": {"args": ["/bin/true"]}}), "x", preexec=enter)
            check(result.code == 0 or ("Resource temporarily unavailable" in result.err and result.err.count("\n") == 1), f"{limit}: {result}")
            equal(oci("list", "-q").ok().out, "")
            if limit == 1:
                check(result.code != 0, "one process makes no other")
    finally:
        os.rmdir(group)


def test_no_namespace_may_be_made():
    """user.max_…_namespaces of the caller's own user namespace is reached: ENOSPC."""
    path = bundle({"process": {"args": ["/bin/true"]}}, {"linux": {"cgroupsPath": None}})
    for kind in ("net", "uts", "mnt", "ipc", "pid", "cgroup"):
        words = f"echo 0 > /proc/sys/user/max_{kind}_namespaces && exec {' '.join(command())} run -b {path} x"
        result = run("unshare", "--user", "--map-root-user", "sh", "-c", words)
        check(result.code == 1 and "max_*_namespaces" in result.err and result.err.count("\n") == 1, f"{kind}: {result}")
        equal(oci("list", "-q").ok().out, "")
