"""hull nsenter beside util-linux's nsenter: option by option, as root and as an ordinary user."""
import contextlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import isolate  # noqa: E402
from lib.hull import Skip, background, check, contains, equal, eventually, hull, run, scratch, sh  # noqa: E402
from util_linux import ORDINARY, STATE, compare, compare_all, namespaces  # noqa: E402

SHOW = ["sh", "-c", STATE]


@contextlib.contextmanager
def target(*words, script="echo ready; exec sleep 234.5", **options):
    """A process in new namespaces: yields its pid. `words` go to the installed unshare, which must not fork."""
    with background("unshare", *words, "sh", "-c", script, **options) as child:
        check(child.stdout.readline() == b"ready\n", f"the target of unshare {words} did not start: {child.poll()}")
        eventually(lambda: "sleep" in open(f"/proc/{child.pid}/comm").read(), what="the target's exec")
        yield child.pid


@contextlib.contextmanager
def full_target(*words):
    """As target(), in a pid namespace too: yields the pid of its first process."""
    with background("unshare", "-muinpCT", "--fork", "--kill-child", "--mount-proc", *words, "sh", "-c", "hostname inside; echo ready; exec sleep 234.5") as child:
        child.stdout.readline()
        yield int(open(f"/proc/{child.pid}/task/{child.pid}/children").read().split()[0])


def test_each_kind():
    with full_target() as pid:
        compare_all("nsenter", [["-t", str(pid), *words, *SHOW] for words in
                                (["-m"], ["-u"], ["-i"], ["-n"], ["-p"], ["-C"], ["-T"], ["--mount"], ["--net", "--uts"],
                                 ["--pid"], ["--time"], ["--cgroup"], ["--ipc"], ["-m", "-u", "-i", "-n", "-p"], ["-a"], ["--all"], ["-p", "-F"],
                                 [f"--net=/proc/{pid}/ns/net"], [f"-u/proc/{pid}/ns/uts"], ["-a", f"--uts=/proc/self/ns/uts"], [])],
                    env=namespaces())
        compare_all("nsenter", [["--target", str(pid), "--mount", "--uts", "--ipc", "--net", "--pid", *words] for words in
                                (["hostname"], ["ls", "-d", "/proc/1"], ["sh", "-c", "echo /proc/[0-9]"], ["sh", "-c", "exit 9"],
                                 ["sh", "-c", "kill -TERM $$"], ["nonexistent-command"], ["/etc"])])


def test_user_namespaces():
    with target("-Urn") as pid:
        compare_all("nsenter", [["-t", str(pid), *words, *SHOW] for words in
                                (["-U"], ["-U", "-n"], ["-a"], ["-n"], ["-U", "--preserve-credentials"], ["-U", "-S", "0"],
                                 ["-U", "-G", "0", "-S", "0"], ["-n", "-U", "--preserve-credentials"])], env=namespaces())
        compare_all("nsenter", [["-t", str(os.getpid()), "-U", "true"], ["-t", str(os.getpid()), "-a", "id", "-u"]], err=False)


def test_ids():
    with target("-u") as pid:
        compare_all("nsenter", [["-t", str(pid), "-u", *words, "id"] for words in (["-S", "5"], ["-G", "6"], ["-S", "5", "-G", "6"], [])])
        compare_all("nsenter", [["-t", str(pid), "-u", "-S", "abc", "true"], ["-t", str(pid), "-G", "x", "true"]])


def test_directories():
    folder = scratch("dir")
    os.makedirs(folder)
    with target("-m", "-w", folder) as pid:
        compare_all("nsenter", [["-t", str(pid), *words, "pwd"] for words in
                                (["-w"], ["-r"], ["-r", "-w"], [f"-w{folder}"], [f"--wd={folder}"], ["-m"], ["-m", "-r"],
                                 ["-m", f"--wdns={folder}"], [f"-W{folder}"], [f"-r/"], ["-r/", "-w/tmp"], ["-m", "-w"])])
        compare_all("nsenter", [["-t", str(pid), *words, "true"] for words in (["-w/nonexistent"], ["-r/nonexistent"])], err=False)


def test_bad_words():
    compare_all("nsenter", [["-n", "true"], ["-t", "99999999", "-n", "true"], ["-t", "abc", "-n", "true"], ["-a", "true"], ["--foo"], ["-t"],
                            ["--net=/nonexistent", "true"], ["--net=/etc/passwd", "true"], ["-t", "0", "-n", "true"],
                            ["-t", "", "-n", "true"], ["-t", "-5", "-n", "true"]], err=False)
    for words in (["-n", "true"], ["-t", "99999999", "-n", "true"], ["-t", "no-such-container", "-n", "true"],
                  ["--net=/etc/passwd", "true"], ["-a", "true"], ["-t", "1:2", "-n", "true"]):
        hull("nsenter", *words).exits(1).one_line_error().err_contains("nsenter: ")


def test_a_label_is_followed_only_where_there_are_labels():
    if not os.path.exists("/sys/fs/selinux/enforce"):  # where there are: tests/vm/selinux_inside.py
        compare_all("nsenter", [["-Z", "-t", str(os.getpid()), "-u", "true"], ["-Z", f"--uts=/proc/{os.getpid()}/ns/uts", "true"]])


def test_an_ordinary_user_enters_what_is_its_own():
    with target("-Urnu", user=ORDINARY) as pid:
        compare_all("nsenter", [["-t", str(pid), *words, *SHOW] for words in (["-U"], ["-U", "-n"], ["-U", "-n", "-u", "--preserve-credentials"])],
                    user=ORDINARY, cwd="/", env=namespaces())


