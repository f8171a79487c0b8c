"""cgroup v2 alone, as on a current distribution: the control groups' unit tests, where the kernel mounts nothing but cgroup2
(cpu, io, memory, pids)."""
import os
import sys

from lib.hull import Skip, build_directory, check

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import boot  # noqa: E402


def test_groups_work_where_v2_is_all_there_is():
    program = f"{build_directory()}/hull_unit_tests"
    if not os.access(program, os.X_OK):
        raise Skip("hull_unit_tests is not built")
    out = "\n".join(boot(f"{program} --gtest_color=no --gtest_filter='*OnThisHost*/v2:DefaultSeccomp.TheKernel*'; "
                         "echo \"groups left: $(find /sys/fs/cgroup -mindepth 1 -name 'hull*').\"", memory="256M"))
    check("[  PASSED  ]" in out, f"the tests did not run: {out}")
    check("FAILED" not in out, f"a test failed on cgroup v2: {out}")
    check("OK ] CgroupsOnThisHost.LimitsAreSetReadBackAndRaised/v2" in out, "limits must be tested, not skipped")
    check("groups left: ." in out, f"groups were left behind: {out}")
