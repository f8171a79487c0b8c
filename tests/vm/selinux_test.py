"""hull oci's labels where SELinux is on (and enforces nothing): linux.mountLabel, process.selinuxLabel, exec --process-label."""
import os
import sys

from lib.hull import REPOSITORY, binary, need, run, scratch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import boot, judged  # noqa: E402


def test_labels_of_bundles():
    policy = scratch("policy")
    run(need("checkpolicy"), "-U", "allow", "-o", policy, f"{REPOSITORY}/tests/vm/selinux.conf").ok()
    judged(boot(f"python3 -B {REPOSITORY}/tests/vm/selinux_inside.py {binary()} {policy}", "security=selinux", "selinux=1", "enforcing=0"))
