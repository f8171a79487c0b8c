"""A container's namespaces belong to its record: they outlive its process, and sharers keep what they share."""
import fcntl
import itertools
import json
import os
import signal
import threading

from lib.hull import busybox_rootfs, check, container, contains, equal, eventually, hull, inspect, namespace_of, readable_copy, run, scratch

KEPT = ("net", "ipc", "uts", "cgroup")
SLEEP = ("busybox", "sleep", "600")


def pid_of(name):
    return int(inspect(name, "{{.State.Pid}}"))


def inode(name, kind):
    return namespace_of(pid_of(name), kind)


def kept(name, kinds=KEPT):
    return {kind: inode(name, kind) for kind in kinds}


def unique_id(name, kind):
    """The kernel's 64-bit id, which is never used again as inodes are; where it has none, the inode and the process."""
    with open(f"/proc/{pid_of(name)}/ns/{kind}") as ns:
        value = bytearray(8)
        try:
            fcntl.ioctl(ns, 0x8008b70d, value)
        except OSError:
            return os.fstat(ns.fileno()).st_ino, pid_of(name)
        return bytes(value)


def ended(name):
    eventually(lambda: inspect(name, "{{.State.Status}}") == "exited")


def test_every_end_of_the_process_keeps_the_ids():
    with container("--name=db", "--ns=user=private,time=+1d", *SLEEP):
        kinds = KEPT + ("user", "time")
        before = kept("db", kinds)
        hull("restart", "-t", "0", "db").ok()
        equal(kept("db", kinds), before, "after restart")
        hull("stop", "-t", "0", "db").ok()
        hull("start", "db").ok()
        equal(kept("db", kinds), before, "after stop and start")
        os.kill(pid_of("db"), signal.SIGKILL)
        ended("db")
        hull("start", "db").ok()
        equal(kept("db", kinds), before, "after the process was killed")
        shim = int(open(f"/proc/{pid_of('db')}/status").read().split("PPid:")[1].split()[0])
        os.kill(shim, signal.SIGKILL)
        hull("kill", "db").ok()
        hull("start", "db").ok()
        equal(kept("db", kinds), before, "after the shim was killed")
        hull("exec", "db", "sh", "-c", "echo yes > /etc/mine && id -u").ok().out_is("0\n")
        hull("restart", "-t", "0", "db").ok()
        hull("exec", "db", "cat", "/etc/mine").ok().out_is("yes\n")


def test_pid_and_mount_are_made_anew_and_hull_says_so():
    with container("--name=db", *SLEEP):
        before = unique_id("db", "pid"), unique_id("db", "mnt")
        namespaces = json.loads(inspect("db", "{{json .Namespaces}}"))
        equal({kind for kind, ns in namespaces.items() if ns["Lasts"] == "record"}, set(KEPT))
        equal({kind for kind, ns in namespaces.items() if ns["Lasts"] == "process"}, {"pid", "mnt"})
        with container("--name=spy", "--pid=container:db", *SLEEP):
            hull("restart", "-t", "0", "db").ok().err_contains("the pid namespace of db ends with its process")
        after = unique_id("db", "pid"), unique_id("db", "mnt")
        check(before[0] != after[0] and before[1] != after[1], f"{before} {after}")


def test_an_oom_kill_keeps_them_and_is_counted_once():
    hull("run", "--name=hog", "-m", "16m", "busybox", "sh", "-c",
         "[ -e /tmp/again ] && exec sleep 600; touch /tmp/again; dd if=/dev/zero of=/dev/null bs=64M count=1").exits(137)
    equal(inspect("hog", "{{.State.OOMKilled}}"), "true")
    pinned = json.loads(inspect("hog", "{{json .Namespaces}}"))
    hull("start", "hog").ok()
    equal({kind: str(pinned[kind]["Inode"]) for kind in KEPT}, {kind: str(ino) for kind, ino in ((k, json.loads(inspect("hog", "{{json .Namespaces}}"))[k]["Inode"]) for k in KEPT)})
    hull("kill", "hog").ok()
    equal(inspect("hog", "{{.State.OOMKilled}}"), "false", "the second run was not killed for memory")
    hull("rm", "hog").ok()


