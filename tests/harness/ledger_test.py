"""The harness tests itself: what a test leaves behind must be seen, and a clean test must pass."""
import os
import subprocess
import time

from lib import isolate, ledger
from lib.hull import Failure, Skip, check, equal, eventually, run, scratch

DIRECTORY = lambda: os.path.dirname(scratch())


def _seen(before, word):
    lines = ledger.compare(before, True, (DIRECTORY(),), 0)
    check(any(word in line for line in lines), f"the ledger did not see {word!r}: {lines}")


def _isolated():
    if os.getpid() != 1:
        raise Skip("--host: the ledger is not exact there")


def test_a_left_process_is_seen():
    _isolated()
    before = ledger.snapshot(True, (DIRECTORY(),))
    child = subprocess.Popen(["setsid", "sleep", "77"])
    try:
        eventually(lambda: any("sleep 77" in line for line in ledger.difference(before, ledger.processes(True))))
    finally:
        child.kill()
        child.wait()


def test_an_orphan_is_reaped_by_the_worker():
    _isolated()
    run("sh", "-c", "sleep 0.05 & exit 0").ok()


def test_a_left_mount_is_seen():
    _isolated()
    before = ledger.snapshot(True, (DIRECTORY(),))
    target = scratch("mnt")
    os.mkdir(target)
    isolate.mount("tmpfs", target, "tmpfs")
    try:
        _seen(before, "mount tmpfs")
    finally:
        isolate.umount(target)


def test_a_left_cgroup_is_seen():
    _isolated()
    before = ledger.snapshot(True, (DIRECTORY(),))
    top = isolate.hierarchies()[0]
    os.mkdir(f"{top}/left")
    try:
        _seen(before, f"cgroup {top}/left")
    finally:
        os.rmdir(f"{top}/left")


def test_a_left_file_is_seen():
    _isolated()
    before = ledger.snapshot(True, (DIRECTORY(),))
    with open("/dev/shm/left", "w"):
        pass
    try:
        _seen(before, "file /dev/shm/left")
    finally:
        os.unlink("/dev/shm/left")


def test_a_left_namespace_and_link_are_seen():
    _isolated()
    before = ledger.snapshot(True, (DIRECTORY(),))
    child = subprocess.Popen(["unshare", "--net", "sleep", "77"])
    try:
        eventually(lambda: any("namespace net" in line for line in ledger.difference(before, ledger.namespaces(True))))
    finally:
        child.kill()
        child.wait()


def test_an_ordinary_user_has_no_capabilities():
    status = run("cat", "/proc/self/status", user=61234).ok()
    status.out_matches(r"^Uid:\s+61234\s+61234\s+61234\s+61234$").out_matches(r"^CapEff:\s+0000000000000000$")


def test_each_test_has_a_directory_of_its_own():
    check(os.listdir(scratch()) == [], "the scratch directory is not empty")
    equal(os.stat(scratch()).st_uid, 0)
