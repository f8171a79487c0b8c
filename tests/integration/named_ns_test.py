"""Namespaces with names: made, pinned, used everywhere, seen by ip, and gone without a trace."""
import ctypes
import json
import os
import signal
import struct

from lib.hull import Skip, check, container, contains, equal, eventually, hull, hull_run, inspect, namespace_of, run, sanitized

KINDS = ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time")
SLEEP = ("busybox", "sleep", "600")


def pin(name, kind):
    return f"{hull_run()}/ns/{name}/{kind}"


def inode(name, kind):
    return f"{kind}:[{os.stat(pin(name, kind)).st_ino}]"


def record(name):
    with open(f"{hull_run()}/ns/{name}/record.json") as file:
        return json.load(file)


def pid_of(name):
    return int(inspect(name, "{{.State.Pid}}"))


def has_ended(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def no_trace():
    check(f"{hull_run()}/ns" not in open("/proc/self/mountinfo").read(), "no mount of the store is left")
    equal([name for name in os.listdir(f"{hull_run()}/ns")], [])
    links = os.listdir("/run/netns") if os.path.exists("/run/netns") else []
    equal([name for name in links if os.readlink(f"/run/netns/{name}").startswith(hull_run())], [])


def test_each_kind_is_made_kept_used_and_removed():
    for kind in KINDS:
        hull("ns", "create", kind, "lab").ok().out_is("lab\n")
        check(os.stat(pin("lab", kind)).st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino, f"{kind} is new")
        kept = record("lab")["pins"][kind]
        equal(kept["inode"], os.stat(pin("lab", kind)).st_ino)
        equal(record("lab")["boot_id"], open("/proc/sys/kernel/random/boot_id").read().strip())
        check(kept["owner"] in (os.stat("/proc/self/ns/user").st_ino, 0), "the owner's user namespace")
        hull("ns", "show", "lab").ok().out_contains(str(kept["inode"]))
        if kind != "user":  # util-linux enters it with the id maps' root
            hull("nsenter", f"--{'mount' if kind == 'mnt' else kind}=lab", "readlink", f"/proc/self/ns/{kind}").ok().out_is(inode("lab", kind) + "\n")
        hull("ns", "rm", "lab").ok()
    no_trace()


def test_a_user_namespace_owns_the_others_of_its_set():
    hull("ns", "create", ",".join(KINDS), "all", "--map", "0:200000:1000", "--time", "+1d").ok()
    owners = {kind: pinned["owner"] for kind, pinned in record("all")["pins"].items()}
    equal({owner for kind, owner in owners.items() if kind != "user"}, {record("all")["pins"]["user"]["inode"]})
    with container("--name=guest", "--ns=all", *SLEEP):
        for kind in set(KINDS) - {"mnt"}:
            equal(namespace_of(pid_of("guest"), kind), inode("all", kind), kind)
        contains(open(f"/proc/{pid_of('guest')}/uid_map").read().split(), "200000")
        contains(open(f"/proc/{pid_of('guest')}/timens_offsets").read(), "86400")
        hull("exec", "guest", "ps").ok().out_contains("hull-init")
    hull("ns", "rm", "all").ok()
    no_trace()


def test_a_name_is_taken_wherever_a_namespace_is_named():
    hull("ns", "create", "net,uts,ipc", "lab", "--label", "team=net", "--label", "empty").ok()
    for flags in (("--ns=lab",), ("--ns=net=lab,uts=lab,ipc=lab",), ("--net=ns:lab", "--uts=ns:lab", "--ipc=ns:lab")):
        with container("--name=one", *flags, *SLEEP):
            equal({kind: namespace_of(pid_of("one"), kind) for kind in ("net", "uts", "ipc")}, {kind: inode("lab", kind) for kind in ("net", "uts", "ipc")})
    with container("--name=one", "--net=ns:lab", *SLEEP):
        hull("ns", "rm", "lab").fails(1, "is what container one is made to use").one_line_error()
        hull("ns", "diff", "one", "lab").exits(1)
    hull("ns", "ls", "--named", "--format", "{{.Kind}} {{.Name}} {{.Labels}}").ok().out_contains("net lab empty=,team=net")
    equal(len(hull("ns", "ls", "-q", "-f", "label=team=net").ok().out.split()), 3)
    hull("ns", "ls", "-q", "-f", "label=team=other").ok().out_is("")
    hull("ns", "ls", "-f", "colour=red").fails(1, "invalid filter").one_line_error()
    hull("ns", "rename", "lab", "bench").ok()
    check(os.path.exists(pin("bench", "net")) and not os.path.exists(pin("lab", "net")), "renamed")
    hull("ns", "prune", "--force").ok().out_is("bench\n")
    no_trace()


def test_a_name_that_ip_netns_knows_for_another_is_said():
    os.makedirs("/run/netns", exist_ok=True)
    open("/run/netns/lab", "w").close()  # as `ip netns add lab` leaves it, but for the mount
    try:
        hull("ns", "create", "net", "lab").ok().err_contains("/run/netns/lab was there before")
        hull("ns", "create", "net", "bench").ok().quiet()
        hull("ns", "rename", "lab", "own").ok().quiet()
        hull("ns", "rename", "bench", "lab").ok().err_contains("/run/netns/lab was there before")
        hull("ns", "rm", "lab", "own").ok()
    finally:
        os.unlink("/run/netns/lab")
        if not os.listdir("/run/netns"):
            os.rmdir("/run/netns")


def test_a_kind_is_given_once():
    hull("ns", "create", "net,uts,net", "lab").exits(1).one_line_error().err_contains("'net' is given twice")
    hull("ns", "create", "time", "--time=-100000d", "lab").exits(1).one_line_error().err_contains("choose a smaller offset")


def test_ip_netns_sees_names_and_containers():
    hull("ns", "create", "net", "lab").ok()
    with container("--name=web", *SLEEP):
        names = run("ip", "netns", "list").ok().out
        check("lab" in names.split() and "web" in names.split(), names)
        run("ip", "netns", "exec", "lab", "readlink", "/proc/self/ns/net").ok().out_is(inode("lab", "net") + "\n")
        run("ip", "netns", "exec", "web", "readlink", "/proc/self/ns/net").ok().out_is(namespace_of(pid_of("web"), "net") + "\n")
    hull("ns", "rm", "lab").ok()
    no_trace()


def test_what_runs_can_be_pinned_and_outlives_its_container():
    with container("--name=db", *SLEEP):
        before = {kind: namespace_of(pid_of("db"), kind) for kind in ("net", "uts")}
        hull("ns", "pin", "db", "--net", "kept").ok()
        hull("ns", "pin", str(pid_of("db")), "--uts", "kept").ok()
        hull("ns", "pin", "db", "--net", "kept").fails(1, "keeps a net namespace already").one_line_error()
        hull("ns", "pin", "db", "kept2").fails(1, "say which namespaces").one_line_error()
    equal({kind: inode("kept", kind) for kind in before}, before)
    hull("run", "--rm", "--net=ns:kept", "busybox", "readlink", "/proc/self/ns/net").ok().out_is(before["net"] + "\n")
    hull("ns", "unpin", "--net", "kept").ok()
    check(not os.path.exists(pin("kept", "net")), "the net namespace is let go")
    hull("ns", "unpin", "kept").ok()
    no_trace()


def test_a_pid_namespace_is_held_and_goes_with_its_name():
    hull("ns", "create", "pid", "world").ok()
    holder = record("world")["holder"]["pid"]
    contains(open(f"/proc/{holder}/comm").read(), "hull-init")
    with container("--name=guest", "--pid=ns:world", *SLEEP):
        hull("ns", "rm", "world").fails(1, "container guest").one_line_error()
    inside = hull("nsenter", "--pid=world", "sh", "-c", "echo $$").ok().line
    check(inside != "1" and int(inside) < 100, f"a process of its own world: {inside}")
    hull("ns", "rm", "world").ok()
    eventually(lambda: has_ended(holder), what="the holder has ended")
    no_trace()


def test_processes_are_not_killed_without_force():
    hull("ns", "create", "pid", "world").ok()
    import subprocess
    from lib import ledger
    from lib.hull import binary, environment
    guest = subprocess.Popen([binary(), "nsenter", "--pid=world", "sh", "-c", "echo in; exec sleep 600"], env=environment(), stdout=subprocess.PIPE)
    ledger.KNOWN_CHILDREN.add(guest.pid)
    try:
        equal(guest.stdout.readline(), b"in\n")
        hull("ns", "rm", "world").fails(1, "1 process in").one_line_error()
        hull("ns", "prune", "-f").ok().out_is("")
        hull("ns", "rm", "--force", "world").ok()
        check(guest.wait(5) != 0, "it died with its namespace")
    finally:
        guest.kill()
        guest.wait()
        ledger.KNOWN_CHILDREN.discard(guest.pid)
    no_trace()


def open_handle(text):
    kind, data = text.split(":")
    data = bytes.fromhex(data)
    buffer = struct.pack("Ii", len(data), int(kind)) + data
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as any_ns:
        fd = libc.open_by_handle_at(any_ns.fileno(), buffer, os.O_RDONLY)
    return fd, ctypes.get_errno()


def test_the_handle_is_stale_after_rm():
    hull("ns", "create", "net", "lab").ok()
    handle = record("lab")["pins"]["net"]["handle"]
    if not handle:
        hull("ns", "rm", "lab").ok()
        raise Skip("kernel has no file handles of namespaces (Linux 6.18)")
    fd, _ = open_handle(handle)
    check(fd >= 0, "the handle opens the namespace")
    equal(os.fstat(fd).st_ino, record("lab")["pins"]["net"]["inode"])
    os.close(fd)
    hull("ns", "rm", "lab").ok()
    eventually(lambda: open_handle(handle)[1] == 116, what="ESTALE")


def test_ids_outlive_every_process_of_ours():
    hull("ns", "create", "net,uts", "lab").ok()
    before = {kind: inode("lab", kind) for kind in ("net", "uts")}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open(f"/proc/{entry}/comm").read().startswith("hull"):
                os.kill(int(entry), signal.SIGKILL)
        except OSError:
            continue
    equal({kind: inode("lab", kind) for kind in before}, before)
    hull("ns", "rm", "lab").ok()


def test_a_thousand_names_leave_no_mount():
    mounts = open("/proc/self/mountinfo").read()
    for number in range(100 if sanitized() else 1000):
        result = hull("ns", "create", ("net", "uts", "ipc")[number % 3], f"n{number % 7}")
        if result.code != 0:
            hull("ns", "rm", f"n{number % 7}").ok()
            result = hull("ns", "create", "uts", f"n{number % 7}").ok()
        hull("ns", "rm", f"n{number % 7}").ok()
    equal(open("/proc/self/mountinfo").read(), mounts)
    no_trace()


def test_bad_input_gets_one_line():
    for words, text in ((("create", "nte", "x"), "unknown namespace kind 'nte'"), (("create", "net", "a/b"), "invalid namespace name"),
                        (("create", "net", "x", "--time", "+1d"), "--time goes with a time namespace"),
                        (("create", "net", "x", "--map", "0:1:1"), "--map goes with a user namespace"),
                        (("create", "user", "x", "--map", "5:1:1"), "id 0 of the new user namespace must be mapped"),
                        (("create", "time", "x", "--time", "soon"), "invalid time offset"), (("create", "net", "x", "--label", "=y"), "has no key"),
                        (("rm", "nobody"), "no such namespace name: nobody"), (("rename", "nobody", "x"), "no such namespace name"),
                        (("unpin", "nobody"), "no such namespace name"), (("pin", "nobody", "--net", "x"), "'nobody' is no container"),
                        (("unpin", "--net", "../x"), "invalid namespace name"), (("rm", "../../etc"), "invalid namespace name")):
        hull("ns", *words).fails(1, text).one_line_error()
    hull("ns", "create", "net", "x").ok()
    hull("ns", "create", "net", "x").fails(1, "already in use").one_line_error()
    hull("run", "--rm", "--ns=nobody", *SLEEP).fails(125, "no such namespace name").one_line_error()
    hull("run", "--rm", "--net=ns:nobody", *SLEEP).fails(125).one_line_error()
    hull("ns", "rm", "x").ok()
    no_trace()


test_a_thousand_names_leave_no_mount.timeout = 180