def test_a_target_that_is_made_again_takes_back_what_its_sharers_hold():
    for rm in ((), ("--rm",)):
        hull("run", "-d", "--name=db", "--hostname=first", *rm, *SLEEP).ok()
        with container("--name=web", "--net=container:db", "--ipc=container:db", "--uts=container:db", *SLEEP):
            before = kept("web", ("net", "ipc", "uts"))
            hull("rm", "-f", "db").ok()
            equal(kept("web", before), before)
            hull("run", "-d", "--name=db", "--hostname=second", *rm, *SLEEP).ok().err_contains("takes back the network namespace that web holds")
            equal(kept("db", before), before)
            hull("exec", "web", "hostname").ok().out_is("second\n")
            hull("rm", "-f", "db").ok()


def test_what_cannot_be_taken_back_is_refused_before_anything_starts():
    hull("create", "--name=db", "--ns=user=private,time=+1d", *SLEEP).ok()
    with container("--name=web", "--net=container:db", "--ns=time=container:db,user=container:db", *SLEEP):
        hull("rm", "db").ok()
        own = "--ns=user=private,time=+1d"
        for flags, said in ((("--net=host", own), "it asks for the host's network namespace"),
                            (("--ns=user=private,time=+1h",), "ahead there"),
                            (("--ns=time=+1d", "--uidmap=0:5000000:10"), "its ids are mapped as"),
                            (("--ns=time=+1d",), "it asks for the host's user namespace")):
            hull("run", "-d", "--name=db", *flags, *SLEEP).fails(125, said).one_line_error().err_contains("--strict-ns")
            equal(inspect("db", "{{.State.Status}} {{.State.Pid}}"), "created 0")
            hull("rm", "db").ok()
        hull("run", "-d", "--name=db", "--strict-ns", "--net=host", *SLEEP).ok().quiet()
        hull("rm", "-f", "db").ok()
        hull("run", "-d", "--name=db", own, *SLEEP).ok()
        equal(kept("db", ("net", "user", "time")), kept("web", ("net", "user", "time")))
        hull("rm", "-f", "db").ok()


def test_a_target_made_again_says_what_its_settings_change_for_its_sharers():
    with container("--name=web", "--net=container:db", *SLEEP):
        made = hull("run", "-d", "--name=db", "--sysctl=net.core.somaxconn=333", "--sysctl=kernel.shmmni=99", *SLEEP).ok()
        contains(made.err, "sets net.core.somaxconn to 333 there, for web too")
        check("kernel.shmmni" not in made.err, "its ipc namespace is its own")
        hull("exec", "web", "cat", "/proc/sys/net/core/somaxconn").ok().out_is("333\n")
        hull("rm", "-f", "db").ok()


def test_what_is_refused_can_be_started_strictly_this_once():
    with container("--name=web", "--net=container:db", *SLEEP):
        hull("run", "-d", "--name=db", "--net=host", *SLEEP).fails(125, "start with --strict-ns")
        hull("start", "db").fails(1, "start with --strict-ns").one_line_error()
        hull("start", "--strict-ns", "db").ok().quiet()
        equal(inode("db", "net"), namespace_of("self", "net"))
        hull("rm", "-f", "db").ok()


def test_an_ordinary_users_sharing_ends_with_its_target_and_hull_says_so():
    root, home, program = busybox_rootfs(scratch("rootfs")), scratch("home"), readable_copy()
    os.makedirs(home)
    run("chown", "-R", "1000:1000", home, root).ok()
    env = {"HULL_ROOT": f"{home}/root", "HULL_RUN": f"{home}/run", "HOME": home}

    def theirs(*words):
        return run(program, *words, user=1000, env=env)
    theirs("run", "-d", "--net=container:db", "--rootfs", root, "sleep", "600").fails(125, "No such container: db; start it first").one_line_error()
    for record in theirs("ps", "-aq").ok().out.split():
        theirs("rm", "-f", record).ok()
    theirs("run", "-d", "--name=db", "--rootfs", root, "sleep", "600").ok()
    try:
        shared = theirs("run", "-d", "--name=web", "--net=container:db", "--userns=container:db", "--rootfs", root, "sleep", "600").ok()
        contains(shared.err, "shares the network namespace of db until that ends")
    finally:
        theirs("rm", "-f", "web", "db")


