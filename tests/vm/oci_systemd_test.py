"""hull oci --systemd-cgroup where systemd is PID 1: the system's, beside runc, an ordinary user's, and on hybrid cgroups."""
import os
import shutil
import sys

from lib.hull import REPOSITORY, Skip, binary, compiled, log, need, scratch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import boot, judged  # noqa: E402

SYSTEMD = "/lib/systemd/systemd"
UNITS = {
    "default.target": "[Unit]\nDescription=tests\nWants=tests.service\n",
    "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\n"
                    "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n",
    "user@1000.service": "[Unit]\nDefaultDependencies=no\n[Service]\nUser=1000\nType=notify\nSlice=user-1000.slice\nDelegate=pids memory\n"
                         "Environment=XDG_RUNTIME_DIR=/run/user/1000 HOME=/run/user/1000 SYSTEMD_UNIT_PATH={units}:/run/user/1000/systemd/transient\n"
                         f"ExecStart={SYSTEMD} --user --unit=none.target\n",
    "none.target": "[Unit]\nDescription=nothing\n",
    "tests.service": "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nTimeoutStartSec=90\nExecStart=/bin/sh {script}\n"
                     "ExecStopPost=/bin/sh -c 'echo o > /proc/sysrq-trigger; sleep 5'\n",
}


def cases(script, before="", *words):
    """Boots systemd, which runs the script with the binary and `words` as its one service; what the script printed."""
    if not os.path.exists(SYSTEMD):
        raise Skip(f"{SYSTEMD} is not installed")
    units, service = scratch("units"), scratch("service")
    os.mkdir(units)
    for name, text in UNITS.items():
        with open(os.path.join(units, name), "w") as file:
            file.write(text.format(script=service, units=units))
    with open(service, "w") as file:
        file.write(f"exec >/dev/console 2>&1\npython3 -B {REPOSITORY}/tests/vm/{script} {binary()} {' '.join(words)}\n")
    # init goes on as systemd: what follows the command in the script of machine.py is never reached.
    lines = boot(f"{before} SYSTEMD_UNIT_PATH={units}:/run/systemd/transient exec {SYSTEMD} --log-target=console --show-status=0 --log-level=warning", memory="768M")
    judged(lines)
    return lines


def test_units_are_named_as_runc_names_them():
    for line in cases("oci_systemd_inside.py", "", shutil.which("runc") or "none", "names", "none"):
        if line.startswith("NOTE"):
            log(line)


def test_limits_and_life_of_a_unit():
    cases("oci_systemd_inside.py", "", "none", "life", "none")


def test_each_way_to_an_end_leaves_no_unit():
    cases("oci_systemd_inside.py", "", "none", "steps", compiled("oci/notify.c", "-static"))


def test_groups_made_by_an_ordinary_user_s_systemd():
    cases("oci_systemd_user_inside.py")


def test_groups_made_by_systemd_on_hybrid_cgroups():
    cases("oci_systemd_hybrid_inside.py", "umount /sys/fs/cgroup; SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0")


def test_containerd_with_the_systemd_driver():
    need("containerd", "ctr")
    cases("oci_systemd_containerd_inside.py")
