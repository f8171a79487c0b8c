"""hull unshare beside util-linux's unshare: option by option, as root and as an ordinary user."""
import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import isolate  # noqa: E402
from lib.hull import Skip, background, binary, check, contains, equal, eventually, hull, need, run, scratch, sh  # noqa: E402
from util_linux import ORDINARY, STATE, compare, compare_all, namespaces  # noqa: E402

NOBODY = 65534  # newuidmap wants a user with a name
SHOW = ["sh", "-c", STATE]


def show_all(cases, **options):
    compare_all("unshare", [[*words, *SHOW] for words in cases], env=namespaces(), **options)


def test_each_kind_alone_and_together():
    show_all([[f"-{letter}"] for letter in "muinpUCT"]
             + [["--mount"], ["--uts"], ["--ipc"], ["--net"], ["--pid"], ["--user"], ["--cgroup"], ["--time"], [],
                ["-muinpUCT"], ["-mu", "--net", "--"], ["-fp"], ["--fork", "--pid", "--mount"]])


def test_maps_of_the_callers_own_ids():
    show_all([["-r"], ["-c"], ["-U", "--setgroups", "deny"], ["-U", "--setgroups=allow"],
              ["--map-user=5"], ["--map-group=7"], ["--map-user=5", "--map-group=7"], ["--map-user=root"],
              ["--map-user=5", "--map-user=6"], ["-r", "-c"], ["-r", "--keep-caps"], ["-c", "--keep-caps"],
              ["-r", "-S", "0", "-G", "0"], ["-rmu", "-w", "/tmp"], ["-U", "--keep-caps"]])


def test_maps_as_an_ordinary_user():
    show_all([["-U"], ["-r"], ["-c"], ["-c", "--keep-caps"], ["-r", "--keep-caps"], ["--map-user=5", "--map-group=7"],
              ["-Ur", "-muinpCT"], ["-U", "--setgroups", "deny"], ["-rf", "-p", "--mount-proc"], ["-r", "--net", "--", ]],
             user=ORDINARY, cwd="/")


def test_refusals_as_an_ordinary_user():
    compare_all("unshare", [["-n", "true"], ["-m", "true"], ["-U", "--setgroups=allow", "true"], ["--map-auto", "true"]],
                user=ORDINARY, cwd="/", err=False)
    ours = hull("unshare", "-n", "true", user=ORDINARY, cwd="/")
    ours.exits(1).one_line_error().err_contains("unshare: unshare failed: Operation not permitted").err_contains("CAP_SYS_ADMIN")


def test_root_directory_ids_and_exit_codes():
    folder = scratch("dir")
    os.makedirs(folder)
    compare_all("unshare", [["-w", folder, "pwd"], [f"--wd={folder}", "pwd"], ["-R", "/", "pwd"], ["-R", "/", "-w", "/tmp", "pwd"],
                            ["-S", "1234", "id", "-u"], ["-G", "1234", "id", "-G"], ["-S", "1", "-G", "2", "id"],
                            ["sh", "-c", "exit 7"], ["-f", "sh", "-c", "exit 7"], ["-fp", "sh", "-c", "exit 200"],
                            ["sh", "-c", "kill -TERM $$"], ["-f", "sh", "-c", "kill -TERM $$"],
                            ["nonexistent-command"], ["/etc"], ["/nonexistent/command"], ["-f", "nonexistent-command"],
                            ["-R", "/nonexistent", "true"], ["-w", "/nonexistent", "true"], ["echo", "-x", "--fork"],
                            ["--", "echo", "--"], ["-u", "--", "hostname"], ["-fp", "sh", "-c", "echo $$"]])


