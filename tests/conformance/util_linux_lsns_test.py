"""hull lsns beside util-linux's lsns, byte for byte, in the test's own pid namespace; and what only hull shows."""
import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import isolate  # noqa: E402
from lib.hull import Terminal, background, binary, check, contains, equal, eventually, hull, lacks, run, scratch, sh  # noqa: E402
from util_linux import ORDINARY, compare, compare_all  # noqa: E402


def ns(pid, kind):
    return int(os.readlink(f"/proc/{pid}/ns/{kind}").split("[")[1][:-1])


@contextlib.contextmanager
def sleeper(*words, **options):
    with background("unshare", *words, "sh", "-c", "echo ready; exec sleep 234.5", **options) as child:
        child.stdout.readline()
        if "--fork" not in words:
            eventually(lambda: "sleep" in open(f"/proc/{child.pid}/comm").read(), what="the exec")
        yield child.pid


def stable(text):
    """Without what is different in every run: the listing tool's own process and its parent's child count."""
    lines = [line for line in text.splitlines() if "lsns" not in line]
    return "\n".join(lines)


def test_default_output_in_every_form():
    with sleeper("-n"), sleeper("-Urm"), sleeper("-u"), sleeper("-ip", "--fork", "--kill-child"):
        compare_all("lsns", [["-o", "NS,TYPE,NPROCS,PID,USER"], ["-l"], [], ["-n"], ["-r"], ["-J"], ["-u"], ["-W"],
                             ["--output-all"], ["--output-all", "-J"], ["--output-all", "-r"], ["-T"], ["--tree=owner"], ["-Tparent"],
                             ["-Tprocess"], ["-T", "-J"], ["-T", "-r"], ["-Tparent", "-J"], ["-o", "+PATH,PNS,ONS,UID,PPID"],
                             ["-o", "ns,Type"], ["-T", "-o", "COMMAND,NS,PID"], ["-l", "-o", "COMMAND,NS"], ["-n", "-r", "-o", "NS"],
                             ["-t", "net"], ["-t", "uts", "-t", "net"], ["--type", "user"], ["-T", "-t", "uts"], ["-Tparent", "-t", "pid"],
                             ["-t", "mnt", "-o", "NS,NSFS"], ["-t", "mnt", "-o", "NS,NSFS,TYPE", "-r"]], map_out=stable)


def test_one_namespace_or_one_process():
    with sleeper("-n") as pid:
        compare_all("lsns", [[str(ns(pid, "net"))], [str(ns(pid, "net")), "-J"], [str(ns(pid, "net")), "-r"], [str(ns(pid, "net")), "-o", "NS,PID,TYPE"],
                             ["-p", str(pid)], ["-p", str(pid), "-J"], ["-p", str(pid), "-t", "net"], ["-p", "999999"], ["-p", "999999", "-J"],
                             [str(ns("self", "uts")), "-l"], [str(ns("self", "uts"))]], map_out=stable)


def test_bad_words_give_the_same_message_and_code():
    compare_all("lsns", [["123"], ["abc"], ["-t", "foo"], ["-o", "FOO"], ["--foo"], ["-p", "abc"], ["-Tfoo"], ["-o"], ["--list=x"],
                         ["-p", "1", "123"], ["-t", ""], ["-Z"]])


def test_a_users_view_is_the_same():
    # the second stands for the namespaces that the listing tool itself is in
    with sleeper("-Urn", user=ORDINARY), background("sleep", "99.5", user=ORDINARY) as other:
        eventually(lambda: "sleep" in open(f"/proc/{other.pid}/comm").read(), what="the exec")
        compare_all("lsns", [[], ["-J"], ["-r", "-o", "NS,TYPE,NPROCS,PID,UID,PATH"], ["--output-all"]], user=ORDINARY, cwd="/", map_out=stable)


