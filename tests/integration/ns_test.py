"""hull ns ls, show and diff on processes and on namespaces that only a file, descriptor, socket or thread holds."""
import contextlib
import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import isolate  # noqa: E402
from lib.hull import SPARE_UID, background, check, contains, equal, eventually, hull, lacks, readable_copy, run, scratch  # noqa: E402

KINDS = {"user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time"}
SETUP = ("hostname inside; ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.3.0.1/24 dev v0; ip link set v0 up; "
         "ip route add default via 10.3.0.9; ipcmk -M 100 >/dev/null; echo ready; exec sleep 234.5")


@contextlib.contextmanager
def target(*words, script="echo ready; exec sleep 234.5", **options):
    with background("unshare", *words, "sh", "-c", script, **options) as child:
        check(child.stdout.readline() == b"ready\n", "the target did not start")
        yield child.pid


def inode(pid, kind):
    return int(os.readlink(f"/proc/{pid}/ns/{kind}").split("[")[1][:-1])


def shown(what):
    return {ns["kind"]: ns for ns in json.loads(hull("ns", "show", "--format", "json", what).ok().out)["namespaces"]}


def test_show_tells_what_stands_in_each_kind():
    with target("-muin", script=SETUP) as pid:
        spaces = shown(pid)
        equal(set(spaces), KINDS, "the kinds")
        for kind in KINDS:
            equal(spaces[kind]["inode"], inode(pid, kind), f"the inode of {kind}")
        net = spaces["net"]["content"]
        check(any(line.startswith("v0 up veth ") for line in net["links"]), f"links {net['links']}")
        contains(net["addresses"], "v0 10.3.0.1/24")
        contains(net["routes"], "default via 10.3.0.9 dev v0")
        equal(spaces["uts"]["content"]["hostname"], ["inside"])
        equal(len(spaces["ipc"]["content"]["shm"]), 1)
        check(any(line.startswith("/proc proc ") for line in spaces["mnt"]["content"]["mounts"]), "no /proc among the mounts")
        contains(spaces["user"]["content"]["uid_map"], "0 0 4294967295")
        text = hull("ns", "show", pid).ok().out
        for part in ("v0 10.3.0.1/24", "inside", "sleep"):
            contains(text, part)


def test_show_of_listeners():
    code = "import socket; s = socket.create_server(('127.0.0.1', 8123)); print('ready', flush=True); import time; time.sleep(99)"
    with target("-n", script=f"ip link set lo up; exec {sys.executable} -c \"{code}\"") as pid:
        contains(shown(pid)["net"]["content"]["listeners"], "tcp 127.0.0.1:8123")


def test_show_of_time_offsets_and_maps():
    with target("-rT", "--monotonic=60") as pid:
        with background("nsenter", "-t", pid, "-U", "--preserve-credentials", "sleep", "1"):
            pass
        contains(shown(pid)["user"]["content"]["uid_map"], "0 0 1")


def test_diff_says_which_are_one_and_in_what_the_others_differ():
    with target("-un", script=SETUP.replace("ipcmk -M 100 >/dev/null; ", "")) as pid:
        with background("nsenter", "-t", pid, "-n", "unshare", "-u", "sh", "-c", "hostname other; echo ready; exec sleep 99.5") as sharer:
            sharer.stdout.readline()
            out = hull("ns", "diff", pid, sharer.pid).exits(1).out
            rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("  ") and line[2] != " "}
            equal(set(rows), KINDS, "the rows")
            equal({kind for kind, row in rows.items() if row[0] == "differs"}, {"uts"}, "the kinds that differ")
            contains(out, "- hostname: inside")
            contains(out, "+ hostname: other")
        hull("ns", "diff", pid, pid).exits(0)
        hull("ns", "diff", inode(pid, "uts"), inode(os.getpid(), "uts")).exits(1).out_contains("hostname: inside")
        hull("ns", "diff", inode(pid, "uts"), inode(os.getpid(), "net")).exits(2).one_line_error()
        hull("ns", "diff", pid, "no-such").exits(2).one_line_error()
        hull("ns", "diff", pid).exits(2)


