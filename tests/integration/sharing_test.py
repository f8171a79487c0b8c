"""Namespaces between containers, with the host and by path: what is one is one, what is not is not."""
import os
import subprocess

from lib.hull import check, container, equal, hull, inspect, namespace_of, scratch

KINDS = ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time")
SLEEP = ("busybox", "sleep", "600")


def inodes(name):
    pid = inspect(name, "{{.State.Pid}}")
    return {kind: namespace_of(pid, kind) for kind in KINDS}


def shared(one, two):
    return {kind for kind in KINDS if one[kind] == two[kind]}


def test_a_container_has_its_own_and_shares_user_and_time_with_the_host():
    with container("--name=one", "--net=none", *SLEEP):
        host = {kind: namespace_of("self", kind) for kind in KINDS}
        equal(shared(inodes("one"), host), {"user", "time"})


def test_network_of_another_container():
    with container("--name=db", "--net=none", *SLEEP):
        with container("--name=web", "--net=container:db", *SLEEP):
            equal(shared(inodes("db"), inodes("web")), {"net", "user", "time"})
            equal(hull("exec", "web", "cat", "/etc/hosts").ok().out, hull("exec", "db", "cat", "/etc/hosts").ok().out)
            hull("exec", "-d", "db", "sh", "-c", "echo hello | nc -l -p 99").ok()
            hull("exec", "web", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do nc 127.0.0.1 99 </dev/null && exit; sleep 0.1; done; exit 1").ok().out_is("hello\n")


def test_pid_namespace_of_another_container():
    with container("--name=db", "--net=none", *SLEEP):
        with container("--name=spy", "--net=none", "--pid=container:db", "busybox", "sh", "-c", "sleep 600"):
            equal(shared(inodes("db"), inodes("spy")), {"pid", "user", "time"})
            check("sleep 600" in hull("exec", "spy", "ps").ok().out, "it sees the other's processes")
            hull("rm", "-f", "db").ok()
            equal(inspect("spy", "{{.State.Status}}"), "exited", "the sharer of a pid namespace ends with it")


def test_ipc_uts_and_cgroup_of_another_container():
    with container("--name=db", "--net=none", "--hostname=shared", *SLEEP):
        with container("--name=web", "--net=none", "--ipc=container:db", "--uts=container:db", "--cgroupns=container:db", *SLEEP):
            equal(shared(inodes("db"), inodes("web")), {"ipc", "uts", "cgroup", "user", "time"})
            hull("exec", "web", "hostname").ok().out_is("shared\n")


def test_host_namespaces():
    with container("--name=open", "--net=host", "--pid=host", "--ipc=host", "--uts=host", "--cgroupns=host", *SLEEP):
        host = {kind: namespace_of("self", kind) for kind in KINDS}
        equal(shared(inodes("open"), host), {"net", "pid", "ipc", "uts", "cgroup", "user", "time"})


def test_by_path():
    keeper = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        path = f"/proc/{keeper.pid}/ns/net"
        host = namespace_of("self", "net")
        while os.readlink(path) == host:
            pass
        with container("--name=joined", f"--net=ns:{path}", *SLEEP):
            equal(inodes("joined")["net"], os.readlink(path))
    finally:
        keeper.kill()
        keeper.wait()


def test_one_flag_for_several_kinds():
    with container("--name=db", "--net=none", *SLEEP):
        with container("--name=web", "--ns", "net=container:db,ipc=container:db,uts=host", *SLEEP):
            equal(shared(inodes("db"), inodes("web")), {"net", "ipc", "user", "time"})
            equal(inodes("web")["uts"], namespace_of("self", "uts"))


def test_a_time_namespace_has_its_own_boot_time():
    hours = hull("run", "--rm", "--net=none", "--ns", "time=+2d", "busybox", "cut", "-d.", "-f1", "/proc/uptime").ok().line
    with open("/proc/uptime") as uptime:
        own = float(uptime.read().split()[0])
    check(abs(int(hours) - own - 2 * 86400) < 60, f"uptime inside {hours}, outside {own}")


def test_a_private_user_namespace():
    result = hull("run", "--rm", "--net=none", "--userns=private", "busybox", "sh", "-c",
                  "id -u; cat /proc/self/uid_map; touch /made && stat -c %u /made; mount -t tmpfs none /mnt 2>&1 | grep -c denied").ok()
    lines = result.out.splitlines()
    equal(lines[0], "0")
    check(lines[1].split()[1] != "0", f"uid 0 is not the host's: {lines[1]}")
    equal(lines[2], "0", "files of its own belong to it")


def test_named_volumes_of_names():
    os.makedirs(scratch("empty"), exist_ok=True)
    hull("run", "--rm", "--net=container:", "busybox", "true").exits(125)
    hull("run", "--rm", "--net=ns:relative", "busybox", "true").exits(125)


def test_who_shares_is_told_although_the_target_is_gone():
    with container("--name=web", "--net=container:later", "busybox", "sleep", "600"):
        equal(hull("ps", "--filter=sharing=later", "--format={{.Names}}").ok().out, "web\n")
        hull("ps", "--filter=sharing=nobody", "--format={{.Names}}").fails(1, "No such container: nobody").one_line_error()


def test_words_that_cannot_be_right_are_refused():
    for words, said in ((("--add-host=a:999.1.1.1",), 'invalid IP address in add-host: "999.1.1.1"'),
                        (("--add-host=a:host-gateway",), "invalid IP address in add-host"),
                        (("--name=self", "--net=container:self"), "container:self is the container itself")):
        hull("run", *words, "busybox", "true").fails(125, said)
    for name in ("host", "none", "123"):
        hull("ns", "create", "net", name).fails(1, f'invalid namespace name "{name}"')


def test_namespaces_of_one_kind_are_listed_with_the_same_owner():
    with container("--name=db", "--net=none", "busybox", "sleep", "600"):
        one = [line.split() for line in hull("ns", "ls", "-t", "net", "--format={{.Inode}} {{.Owner}}").ok().out.splitlines()]
        inode = os.readlink(f"/proc/{inspect('db', '{{.State.Pid}}')}/ns/net")[5:-1]
        equal([" ".join(words[1:]) for words in one if words[0] == inode], ["container db"])


def test_a_set_that_keeps_a_mount_namespace_alone_is_of_no_use():
    hull("ns", "create", "mnt", "lab6").ok()
    hull("run", "--rm", "--ns=lab6", "busybox", "true").fails(125, "keeps a mount namespace alone")
    hull("ns", "rm", "lab6").ok()


def test_a_user_that_the_namespace_does_not_map():
    hull("run", "--rm", "--net=none", "--userns=private", "--user=70000", "busybox", "true").fails(125, "maps no such id")
