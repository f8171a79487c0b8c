"""hull oci --systemd-cgroup where systemd is PID 1, beside runc."""
import os
import shutil
import sys

from lib.hull import REPOSITORY, Skip, binary, log, scratch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import boot, judged  # noqa: E402

SYSTEMD = "/lib/systemd/systemd"
UNITS = {
    "default.target": "[Unit]\nDescription=tests\nWants=tests.service\n",
    "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\n"
                    "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n",
    "tests.service": "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nTimeoutStartSec=90\nExecStart=/bin/sh {script}\n"
                     "ExecStopPost=/bin/sh -c 'echo o > /proc/sysrq-trigger; sleep 5'\n",
}


def test_groups_made_by_systemd():
    if not os.path.exists(SYSTEMD):
        raise Skip(f"{SYSTEMD} is not installed")
    units, script = scratch("units"), scratch("script")
    os.mkdir(units)
    for name, text in UNITS.items():
        with open(os.path.join(units, name), "w") as file:
            file.write(text.format(script=script))
    with open(script, "w") as file:
        file.write(f"exec >/dev/console 2>&1\npython3 -B {REPOSITORY}/tests/vm/oci_systemd_inside.py {binary()} {shutil.which('runc') or 'none'}\n")
    # init goes on as systemd: what follows the command in the script of machine.py is never reached.
    lines = boot(f"SYSTEMD_UNIT_PATH={units}:/run/systemd/transient exec {SYSTEMD} --log-target=console --show-status=0 --log-level=warning", memory="768M")
    judged(lines)
    for line in lines:
        if line.startswith("NOTE"):
            log(line)