def test_a_namespace_without_processes_is_shown():
    path = scratch("net")
    open(path, "w").close()
    hull("unshare", f"--net={path}", "ip", "link", "set", "lo", "up").ok()
    try:
        number = os.stat(path).st_ino
        out = hull("ns", "show", number).ok()
        out.out_contains("no process").out_contains("127.0.0.1/8").out_contains(f"mount {path}")
        hull("ns", "diff", number, os.getpid()).exits(1).out_contains("net     differs")
        row = [json.loads(line) for line in hull("ns", "ls", "--format", "json", "-t", "net").ok().out.splitlines() if str(number) in line]
        equal([(entry["HeldBy"], entry["Owner"], entry["Processes"]) for entry in row], [("mount", f"mount {path}", 0)], "its row")
    finally:
        isolate.umount(path)
    hull("ns", "show", number).exits(1).one_line_error()


def listed():
    return {int(row["Inode"]): row for row in map(json.loads, hull("ns", "ls", "--format", "json").ok().out.splitlines())}


@contextlib.contextmanager
def thread_in_new_network(act=lambda: None):
    """A thread that has left for a net namespace of its own and called `act`; yields [inode, thread id], and end()."""
    told, done, answer = threading.Event(), threading.Event(), []

    def body():
        isolate.unshare(isolate.CLONE_NEWNET)
        act()
        answer.extend((inode("thread-self", "net"), threading.get_native_id()))
        told.set()
        done.wait(30)

    def end():
        done.set()
        thread.join()

    thread = threading.Thread(target=body)
    thread.start()
    check(told.wait(10), "the thread did not get its namespace")
    try:
        yield answer, end
    finally:
        end()


def test_a_namespace_that_only_a_descriptor_holds():
    with target("-u", script=SETUP.replace("ip", "true ip")) as pid:
        descriptor, number = os.open(f"/proc/{pid}/ns/uts", os.O_RDONLY | os.O_CLOEXEC), inode(pid, "uts")
    try:
        row = eventually(lambda: next((row for row in [listed()[number]] if row["Processes"] == 0), None), what="a held namespace")
        equal((row["HeldBy"], row["Path"]), ("descriptor", f"/proc/{os.getpid()}/fd/{descriptor}"))
        equal(shown(number)["uts"]["content"]["hostname"], ["inside"])
    finally:
        os.close(descriptor)


def test_a_namespace_that_only_a_thread_is_in():
    with thread_in_new_network() as ((number, thread), _):
        row = listed()[number]
        equal((row["HeldBy"], row["Path"]), ("thread", f"/proc/{os.getpid()}/task/{thread}/ns/net"))
        equal(set(shown(number)), {"net"})


def test_a_namespace_that_only_a_socket_holds():
    kept = []
    with thread_in_new_network(lambda: kept.append(socket.socket())) as ((number, _), end):
        end()
        row = listed()[number]
        equal((row["HeldBy"], row["Processes"]), ("socket", 0))
        equal(shown(number)["net"]["content"]["links"], ["lo down mtu 65536"])
        kept[0].close()


def test_a_namespace_that_only_a_child_namespace_keeps_alive():
    with target("-Ur", script="unshare -Ur sh -c 'echo ready; exec sleep 99.5'") as pid:
        above = inode(pid, "user")
        eventually(lambda: open(f"/proc/{pid}/task/{pid}/children").read().strip(), what="the child")
        child = int(open(f"/proc/{pid}/task/{pid}/children").read())
        equal(inode(child, "user") != above, True)
        os.kill(pid, 9)
        os.waitpid(pid, 0)  # a zombie is still in its user namespace
        row = eventually(lambda: next((row for row in [listed()[above]] if row["Processes"] == 0), None), what="a namespace kept by its child")
        equal(row["HeldBy"], "relation")
        equal(listed()[inode(child, "user")]["Parent"], str(above), "the parent of the child")
        if row["ID"] != "-":
            contains(shown(above)["user"]["content"]["uid_map"], "0 0 1")


