"""What of the kernel a container's root finds open by default: files of /proc and /sys, keys, set-user-ID programs; and
what of hull's own directories the host's other users do. Each has its control, where the same look finds something."""
import ctypes
import os
import shutil
import time

from lib.hull import busybox_rootfs, check, compiled, contains, equal, hull, hull_root, hull_run, run, scratch, start_container

# Kernel files whose content tells of the host, or costs it (CVE-2020-8694, CVE-2015-3630, CVE-2018-10892, GHSA-6fw5-f8r9-fgfm).
CLOSED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats", "/proc/interrupts", "/proc/acpi", "/proc/asound",
          "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap")


def inside(*options, program=("/surface",), way=()):
    path = compiled("security/surface.c", "-static")
    return hull("run", "--rm", "--net=none", "-v", f"{path}:/surface:ro", *options, "busybox", *program, *way)


def test_no_file_of_proc_or_sys_can_be_written():
    for top in ("/proc", "/sys"):
        found = inside(way=("writable", top)).ok().out.splitlines()
        # A trigger of one's own, gone when it is closed: Documentation/accounting/psi.rst.
        equal([path for path in found if not path.startswith("/proc/pressure/")], [], "writable files")
    contains(inside("--privileged", way=("writable", "/proc/sys/kernel")).ok().out, "/proc/sys/kernel/", "the control")


def test_files_that_tell_of_the_host_are_empty():
    script = "; ".join(f"[ ! -e {path} ] || [ -z \"$(cat {path} 2>/dev/null | head -c1)$(ls {path}/ 2>/dev/null)\" ] || echo {path}" for path in CLOSED)
    inside(program=("sh", "-c", script)).ok().out_is("")
    contains(inside("--privileged", program=("sh", "-c", script)).ok().out, "/proc/", "the control")


def test_keys_of_the_host_and_of_others_are_not_there():
    libc = ctypes.CDLL(None, use_errno=True)
    add_key, keyctl, session = 248, 250, -3
    libc.syscall.restype = ctypes.c_long
    check(libc.syscall(keyctl, 1, None) > 0, "a session keyring of the test's own")
    name = b"hull-surface-test"
    key = libc.syscall(add_key, b"user", name, b"secret", 6, session)
    check(key > 0, f"add_key: {os.strerror(ctypes.get_errno())}")
    program = compiled("security/surface.c", "-static")
    contains(run(program, "keys", key, name.decode()).ok().out, "read by number", "the control")
    equal(inside(way=("keys", str(key), name.decode())).ok().out, "no keys here: Operation not permitted\n")
    inside("--security-opt=seccomp=unconfined", way=("keys", str(key), name.decode())).ok().out_is("")


def test_set_user_id_programs_gain_nothing_without_new_privileges():
    root = busybox_rootfs(scratch("setuid"))
    shutil.copy(compiled("security/surface.c", "-static"), f"{root}/bin/whoami-really")
    os.chmod(f"{root}/bin/whoami-really", 0o4755)
    words = (f"--rootfs={root}", "/bin/whoami-really", "identity")
    hull("run", "--rm", "--net=none", "--user=1000", *words).ok().out_is("1000 0\n")
    for option in ("no-new-privileges", "no-new-privileges:true"):
        hull("run", "--rm", "--net=none", "--user=1000", f"--security-opt={option}", *words).ok().out_is("1000 1000\n")


def open_to_others():
    """What another user of the host finds below hull's directories: entries that he may list or read."""
    script = "import os, sys\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\nfor top in sys.argv[1:]:\n" \
             " for folder, folders, files in os.walk(top):\n  [print(os.path.join(folder, name)) for name in folders + files if os.access(os.path.join(folder, name), os.R_OK)]\n" \
             " for path in os.environ['PATHS'].split('\\n'):\n  if path and os.access(path, os.R_OK | os.X_OK): print('by name', path)\n"
    paths = [os.path.join(folder, name) for top in (hull_root(), hull_run()) for folder, folders, files in os.walk(top) for name in folders + files]
    return run("python3", "-c", script, hull_root(), hull_run(), env={"PATHS": "\n".join(paths)}).ok().out.splitlines(), len(paths)


def test_other_users_of_the_host_reach_nothing_of_hull_s():
    """CVE-2021-41091, CVE-2021-41103: set-user-ID programs of layers and volumes are in reach of the host's users."""
    for mask in (0o000, 0o777, 0o022):
        before = os.umask(mask)
        try:
            name = start_container("--net=none", "busybox", "sh", "-c", "cp /bin/busybox /bin/root; chmod 4755 /bin/root; echo logged; sleep 1000")
        finally:
            os.umask(before)
        try:
            hull("exec", name, "sh", "-c", "until [ -u /bin/root ]; do sleep 0.05; done").ok()
            found, entries = open_to_others()
            check(entries > 50, f"{entries} entries are too few to say anything")
            equal(found, [], f"open to others, with umask {mask:o}")
        finally:
            hull("rm", "-f", name).ok()


def test_numbers_in_sets_of_processors_cost_nothing():
    """CVE-2018-20699: a set of processors was unfolded before it was checked."""
    for value in ("0-4294967295", ",".join(["1"] * 30000), "0-18446744073709551615", "4294967295", "1-", "-1", "0x1", "a"):
        for option in ("--cpuset-cpus", "--cpuset-mems"):
            begin = time.monotonic()
            hull("run", "--rm", "--net=none", f"{option}={value}", "busybox", "true").fails(125).one_line_error()
            check(time.monotonic() - begin < 10, f"{option}={value[:40]}: {time.monotonic() - begin:.1f} s")
