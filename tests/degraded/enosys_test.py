"""A kernel without a facility: each is refused by a filter, and hull takes the named fallback or says what is missing in
one line. Never a wrong success, never something left behind."""
from lib.hull import binary, check, compiled, hull, run

RUN = ("run", "--rm", "--net=none", "busybox", "echo", "works")
# Calls that have a stand-in; engine_suite_test.py has the whole life without the larger ones.
OPTIONAL = ("clone3", "close_range", "open_tree_attr", "statmount", "listmount", "keyctl", "copy_file_range", "faccessat2",
            "fchmodat2", "openat2", "fsopen", "open_tree", "move_mount", "mount_setattr", "pidfd_open")
# Calls since 3.17, whose absence may end the start, if it is said well.
REQUIRED = ("memfd_create", "seccomp")


def without(calls, *argv):
    return run(compiled("degraded/enosys.c"), calls, binary(), *argv)


def prepared():
    hull("run", "--rm", "--net=none", "busybox", "true").ok()


def works_or_says_why(call, must_work=False):
    result = without(call, *RUN)
    if result.code == 0:
        result.out_contains("works")
        return
    check(not must_work, f"hull must work without {call}: {result}")
    result.fails(125).one_line_error()
    check("not implemented" in result.err.lower() or "kernel" in result.err.lower() or call in result.err,
          f"the message does not say what the kernel lacks: {result}")



def test_run_works_without_optional_calls():
    prepared()
    for call in OPTIONAL:
        works_or_says_why(call, True)


def test_a_user_namespace_where_layers_must_be_attached():
    prepared()
    words = ("run", "--rm", "--net=none", "--userns=private", "busybox", "sh", "-c", "stat -c %u /bin/busybox; echo x > /made; stat -c %u /made")
    without("open_tree_attr", *words).ok().out_is("0\n0\n")


def test_run_works_or_explains_without_each_newer_call():
    prepared()
    for call in REQUIRED:
        works_or_says_why(call)


def test_namespace_tools_work_without_newer_calls():
    for call in ("clone3", "pidfd_open", "openat2", "statmount"):
        without(call, "unshare", "--fork", "--pid", "--mount-proc", "true").ok()
        without(call, "lsns").ok()