def test_ids_and_clocks_are_not_promised_for_one_that_does_not_exist():
    for kind in ("user", "time"):
        hull("run", "--rm", f"--ns={kind}=container:nobody", *SLEEP).fails(125, "hull create --name=nobody").one_line_error()


def test_a_namespace_owned_by_another_user_namespace_is_not_taken_back():
    with container("--name=web", "--net=container:db", *SLEEP):
        hull("run", "-d", "--name=db", "--userns=private", *SLEEP).fails(125, "another user namespace owns it").one_line_error()
        hull("rm", "db").ok()


def test_a_target_that_does_not_run_is_promised_its_namespaces():
    with container("--name=web", "--net=container:db", "--ipc=container:db", *SLEEP) as web:
        with container("--name=log", "--net=container:db", *SLEEP):
            with container("--name=db", *SLEEP):
                equal({inode(name, "net") for name in ("db", "web", "log")}, {inode("db", "net")})
                equal(inode("db", "ipc"), inode("web", "ipc"))
                hull("exec", "db", "ip", "link", "show", "lo").ok().out_contains("UP")
    hull("create", "--name=db", *SLEEP).ok()
    with container("--name=web", "--net=container:db", *SLEEP):
        hull("start", "db").ok()
        equal(inode("db", "net"), inode("web", "net"))
        hull("stop", "-t", "0", "db").ok()
        with container("--name=late", "--net=container:db", *SLEEP):
            equal(inode("late", "net"), inode("web", "net"))
    hull("rm", "-f", "db").ok()


def test_strict_ns_is_dockers_way():
    hull("run", "-d", "--strict-ns", "--net=container:db", *SLEEP).fails(125, "No such container: db").one_line_error()
    hull("create", "--name=db", *SLEEP).ok()
    hull("run", "--rm", "--strict-ns", "--net=container:db", *SLEEP).fails(125, "cannot join network of a non running container: db").one_line_error()
    hull("rm", "-f", "db").ok()
    for record in hull("ps", "-aq").ok().out.split():
        hull("rm", "-f", record).ok()


PROMISED = ("net", "ipc", "uts")  # whose settings nobody has to know beforehand


def shares(target):
    return [f"--{kind}=container:{target}" for kind in PROMISED]


def are_in_one_of_each(names, order):
    equal({kind: len({inode(name, kind) for name in names}) for kind in PROMISED}, dict.fromkeys(PROMISED, 1), f"one namespace in the order {order}")


def test_four_in_a_circle_end_in_one_namespace_in_every_order():
    names = ("aa", "bb", "cc", "dd")
    for order in itertools.permutations(names):
        for i, name in enumerate(names):
            hull("create", f"--name={name}", *shares(names[(i + 1) % 4]), *SLEEP).ok()
        for name in order:
            hull("start", name).ok()
        are_in_one_of_each(names, order)
        hull("rm", "-f", *names).ok()


def test_four_in_a_row_end_in_one_namespace_in_every_order():
    links = {"aa": (), "bb": shares("aa"), "cc": shares("bb"), "dd": shares("cc")}
    for order in itertools.permutations(links):
        for name, flags in links.items():
            hull("create", f"--name={name}", *flags, *SLEEP).ok()
        for name in order:
            hull("start", name).ok()
        are_in_one_of_each(links, order)
        hull("rm", "-f", *links).ok()


def test_three_sharers_and_their_target_run_in_every_order():
    flags = {"db": (), "x1": shares("db"), "x2": shares("db"), "x3": shares("db")}
    for order in itertools.permutations(flags):
        for name in order:
            hull("run", "-d", f"--name={name}", *flags[name], *SLEEP).ok()
        are_in_one_of_each(flags, order)
        hull("rm", "-f", *order).ok()


