"""`hull oci` on a kernel without a facility: the named fallback, or one line that says what is missing. Nothing is left.
oci_suite_test.py has all the tables without the larger ones."""
from lib.bundle import bundle, command, oci
from lib.hull import check, compiled, equal, run

OPTIONAL = ("close_range", "open_tree_attr", "statmount", "listmount", "keyctl", "clone3", "openat2", "fsopen", "open_tree", "move_mount",
            "mount_setattr", "pidfd_open", "pidfd_send_signal", "faccessat2")  # must work without
NEWER = ("memfd_create", "seccomp")


def without(call, *argv):
    return run(compiled("degraded/enosys.c"), call, *command(), *argv)


def test_run_without_each_newer_call():
    path = bundle({"process": {"args": ["/bin/echo", "works"]}})
    for call in OPTIONAL + NEWER:
        result = without(call, "run", "-b", path, "lacking")
        if result.code == 0:
            result.out_is("works\n")
        else:
            check(call not in OPTIONAL, f"hull must work without {call}: {result}")
            result.exits(1).one_line_error()
            said = result.err.lower()
            check("not implemented" in said or "kernel" in said or call in said, f"the message does not say what is missing: {result}")
        oci("delete", "-f", "lacking").ok()
        equal(oci("list", "-q").ok().out, "", f"left without {call}")


def test_a_mapped_mount_without_the_call_says_so():
    from lib.hull import scratch
    import os
    os.makedirs(scratch("mapped"))
    ids = [{"containerID": 0, "hostID": 1000, "size": 10}]
    path = bundle({"process": {"args": ["/bin/true"]}}, lambda c: c["mounts"].append(
        {"destination": "/mnt", "type": "bind", "source": scratch("mapped"), "options": ["bind"], "uidMappings": ids, "gidMappings": ids}))
    without("mount_setattr", "run", "-b", path, "lacking").exits(1).one_line_error().err_contains("mapped")
    equal(oci("list", "-q").ok().out, "")
