"""hull run, exec, stop and rm of an image on kernels that lack facilities: the sets of oci_suite_test.py, refused to hull,
its shim and the container alike."""
import os

from lib.hull import Failure, Terminal, busybox_rootfs, check, contains, equal, eventually, hull, hull_words, lacks, own_directory, refusing, run, scratch
from lib.worker import load

SETS = load(f"{os.path.dirname(os.path.abspath(__file__))}/oci_suite_test.py").SETS


def prepare():
    hull("run", "--rm", "--net=none", "busybox", "true").ok()
    source = scratch("volume")
    os.makedirs(source, exist_ok=True)
    with open(f"{source}/f", "w") as file:
        file.write("content\n")
    return source


def image_and_mounts(source):
    script = "cat /v/f; (echo x > /v/g) 2>/dev/null || echo ro; echo y > /t/f && echo tmpfs; (echo x > /x) 2>/dev/null || echo root; cat /etc/hostname"
    hull("run", "--rm", "--net=none", "--hostname", "given", "--read-only", "-v", f"{source}:/v:ro", "--tmpfs", "/t", "busybox", "sh", "-c", script
         ).ok().out_is("content\nro\ntmpfs\nroot\ngiven\n")
    hull("run", "--rm", "--net=none", "busybox", "sh", "-c", "echo kept > /made; cat /made; exit 7").exits(7).out_is("kept\n")


def terminal(_):
    with Terminal(*hull_words(), "run", "--rm", "-it", "--net=none", "busybox", "sh", rows=31, columns=91) as seen:
        seen.send("stty size; echo $((6*7))\n")
        seen.expect("31 91", timeout=10)
        seen.expect("42", timeout=10)
        seen.send("exit 5\n")
        equal(seen.wait(10), 5)


def user_namespace(_):
    """Of a root directory, whose mount point the container's ids may not even search."""
    path = busybox_rootfs(scratch("rootfs"))
    for name in ("resolv.conf", "hosts", "hostname"):  # mount points, which the container's root may not make
        with open(f"{path}/etc/{name}", "w"):
            pass
    hull("run", "--rm", "--net=none", "--userns=private", "--rootfs", path, "sh", "-c", "id -u; cat /proc/kcore | wc -c; echo x > /dev/null && cut -d' ' -f1-2 /proc/uptime | wc -l"
         ).ok().out_is("0\n0\n1\n")


def life(_):
    hull("run", "-d", "--name", "first", "--net=none", "-m", "64m", "busybox", "sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.02; done").ok()
    try:
        with open(f"/proc/{hull('inspect', '-f', '{{.State.Pid}}', 'first').ok().line}/cgroup") as groups:
            outside = [line for line in groups if line.startswith(("0:", "memory")) and "/hull/" not in line]
        equal(outside, [], "cgroups that it did not enter")
        hull("exec", "first", "sh", "-c", "hostname; exit 3").exits(3)
        with Terminal(*hull_words(), "exec", "-it", "first", "tty") as seen:
            seen.expect("/dev/pts/", timeout=10)
            equal(seen.wait(10), 0)
        ours = hull("exec", "first", "readlink", "/proc/self/ns/net").ok().line
        hull("run", "--rm", "--net=container:first", "busybox", "readlink", "/proc/self/ns/net").ok().out_is(ours + "\n")
        contains(hull("ps").ok().out, "first")
        hull("pause", "first").ok()
        hull("unpause", "first").ok()
        hull("kill", "-s", "CONT", "first").ok()
        hull("restart", "-t", "5", "first").ok()
        hull("exec", "first", "true").ok()
        hull("stop", "-t", "5", "first").ok()
        eventually(lambda: "first" not in hull("ps").out)
        equal(hull("inspect", "-f", "{{.State.ExitCode}}", "first").ok().line, "4")
        hull("start", "first").ok()
        hull("kill", "first").ok()
        equal(hull("wait", "first").ok().line, "137")
    finally:
        hull("rm", "-f", "first").ok()
    equal(hull("ps", "-aq").ok().out, "")


def suite(refused):
    source, wrong = prepare(), []
    for part in (image_and_mounts, terminal, user_namespace, life):
        try:
            with refusing(*SETS[refused]):
                part(source)
        except Exception as failure:
            wrong.append(f"{part.__name__}: {failure}")
    if wrong:
        raise Failure(f"without {refused}:\n    " + "\n    ".join(wrong))


def test_an_image_is_unpacked():
    """By hull-image, which shuts its readers in by the same calls; a kernel that refuses close_range leaks them nothing."""
    for refused in ("openat2", "open_tree", "move_mount", "close_range", "all"):
        with own_directory(refused), refusing(*SETS[refused]):
            hull("run", "--rm", "--net=none", "busybox", "echo", refused).ok().out_is(refused + "\n")


def test_what_was_noted_by_a_pidfd_is_not_taken_for_dead():
    """And what was noted without is known with pidfds as well."""
    prepare()
    hull("run", "-d", "--name", "first", "--net=none", "busybox", "sleep", "600").ok()
    with refusing(*SETS["pidfds"]):
        equal(hull("inspect", "-f", "{{.State.Status}}", "first").ok().line, "running")
        hull("kill", "first").fails(1, "noted by a pidfd").one_line_error()
        hull("run", "-d", "--name", "second", "--net=none", "busybox", "sleep", "600").ok()
    hull("exec", "first", "true").ok()
    hull("exec", "second", "true").ok()
    hull("rm", "-f", "first", "second").ok()


def test_a_user_namespace_needs_mapped_mounts():
    prepare()
    for call in SETS["mount_api"]:
        with refusing(call):
            seen = hull("run", "--rm", "--net=none", "--userns=private", "busybox", "true")
        check(seen.code == 0 or "mapped" in seen.err, f"{call}: {seen}")
        if seen.code != 0:
            seen.exits(125).one_line_error()
            lacks(run("ps", "-eo", "args").ok().out, "hull-shim ")  # a shim whose container was not made is gone with the command


def test_engine_without_openat2():
    suite("openat2")


def test_engine_without_clone3():
    suite("clone3")


def test_engine_without_fsopen():
    suite("fsopen")


def test_engine_without_fsconfig():
    suite("fsconfig")


def test_engine_without_fsmount():
    suite("fsmount")


def test_engine_without_open_tree():
    suite("open_tree")


def test_engine_without_move_mount():
    suite("move_mount")


def test_engine_without_mount_setattr():
    suite("mount_setattr")


def test_engine_without_mount_api():
    suite("mount_api")


def test_engine_without_close_range():
    suite("close_range")


def test_engine_without_pidfds():
    suite("pidfds")


def test_engine_without_all():
    suite("all")