def test_a_script_without_a_first_line_is_the_shells():
    folder = scratch("scripts")
    os.makedirs(folder)
    for name, text in (("plain", 'echo "plain $0 $*"\n'), ("no-program", b"\x7fELF".decode() + "\n"), ("empty", "")):
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)
        os.chmod(f"{folder}/{name}", 0o755)
    compare_all("unshare", [["-u", f"{folder}/plain", "a", "b c"], ["-u", "plain", "x"], ["-u", f"{folder}/empty"], ["-f", f"{folder}/no-program"]],
                env={"PATH": f"/nonexistent:{folder}:/usr/bin:/bin"})
    # What cannot be run is passed over, as by execvp: a directory, a script whose interpreter is gone, a file without the right.
    for name, make in (("directory", lambda path: os.makedirs(path)), ("interpreter", lambda path: _write(path, "#!/opt/gone\n", 0o755)),
                       ("right", lambda path: _write(path, "echo wrong\n", 0o644))):
        before = f"{folder}/before-{name}"
        os.makedirs(before)
        make(f"{before}/plain")
        for path in (f"{before}:{folder}:/usr/bin:/bin", f"{before}:/usr/bin:/bin"):
            compare_all("unshare", [["-u", "plain", "x"]], env={"PATH": path})
    compare_all("unshare", [["-u", ""], ["-u", "plain/"]], env={"PATH": folder})


def _write(path, text, mode):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def test_proc_of_a_new_pid_namespace():
    compare_all("unshare", [["-fp", "--mount-proc", "sh", "-c", "echo $$ /proc/[0-9]*; grep -c ' /proc ' /proc/self/mountinfo"],
                            ["-p", "-f", "--mount-proc=/proc", "ls", "/proc/1/comm"], ["--mount-proc=/nonexistent", "true"],
                            ["-fp", "--mount-proc", "readlink", "/proc/self"]])


def test_propagation():
    script = "awk '$5 == \"/\" {print $7, $8}' /proc/self/mountinfo"
    for mode in ("private", "shared", "slave", "unchanged"):
        compare("unshare", ["-m", "--propagation", mode, "sh", "-c", script],
                map_out=lambda text: text.replace("- ", "").split(":")[0])
    compare("unshare", ["-m", "sh", "-c", script])


def test_time_offsets():
    show = ["cat", "/proc/self/timens_offsets"]
    compare_all("unshare", [["-T", "--boottime=100", *show], ["-T", "--monotonic", "-5", *show], ["--monotonic=1", "true"],
                            ["-T", "--monotonic=1", "--boottime=2", "-f", *show]], err=False)
    compare_all("unshare", [["-T", "--boottime=x", "true"], ["-T", "--monotonic=", "true"]])


def test_bad_words_give_the_same_message():
    compare_all("unshare", [["--foo"], ["-Z"], ["--setgroups=foo", "true"], ["--propagation=foo", "true"],
                            ["-S", "abc", "true"], ["-G", "abc", "true"], ["-U", "--setgroups=allow", "-r", "true"], ["-S"],
                            ["--root"], ["--fork=1", "true"], ["--kill-child=FOO", "true"], ["--map-user=", "true"]],
                map_out=lambda text: "")
    for words in (["--map-users=5", "true"], ["--map-users=1:2", "true"], ["--map-users=a:b:c", "true"],
                  ["--map-user=nosuchuser", "true"], ["--owner=5", "true"]):
        hull("unshare", *words).exits(1).one_line_error()


def test_kill_child_ends_the_child_with_the_parent():
    with background(binary(), "unshare", "--kill-child", "sleep", "123.25") as parent:
        children = lambda: open(f"/proc/{parent.pid}/task/{parent.pid}/children").read().split()
        eventually(lambda: children(), what="a child")
        child = int(children()[0])
        eventually(lambda: "sleep" in open(f"/proc/{child}/comm").read(), what="the child's exec")
        parent.kill()
        parent.wait()
        eventually(lambda: not os.path.exists(f"/proc/{child}") or " Z " in open(f"/proc/{child}/stat").read(), what="the child's end")


