"""hull run and its companions where cgroup v2 is all there is, on Linux 6.1 and ext4."""
import os
import sys

from lib.hull import REPOSITORY, binary, need, run, scratch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import boot, judged  # noqa: E402


def test_the_engine_on_cgroup_v2():
    disk = scratch("disk")
    with open(disk, "wb") as file:
        file.truncate(64 << 20)
    run(need("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal", disk).ok()
    prepare = "mknod /run/ubda b 98 0; mkdir /run/disk; mount -t ext4 /run/ubda /run/disk; "
    judged(boot(f"{prepare} HULL_ROOT=/run/disk/hull python3 -B {REPOSITORY}/tests/vm/run_inside.py {binary()}", f"ubd0={disk}"))
