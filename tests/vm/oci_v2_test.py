"""hull oci where cgroup v2 is all there is, and with AppArmor: in user-mode Linux, whose root is this host's, read-only."""
import os
import shutil

from lib.hull import REPOSITORY, Skip, binary, check, log, need, run, sanitized, scratch

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run PYTHONDONTWRITEBYTECODE=1 python3 {script} {hull} {parser} 2>&1
echo o > /proc/sysrq-trigger
sleep 5
"""


def test_bundles_on_cgroup_v2_and_under_apparmor():
    if sanitized():
        raise Skip("AddressSanitizer cannot map its shadow in user-mode Linux")
    linux = need("linux.uml")
    parser = shutil.which("apparmor_parser") or "none"
    init = scratch("init")
    with open(init, "w") as file:
        file.write(INIT.format(script=f"{REPOSITORY}/tests/vm/oci_inside.py", hull=binary(), parser=parser))
    os.chmod(init, 0o755)
    result = run(linux, "mem=512M", f"uml_dir={scratch()}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null",
                 "con0=fd:0,fd:1", "security=apparmor", "apparmor=1", "quiet", timeout=120)
    lines = result.out.splitlines()
    log(f"{sum(line.startswith('PASS') for line in lines)} cases, apparmor_parser: {parser}")
    check(any(line.startswith("END") for line in lines), f"the cases did not run to their end: {result}")
    check(parser == "none" or any(line.startswith("PASS the profile holds") for line in lines), f"AppArmor must be tried: {lines}")
    wrong = [line for line in lines if line.startswith("FAIL")]
    check(not wrong, "\n    ".join(["wrong on cgroup v2:"] + wrong))