def test_signals_are_ignored_or_forwarded():
    for words, ends in (([], False), (["--forward-signals"], True)):
        with background(binary(), "unshare", "--fork", *words, "sleep", "123.5") as parent:
            eventually(lambda: open(f"/proc/{parent.pid}/task/{parent.pid}/children").read().split(), what="a child")
            child = int(open(f"/proc/{parent.pid}/task/{parent.pid}/children").read().split()[0])
            eventually(lambda: "sleep" in open(f"/proc/{child}/comm").read(), what="the child's exec")
            parent.send_signal(signal.SIGTERM)
            if ends:
                equal(parent.wait(timeout=5), -signal.SIGTERM, "how it ended")
            else:
                time.sleep(0.2)
                check(parent.poll() is None, "SIGTERM ended a parent that should wait")


# ---- persistence

def pinned(path, kind):
    """The inode of the namespace that is bound on the file."""
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields = line.split()
            if fields[4] == path and fields[3].startswith(f"{kind}:["):
                return int(fields[3].split("[")[1][:-1])
    return 0


def unpin(path):
    isolate.umount(path)  # umount(8) would leave /run/mount behind


def test_every_kind_is_kept_in_a_file_in_one_step():
    folder = scratch("pins")
    os.makedirs(folder)
    isolate.mount("pins", folder, "tmpfs")
    isolate.mount(None, folder, None, isolate.MS_PRIVATE)
    kinds = ("mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time")
    try:
        for kind in kinds:
            open(f"{folder}/{kind}", "w").close()
        hull("unshare", "--fork", *[f"--{kind}={folder}/{kind}" for kind in kinds], "true").ok()
        for kind in kinds:
            check(pinned(f"{folder}/{kind}", {"mount": "mnt"}.get(kind, kind)), f"{kind} is not pinned")
            unpin(f"{folder}/{kind}")
    finally:
        isolate.umount(folder)


def test_a_kept_namespace_is_entered_again():
    for path in (scratch("uts"), scratch("user")):
        open(path, "w").close()
    hull("unshare", f"--uts={scratch('uts')}", "hostname", "kept-name").ok()
    hull("nsenter", f"--uts={scratch('uts')}", "hostname").ok().out_is("kept-name\n")
    run("nsenter", f"--uts={scratch('uts')}", "hostname").ok().out_is("kept-name\n")
    unpin(scratch("uts"))
    hull("unshare", "-r", f"--user={scratch('user')}", "true").ok()
    hull("nsenter", f"--user={scratch('user')}", "cat", "/proc/self/uid_map").ok().out_matches(r"^\s+0\s+0\s+1$")
    unpin(scratch("user"))


def test_a_missing_file_is_refused_as_by_util_linux():
    strip = lambda text: ""
    for words in (["--net=/nonexistent/x", "true"], ["-u", "--ipc=/nonexistent/x", "true"]):
        ours = compare("unshare", words, err=False, map_out=strip)
        ours.one_line_error().err_contains("on /nonexistent/x failed: No such file or directory")


# ---- what 2.38 has not

def test_ranges_in_the_new_order():
    hull("unshare", "--map-users=0:100000:10", "cat", "/proc/self/uid_map").ok().out_matches(r"^\s+0\s+100000\s+10$")
    hull("unshare", "--map-groups=5:200000:3", "cat", "/proc/self/gid_map").ok().out_matches(r"^\s+5\s+200000\s+3$")
    hull("unshare", "--map-users=100000,0,10", "cat", "/proc/self/uid_map").ok().out_matches(r"^\s+0\s+100000\s+10$")
    hull("unshare", "--map-users=all", "cat", "/proc/self/uid_map").ok().out_matches(r"^\s+0\s+0\s+4294967295$")
    hull("unshare", "--map-users=0:100000:10", "--map-users=10:300000:5", "cat", "/proc/self/uid_map").ok()\
        .out_matches(r"^\s+0\s+100000\s+10\n\s+10\s+300000\s+5$")