def test_show_draws_the_process_tree():
    with target("-pf", "--kill-child", script="(sleep 98.5; true) & sleep 97.5 & echo ready; exec sleep 99.5") as pid:
        first = eventually(lambda: open(f"/proc/{pid}/task/{pid}/children").read().split(), what="a child")[0]
        claim = lambda: len(shown(first)["pid"]["content"]["processes"]) == 4  # noqa: E731
        eventually(claim, what="four processes")
        tree = shown(first)["pid"]["content"]["processes"]
        equal([len(line) - len(line.lstrip()) for line in tree], [0, 2, 4, 2], f"the depths of {tree}")
        contains(tree[0], f"1 (here {first}) sleep")


def test_show_of_ipc_time_and_cgroup():
    script = "ipcmk -Q >/dev/null; ipcmk -S 3 >/dev/null; ipcmk -M 1000 >/dev/null; sleep 99.5 & echo ready; wait"
    with target("-iCT", "--boottime=604800", "-f", "--kill-child", script=script) as pid:
        child = int(eventually(lambda: open(f"/proc/{pid}/task/{pid}/children").read().split(), what="a child")[0])
        spaces = shown(child)
        contains(spaces["ipc"]["content"]["sem"][0], "semaphores 3")
        contains(spaces["ipc"]["content"]["shm"][0], "bytes 1000")
        equal(spaces["time"]["content"]["offsets"], ["monotonic 0 0", "boottime 604800 0"])
        paths = [line.split(":", 2) for line in open("/proc/self/cgroup").read().splitlines()]
        equal(sorted(spaces["cgroup"]["content"]["roots"]), sorted(f"{name or 'unified'}: {path}" for _, name, path in paths), "its roots")


def test_ls_names_owners_and_relatives():
    with target("-Urn") as pid:
        rows = {json.loads(line)["Inode"]: json.loads(line) for line in hull("ns", "ls", "--format", "json").ok().out.splitlines()}
        user, net = str(inode(pid, "user")), str(inode(pid, "net"))
        equal(rows[net]["UserNs"], user, "the owner of the network")
        equal(rows[user]["Parent"], str(inode(os.getpid(), "user")), "the parent of the user namespace")
        equal(rows[str(inode(os.getpid(), "user"))]["Owner"], "host", "the owner of the first user namespace")
        contains(rows[net]["Owner"], str(pid))
        hull("ns", "ls", "-q", "-t", "user").ok().out_contains(user)
        hull("ns", "ls", "--format", "{{.Kind}} {{.Inode}}").ok().out_contains(f"net {net}")
        lacks(hull("ns", "ls", "-t", "uts").ok().out, f"{net} ")


def test_bad_words():
    hull("ns", "ls", "-t", "foo").exits(1).one_line_error()
    hull("ns", "show", "no-such-container").exits(1).one_line_error().err_contains("hull ps")
    hull("ns", "show", "4026539999").exits(1).one_line_error()


def test_an_ordinary_user_sees_what_stands_in_his_own():
    with target("-Urn", script="ip link set lo up; echo ready; exec sleep 99.5", user=SPARE_UID) as pid:
        out = run(readable_copy(), "ns", "show", "--format", "json", pid, user=SPARE_UID, cwd="/").ok().out
        spaces = {ns["kind"]: ns for ns in json.loads(out)["namespaces"]}
        contains(spaces["net"]["content"]["addresses"], "lo 127.0.0.1/8")
        equal(spaces["user"]["content"]["uid_map"], [f"0 {SPARE_UID} 1"])


def test_an_ordinary_user_is_told_what_is_missing():
    with target("-nu") as pid:
        out = run(readable_copy(), "ns", "show", pid, user=SPARE_UID, cwd="/").fails(1, "Permission denied").one_line_error()
        contains(out.err, "CAP_SYS_PTRACE")
