"""hull oci where cgroup v2 is all there is, and with AppArmor."""
import os
import shutil
import sys

from lib.hull import REPOSITORY, binary, check, scratch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import boot, judged  # noqa: E402


def test_bundles_on_cgroup_v2_and_under_apparmor():
    parser = shutil.which("apparmor_parser") or "none"
    disk = scratch("disk")
    with open(disk, "wb") as file:
        file.truncate(16 << 20)
    passed = judged(boot(f"python3 -B {REPOSITORY}/tests/vm/oci_inside.py {binary()} {parser}", f"ubd0={disk}", "security=apparmor", "apparmor=1"))
    check(parser == "none" or any(line.startswith("PASS the profile holds") for line in passed), f"AppArmor must be tried: {passed}")
