"""A full disk: the command fails in one line, nothing half-written stays, and the same command works once there is room."""
import os

from lib import isolate
from lib.hull import Skip, check, equal, hull, scratch


def small_disk(size):
    path = scratch("small")
    os.makedirs(path, exist_ok=True)
    isolate.mount("tmpfs", path, "tmpfs", 0, f"size={size},mode=0700")
    return path


def remount(path, size):
    isolate.mount("tmpfs", path, "tmpfs", isolate.MS_REMOUNT, f"size={size},mode=0700")


def used(path):
    stat = os.statvfs(path)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


def test_an_image_that_does_not_fit_leaves_nothing_and_loads_later():
    path = small_disk("1500k")
    env = {"HULL_ROOT": f"{path}/root"}
    try:
        hull("images", env=env).ok()
        before = used(path)
        result = hull("run", "--rm", "--net=none", "busybox", "true", env=env)
        result.fails(125).one_line_error()
        check("space" in result.err.lower(), f"the message does not speak of space: {result}")
        hull("images", "-q", env=env).ok().out_is("")
        check(used(path) - before <= 128 * 1024, f"{used(path) - before} bytes stay used")
        remount(path, "64m")
        hull("run", "--rm", "--net=none", "busybox", "echo", "works", env=env).ok().out_is("works\n")
    finally:
        isolate.umount(path)


def test_a_record_that_does_not_fit_is_not_half_written():
    path = small_disk("64m")
    env = {"HULL_ROOT": f"{path}/root"}
    try:
        hull("run", "--rm", "--net=none", "busybox", "true", env=env).ok()
        with open(f"{path}/filler", "wb") as filler:
            try:
                while True:
                    filler.write(bytes(65536))
                    filler.flush()
            except OSError:
                pass
        result = hull("run", "-d", "--name=cc", "--net=none", "busybox", "sleep", "60", env=env)
        result.fails(125).one_line_error()
        os.unlink(f"{path}/filler")
        equal(hull("ps", "-aq", env=env).ok().out, "", "containers after a start on a full disk")
        hull("run", "--rm", "--name=cc", "--net=none", "busybox", "echo", "works", env=env).ok().out_is("works\n")
    finally:
        isolate.umount(path)