def at_once(*commands):
    results = [None] * len(commands)

    def one(i):
        results[i] = hull(*commands[i])
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        result.ok()


def test_started_at_once_they_still_end_in_one_namespace():
    for _ in range(8):
        at_once(("run", "-d", "--name=web", "--net=container:db", *SLEEP), ("run", "-d", "--name=db", *SLEEP),
                ("run", "-d", "--name=log", "--net=container:db", *SLEEP))
        equal(len({inode(name, "net") for name in ("db", "web", "log")}), 1)
        hull("rm", "-f", "db", "web", "log").ok()
        at_once(("run", "-d", "--name=aa", "--net=container:bb", *SLEEP), ("run", "-d", "--name=bb", "--ipc=container:aa", *SLEEP))
        equal((inode("aa", "net"), inode("bb", "ipc")), (inode("bb", "net"), inode("aa", "ipc")))
        hull("rm", "-f", "aa", "bb").ok()


def test_a_target_may_be_renamed():
    hull("run", "-d", "--name=db", *SLEEP).ok()
    with container("--name=web", "--net=container:db", *SLEEP):
        before = inode("db", "net")
        hull("rename", "db", "main").ok()
        hull("restart", "-t", "0", "web").ok().quiet()
        equal(inode("web", "net"), before)
        hull("rm", "-f", "main").ok()
        with container("--name=main", *SLEEP):
            equal(inode("main", "net"), before)


def test_ps_and_inspect_say_who_shares_with_whom():
    with container("--name=db", *SLEEP):
        with container("--name=web", "--net=container:db", *SLEEP), container("--name=other", *SLEEP):
            hull("ps", "--filter", "sharing=db", "--format", "{{.Names}} {{.Sharing}}").ok().out_is("web net:db\n")
            hull("ps", "-a", "--filter", "sharing=other", "-q").ok().out_is("")
            equal(inspect("db", "{{json .Namespaces.net.SharedWith}}"), '["web"]')
            hull("stop", "-t", "0", "db").ok()
            equal(inspect("web", "{{json .Namespaces.net.SharedWith}}"), '["db"]')
            hull("ps", "--filter", "sharing=none-such", "-q").fails(1, "No such container: none-such")


def test_names_of_ones_own_with_a_shared_network():
    with container("--name=db", "--hostname=main", "--add-host=peer:10.1.2.3", "--dns=10.9.9.9", *SLEEP):
        with container("--name=web", "--net=container:db", "--hostname=front", "--add-host=cache:10.0.0.7", "--dns=10.0.0.2",
                       "--dns-search=lan", "--dns-option=ndots:3", *SLEEP):
            hull("exec", "web", "hostname").ok().out_is("front\n")
            hosts = hull("exec", "web", "cat", "/etc/hosts").ok().out
            check("10.0.0.7\tcache" in hosts and "10.1.2.3\tpeer" in hosts and "main" in hosts, hosts)
            resolv = hull("exec", "web", "cat", "/etc/resolv.conf").ok().out
            check("nameserver 10.0.0.2" in resolv and "10.9.9.9" not in resolv and "search lan" in resolv and "options ndots:3" in resolv, resolv)
            check("cache" not in hull("exec", "db", "cat", "/etc/hosts").ok().out, "the other's names are its own")
    hull("run", "--rm", "--dns=here", *SLEEP).fails(125, "is not an ip address").one_line_error()
    hull("run", "--rm", "--add-host=x", *SLEEP).fails(125, "bad format for add-host").one_line_error()


def test_removal_leaves_no_pin_and_no_index():
    with container("--name=db", *SLEEP):
        with container("--name=web", "--net=container:db", *SLEEP):
            pass
    mounts = open("/proc/self/mountinfo").read()
    check("/ns/@" not in mounts and "/ns " not in mounts.replace("/proc", ""), mounts)
