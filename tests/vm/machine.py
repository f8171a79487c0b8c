"""User-mode Linux with this host's root, read-only, and cgroup v2 alone: runs a script of ours in it and gives its lines."""
import os

from lib.hull import Skip, check, log, need, run, sanitized, scratch

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run
{command} 2>&1
echo o > /proc/sysrq-trigger
sleep 5
"""


def boot(command, *kernel_options, memory="512M"):
    """Every line that `command` printed. The machine is off when this returns."""
    if sanitized():
        raise Skip("AddressSanitizer cannot map its shadow in user-mode Linux")
    linux = need("linux.uml")
    init = scratch("init")
    with open(init, "w") as file:
        file.write(INIT.format(command=command))
    os.chmod(init, 0o755)
    result = run(linux, f"mem={memory}", f"uml_dir={scratch()}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null",
                 "con0=fd:0,fd:1", "quiet", *kernel_options, timeout=120)
    return result.out.splitlines()


def judged(lines):
    """For scripts that print PASS, FAIL and END."""
    passed = [line for line in lines if line.startswith("PASS")]
    log(f"{len(passed)} cases")
    check(any(line.startswith("END") for line in lines), "\n    ".join(["the cases did not run to their end:"] + lines))
    wrong = [line for line in lines if line.startswith("FAIL")]
    check(not wrong, "\n    ".join(["wrong:"] + wrong))
    return passed