def test_hostile_command_lines_stay_one_line():
    hostile = "a\tb\x1b[31m\\x41 \u202e é\n) R 1"
    with background("unshare", "-u", sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin = open('/dev/null'); import time; time.sleep(99)", hostile) as child:
        child.stdout.readline()
        inode = str(ns(child.pid, "uts"))
        for words in (["-l", "-t", "uts"], ["-r", "-t", "uts"], ["-J", "-t", "uts"]):
            compare("lsns", words, map_out=stable)
        out = hull("lsns", "-t", "uts").ok().out
        lacks(out, "\x1b")
        contains(out, inode)


# ---- namespaces without processes

def listed(inode, *words):
    found = [entry for entry in json.loads(hull("lsns", "-J", "-l", "-o", "NS,TYPE,NPROCS,PATH,PID", *words).ok().out)["namespaces"] if entry["ns"] == inode]
    return found[0] if found else None


def test_held_by_a_bind_mount():
    path = scratch("net")
    open(path, "w").close()
    hull("unshare", f"--net={path}", "true").ok()
    try:
        inode = os.stat(path).st_ino
        for words in ([], ["-P"], ["-t", "net"]):
            equal(listed(inode, *words), {"ns": inode, "type": "net", "nprocs": 0, "path": path, "pid": None}, f"lsns {words}")
        hull("lsns", "-t", "net", "-o", "NS,NSFS").ok().out_matches(rf"{inode} {path}$")
        lacks(hull("lsns", "-P").ok().out, str(ns("self", "net")), "--persistent")
    finally:
        isolate.umount(path)


def test_what_a_user_cannot_reach_is_not_listed():
    private = scratch("private")
    os.mkdir(private, 0o700)
    path = os.path.join(private, "net")
    open(path, "w").close()
    hull("unshare", f"--net={path}", "true").ok()
    try:
        inode = str(os.stat(path).st_ino)
        contains(hull("lsns", "-t", "net").ok().out, inode, "root's list")
        with background("sleep", "99.5", user=ORDINARY) as other:
            eventually(lambda: "sleep" in open(f"/proc/{other.pid}/comm").read(), what="the exec")
            for words in ([], ["-t", "net"], ["-r", "-o", "NS,TYPE,PATH"]):
                lacks(compare("lsns", words, user=ORDINARY, cwd="/", map_out=stable).out, inode, f"a user's lsns {words}")
    finally:
        isolate.umount(path)


def test_held_by_a_descriptor():
    with sleeper("-n") as pid:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        inode = ns(pid, "net")
    try:
        entry = listed(inode)
        equal((entry["nprocs"], entry["path"]), (0, f"/proc/{os.getpid()}/fd/{fd}"), "the namespace of the descriptor")
    finally:
        os.close(fd)
    eventually(lambda: listed(inode) is None, what="the namespace's end")


def python_in(code, *words):
    return background("unshare", *words, sys.executable, "-c", "import os, socket, ctypes, threading, time\nlibc = ctypes.CDLL(None)\n" + code)


def test_held_by_a_socket():
    code = ("s = socket.socket(); n = os.stat('/proc/self/ns/net').st_ino\n"
            "f = os.open('/proc/1/ns/net', 0); assert libc.setns(f, 0) == 0; os.close(f)\n"
            "print(n, flush=True); time.sleep(99)")
    with python_in(code, "-n") as child:
        inode = int(child.stdout.readline())
        equal(listed(inode)["nprocs"], 0, "processes of the socket's namespace")


def test_held_by_one_thread():
    code = ("def run():\n  assert libc.unshare(0x4000000) == 0\n  print(os.stat(f'/proc/self/task/{threading.get_native_id()}/ns/uts').st_ino, flush=True)\n  time.sleep(99)\n"
            "threading.Thread(target=run).start()")
    with python_in(code) as child:
        inode = int(child.stdout.readline())
        contains(listed(inode)["path"], f"/proc/{child.pid}/task/", "the path")


def test_held_by_relatives_only():
    # a user namespace between two others, whose maker has gone on
    with background("unshare", "-Ur", "unshare", "-Ur", "sh", "-c", "echo ready; exec sleep 99.5") as child:
        child.stdout.readline()
        tree = json.loads(hull("lsns", "-J", "-T", "-t", "user", "-o", "NS,NPROCS").ok().out)["namespaces"]
        between = [entry for entry in tree[0]["children"] if any(c["ns"] == ns(child.pid, "user") for c in entry.get("children", []))]
        equal([entry["nprocs"] for entry in between], [0], "processes of the namespace between")
        check(listed(between[0]["ns"], "-P") is not None, "--persistent does not show it")


# ---- what 2.38 has not

def test_filter_and_column_list():
    with sleeper("-u") as pid:
        out = hull("lsns", "-Q", f'TYPE == "uts" and PID == {pid}', "-n", "-r", "-o", "NS,TYPE").ok()
        equal(out.line, f"{ns(pid, 'uts')} uts", "the filtered list")
        hull("lsns", "--filter", "COMMAND =~ 'sleep 234' && NPROCS < 2", "-n", "-o", "TYPE").ok().out_is("uts\n")
    hull("lsns", "--filter", "FOO == 1").exits(1).one_line_error().err_contains("failed to parse")
    hull("lsns", "-H").ok().out_matches(r"^HOLDER +TYPE +DESCRIPTION\nNS +<number> +namespace identifier")
    columns = json.loads(hull("lsns", "-H", "-J").ok().out)["lsns-columns"]
    help_text = hull("lsns", "--help").ok().out
    for column in columns:
        contains(help_text, f"{column['holder']}  {column['description']}", "--help")


def test_many_processes_are_shared_between_processors_without_loss():
    script = "for i in $(seq 1 160); do sleep 99.5 & done; echo ready; wait"
    with background("unshare", "-u", "sh", "-c", script) as child:
        child.stdout.readline()
        inode = ns(child.pid, "uts")
        equal(listed(inode)["nprocs"], 161, "processes")
        eventually(lambda: hull("lsns", inode).out.count("sleep 99.5\n") >= 159)  # each has become its program
        compare_all("lsns", [["-t", "uts"], ["-J", "-t", "uts"], [str(inode)]], map_out=stable)


def test_a_terminal_is_not_overrun():
    with sleeper("-u"):
        with Terminal(binary(), "lsns", "-t", "uts", columns=45) as terminal:
            terminal.wait()
            check(all(len(line) <= 45 for line in terminal.seen.splitlines()), f"a line is too wide: {terminal.seen!r}")
        with Terminal(binary(), "lsns", "-u", columns=45) as terminal:
            terminal.wait()
            contains(terminal.seen, "sleep 234.5")


def test_called_by_its_own_name():
    sh("lsns -n -o TYPE -p $$ -l", as_links=True).ok().out_contains("uts")
    equal(run(binary(), "lsns", "--version").ok().out.split()[:2], ["lsns", "from"])