def subordinate_ids(folder):
    """subuid and subgid files that give root and nobody ranges."""
    os.makedirs(folder)
    for name in ("subuid", "subgid"):
        with open(f"{folder}/{name}", "w") as file:
            file.write("root:600000:5000\nnobody:700000:5000\n")


@contextlib.contextmanager
def bound(source, target):
    isolate.mount(source, target, None, isolate.MS_BIND)
    try:
        yield
    finally:
        isolate.umount(target)


def test_automatic_maps_from_subordinate_ids():
    folder = scratch("subordinate")
    subordinate_ids(folder)
    with bound(f"{folder}/subuid", "/etc/subuid"), bound(f"{folder}/subgid", "/etc/subgid"):
        for words, wanted in ((["--map-auto"], ["0", "600000", "5000"] * 2), (["--map-subids"], ["600000", "600000", "5000"] * 2),
                              (["-r", "--map-auto"], ["0", "0", "1", "1", "600000", "4999"] * 2)):
            out = hull("unshare", *words, "cat", "/proc/self/uid_map", "/proc/self/gid_map").ok()
            equal(out.out.split(), wanted, f"the maps of {words}")
        compare("unshare", ["--map-auto", "cat", "/proc/self/uid_map", "/proc/self/gid_map"])
        compare("unshare", ["-r", "--map-auto", "cat", "/proc/self/uid_map", "/proc/self/gid_map"])
        need("newuidmap", "newgidmap")
        for words in (["--map-auto"], ["-r", "--map-auto"], ["-c", "--map-auto"], ["--map-user=7", "--map-users=700000,100,10"]):
            compare("unshare", [*words, "cat", "/proc/self/uid_map", "/proc/self/gid_map"], user=NOBODY, cwd="/")


def test_owner_of_a_new_user_namespace():
    out = hull("unshare", "--owner", f"{ORDINARY}:{ORDINARY}", "--map-users=0:100000:10", "--map-groups=0:100000:10",
               "sh", "-c", "cat /proc/self/uid_map; readlink /proc/self/ns/user").ok()
    contains(out.out, "100000", "the map")
    # Whoever owns it may enter it; another may not.
    with background(binary(), "unshare", "--owner", f"{ORDINARY}:{ORDINARY}", "--map-users=0:100000:10",
                    "--map-groups=0:100000:10", "sleep", "99.5") as holder:
        eventually(lambda: "sleep" in open(f"/proc/{holder.pid}/comm").read(), what="the exec")
        words = ("nsenter", "-t", holder.pid, "-U", "--preserve-credentials", "readlink", "/proc/self/ns/user")
        equal(hull(*words, user=ORDINARY, cwd="/").ok().line, os.readlink(f"/proc/{holder.pid}/ns/user"), "the namespace")
        hull(*words, user=ORDINARY + 1, cwd="/").exits(1).one_line_error()


def test_binfmt_misc_of_ones_own():
    ours = hull("unshare", "-Urm", "--mount-binfmt", "ls", "/proc/sys/fs/binfmt_misc")
    if ours.code != 0:
        raise Skip("the kernel has no binfmt_misc per user namespace")
    ours.out_contains("register")
    hull("unshare", "-Ur", "-l", ":hulltest:M::hulltest::/bin/cat:", "ls", "/proc/sys/fs/binfmt_misc").ok().out_contains("hulltest")


def test_called_by_its_own_name():
    sh("unshare -u sh -c 'hostname inner; hostname'", as_links=True).ok().out_is("inner\n")
    sh("unshare --version", as_links=True).ok().out_matches(r"^unshare from ")
    sh("unshare --help", as_links=True).ok().out_contains("--map-root-user")


def test_the_shell_is_the_default_program():
    run(binary(), "unshare", "-u", input="echo $0; exit 3\n", env={"SHELL": "/bin/sh"}).exits(3).out_is("-sh\n")
    compare("unshare", ["-u"], input="echo $0\n", env={"SHELL": "/bin/dash"})
    compare("unshare", ["-u"], input="echo $0\n", env={"SHELL": None})