def test_a_refusal_names_the_owner_and_the_capability():
    with target("-n") as pid:
        path = scratch("net")
        open(path, "w").close()
        os.chmod(scratch(), 0o755)
        theirs = run("nsenter", "-t", pid, "-n", "true", user=ORDINARY, cwd="/")
        ours = hull("nsenter", "-t", pid, "-n", "true", user=ORDINARY, cwd="/").exits(theirs.code).one_line_error()
        ours.err_contains("Permission denied")
    with target("-Urn", user=ORDINARY) as pid:
        # its own process, but without entering the user namespace that owns the network
        inode = os.stat(f"/proc/{pid}/ns/user").st_ino
        ours = hull("nsenter", "-t", pid, "-n", "true", user=ORDINARY, cwd="/").exits(1).one_line_error()
        ours.err_contains(str(inode)).err_contains("CAP_SYS_ADMIN").err_contains(f"uid {ORDINARY}")


# ---- what 2.38 has not

def test_a_target_by_pidfd_inode():
    with target("-u") as pid:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            raise Skip("no pidfd_open") from None
        inode = os.fstat(fd).st_ino
        os.close(fd)
        if inode < 10000000 and os.stat(f"/proc/{os.getpid()}").st_ino == inode:
            raise Skip("pidfds have no inodes of their own")
        hull("nsenter", "-t", f"{pid}:{inode}", "-u", "true").ok()
        hull("nsenter", "-t", f"{pid}:{inode + 1}", "-u", "true").exits(1).one_line_error().err_contains("has ended")


def test_the_namespace_of_a_socket():
    script = "import os, socket, time; s = socket.socket(); os.dup2(s.fileno(), 9); print('ready', flush=True); time.sleep(99)"
    with background("unshare", "-n", sys.executable, "-c", script) as child:
        child.stdout.readline()
        net = os.readlink(f"/proc/{child.pid}/ns/net")
        hull("nsenter", "-t", child.pid, "-N", "9", "readlink", "/proc/self/ns/net").ok().out_is(net + "\n")
        hull("nsenter", "-t", child.pid, "--net-socket", "1", "true").exits(1).one_line_error()
        hull("nsenter", "-t", child.pid, "--net-socket", "77", "true").exits(1).one_line_error()
        hull("nsenter", "-N", "9", "true").exits(1).one_line_error().err_contains("target")


def test_ids_and_environment_of_the_target():
    with target("-S", str(ORDINARY), "-G", "61235", env={"FROM_TARGET": "yes"}) as pid:
        hull("nsenter", "-t", pid, "-S", "follow", "-G", "follow", "id", "-u").ok().out_is(f"{ORDINARY}\n")
        hull("nsenter", "-t", pid, "-S", "follow", "-G", "follow", "id", "-G").ok().out_is("61235\n")
        hull("nsenter", "-t", pid, "-e", "sh", "-c", "echo $FROM_TARGET").ok().out_is("yes\n")
        hull("nsenter", "-t", pid, "sh", "-c", "echo \"[$FROM_TARGET]\"").ok().out_is("[]\n")


def test_the_parent_user_namespace():
    with target("-Ur", script="echo ready; exec unshare -Ur sleep 234.5") as pid:
        eventually(lambda: os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"), what="a user namespace")
        eventually(lambda: "sleep" in open(f"/proc/{pid}/comm").read(), what="the exec")
        out = hull("nsenter", "-t", pid, "--user-parent", "readlink", "/proc/self/ns/user").ok().line
        check(out not in (os.readlink("/proc/self/ns/user"), os.readlink(f"/proc/{pid}/ns/user")), "not the namespace between")
    with target("-Urn") as pid:
        # the user namespace that owns the network
        out = hull("nsenter", "-t", pid, "--net", "--user-parent", "readlink", "/proc/self/ns/user").ok().line
        equal(out, os.readlink(f"/proc/{pid}/ns/user"), "the owner of the network")


def test_keep_caps():
    with target("-Uc") as pid:
        plain = hull("nsenter", "-t", pid, "-U", "--preserve-credentials", "grep", "CapAmb", "/proc/self/status").ok().line
        kept = hull("nsenter", "-t", pid, "-U", "--preserve-credentials", "--keep-caps", "grep", "CapAmb", "/proc/self/status").ok().line
        contains(plain, "0000000000000000")
        check("0000000000000000" not in kept, "no ambient capability was kept")


def test_joining_the_cgroup_of_the_target():
    tops = [top for top in isolate.hierarchies() if top.endswith(("/freezer", "/pids"))]
    if not tops:
        raise Skip("no v1 hierarchy of freezer or pids")
    group = f"{tops[0]}/hull-nsenter-{os.getpid()}-{scratch().count('/')}"
    os.mkdir(group)
    try:
        with target("-u") as pid:
            with open(f"{group}/cgroup.procs", "w") as procs:
                procs.write(str(pid))
            groups = hull("nsenter", "-t", pid, "-c", "cat", "/proc/self/cgroup").ok().out
            contains(groups, os.path.basename(group), "the groups")
        hull("nsenter", "-c", "true").exits(1).one_line_error().err_contains("target")
    finally:
        eventually(lambda: not open(f"{group}/cgroup.procs").read(), what="an empty group")
        os.rmdir(group)


def test_nothing_is_inherited_that_should_not_be():
    with target("-mu") as pid:
        out = hull("nsenter", "-t", pid, "-m", "-u", "-r", "-w", "ls", "/proc/self/fd").ok()
        equal(out.out.split(), ["0", "1", "2", "3"], "the open descriptors of ls")


def test_called_by_its_own_name():
    with target("-u") as pid:
        sh(f"nsenter -t {pid} -u readlink /proc/self/ns/uts", as_links=True).ok().out_is(os.readlink(f"/proc/{pid}/ns/uts") + "\n")
    sh("nsenter --version", as_links=True).ok().out_matches(r"^nsenter from ")
