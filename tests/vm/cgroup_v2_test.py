"""cgroup v2 alone, as on a current distribution: the control groups' unit tests run inside user-mode Linux, whose kernel
mounts nothing but cgroup2 (cpu, io, memory, pids). Its root is this host's, read-only."""
import os

from lib.hull import Skip, build_directory, check, need, run, sanitized, scratch

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
{program} --gtest_color=no --gtest_filter='*OnThisHost*/v2:DefaultSeccomp.TheKernel*' 2>&1
echo "groups left: $(find /sys/fs/cgroup -mindepth 1 -name 'hull*')."
echo o > /proc/sysrq-trigger
sleep 5
"""


def test_groups_work_where_v2_is_all_there_is():
    if sanitized():
        raise Skip("AddressSanitizer cannot map its shadow in user-mode Linux")
    linux = need("linux.uml")
    program = f"{build_directory()}/hull_unit_tests"
    if not os.access(program, os.X_OK):
        raise Skip("hull_unit_tests is not built")
    init = scratch("init")
    with open(init, "w") as file:
        file.write(INIT.format(program=program))
    os.chmod(init, 0o755)
    result = run(linux, "mem=256M", f"uml_dir={scratch()}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
                 f"init={init}", "con=null", "con0=fd:0,fd:1", "quiet", timeout=60)
    check("[  PASSED  ]" in result.out, f"the tests did not run: {result}")
    check("FAILED" not in result.out, f"a test failed on cgroup v2: {result}")
    check("OK ] CgroupsOnThisHost.LimitsAreSetReadBackAndRaised/v2" in result.out, "limits must be tested, not skipped")
    check("groups left: ." in result.out, f"groups were left behind: {result}")
