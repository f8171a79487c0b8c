"""hull ns diff between containers and processes, running or not: what is one, and in what the others differ."""
import json
import os

from lib.hull import binary, container, contains, equal, hull, inspect, lacks, run, sh

SLEEP = ("busybox", "sleep", "600")
KINDS = {"user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time"}


def compared(a, b, code=1):
    return json.loads(hull("ns", "diff", "--format", "json", a, b).exits(code).out)


def kinds_of(difference, same):
    return {ns["kind"] for ns in difference["namespaces"] if ns["same"] == same}


def only(difference, kind, side):
    return [ns for ns in difference["namespaces"] if ns["kind"] == kind][0][f"only_{side}"]


def pid_of(name):
    return inspect(name, "{{.State.Pid}}")


def test_sharers_are_one_in_what_they_share():
    with container("--name=db", "--net=none", "--ns=time=+1d", *SLEEP), container("--name=web", "--hostname=web", "--net=container:db", *SLEEP):
        difference = compared("db", "web")
        equal(kinds_of(difference, True), {"user", "net"})
        equal(kinds_of(difference, False), KINDS - {"user", "net"})
        contains(only(difference, "time", "a"), "offsets: boottime 86400 0")
        equal(len(only(difference, "uts", "b")), 1, "the host names")
        equal(difference["same"], False)
        equal(kinds_of(compared(pid_of("db"), "db", code=0), True), KINDS, "a container and its process")


def test_sysctls_and_mounts_differ_by_what_was_set():
    with container("--name=one", "--net=none", "--sysctl=net.ipv4.ip_forward=1", "--sysctl=kernel.msgmax=4000", "--tmpfs=/extra", *SLEEP):
        with container("--name=two", "--net=none", "--sysctl=net.ipv4.ip_forward=0", *SLEEP):
            difference = compared("one", "two")
            contains(only(difference, "net", "a"), "sysctls: net.ipv4.ip_forward = 1")
            contains(only(difference, "net", "b"), "sysctls: net.ipv4.ip_forward = 0")
            equal(only(difference, "ipc", "a"), ["sysctls: kernel.msgmax = 4000"])
            contains(" ".join(only(difference, "mnt", "a")), "mounts: /extra tmpfs")
            lacks(json.dumps(difference), "tcp_fastopen_key")


def test_listeners_and_addresses_stand_in_the_difference():
    with container("--name=one", "--net=none", "busybox", "sh", "-c", "ip addr add 10.9.0.1/32 dev lo; nc -ll -p 77"):
        with container("--name=two", "--net=none", "--cap-add=net_admin", "busybox", "sh", "-c", "ip addr add 10.9.0.1/32 dev lo; nc -ll -p 78"):
            hull("exec", "two", "sh", "-c", "until netstat -ltn | grep -q :78; do usleep 20000; done").ok()
            hull("exec", "one", "sh", "-c", "until netstat -ltn | grep -q :77; do usleep 20000; done").ok()
            difference = compared("one", "two")
            contains(" ".join(only(difference, "net", "a")), ":77")
            contains(" ".join(only(difference, "net", "b")), ":78")
            contains(only(difference, "net", "b"), "addresses: lo 10.9.0.1/32")


def test_interfaces_routes_and_id_maps_stand_in_the_difference():
    with container("--name=one", "--net=none", "--uidmap=0:700000:1000", "--gidmap=0:800000:1000", *SLEEP), container("--name=two", "--net=none", *SLEEP):
        inside = ("nsenter", "--net", "--target", pid_of("one"), "ip")
        run(*inside, "link", "add", "v0", "type", "veth", "peer", "name", "v1").ok()
        run(*inside, "address", "add", "10.9.1.1/24", "dev", "v0").ok()
        for end in ("v0", "v1"):
            run(*inside, "link", "set", end, "up").ok()
        run(*inside, "route", "add", "10.10.0.0/16", "via", "10.9.1.2").ok()
        difference = compared("one", "two")
        net, user = " ".join(only(difference, "net", "a")), " ".join(only(difference, "user", "a"))
        for part in ("v0", "addresses: v0 10.9.1.1/24", "10.10.0.0/16", "10.9.1.2"):
            contains(net, part)
        for part in ("700000", "800000"):
            contains(user, part)
        lacks(" ".join(only(difference, "net", "b")), "v0")


def test_capabilities_limits_and_seccomp_set_two_processes_apart():
    with container("--name=one", "--net=none", "--cap-add=net_admin", "--cap-drop=kill", "-m=64m", "--pids-limit=50", "--ulimit=core=0", *SLEEP):
        with container("--name=two", "--net=none", "--security-opt=seccomp=unconfined", *SLEEP):
            process = compared("one", "two")["process"]
            contains(process["only_a"], "capabilities effective: CAP_NET_ADMIN")
            contains(process["only_b"], "capabilities effective: CAP_KILL")
            contains(process["only_a"], "seccomp: filter, 1 of them")
            contains(process["only_b"], "seccomp: none")
            contains(process["only_a"], "limits: Max core file size = 0 0")
            lines = [line for line in process["only_a"] if line.startswith("cgroup limits: ")]
            contains(" ".join(lines), "67108864")
            contains(lines, "cgroup limits: pids.max = 50")


def test_processes_that_share_all_but_not_their_rights_are_one():
    with container("--name=db", "--net=none", *SLEEP):
        hull("exec", "-d", "--privileged", "db", "sleep", "601").ok()
        other = hull("exec", "db", "pidof", "sleep").ok().out.split()
        equal(len(other), 2, "the sleepers")
        outside = [pid for pid in os.listdir("/proc") if pid.isdigit() and open(f"/proc/{pid}/cmdline").read() == "sleep\x00601\x00"]
        text = hull("ns", "diff", "db", outside[0]).exits(0).out
        contains(text, "+ capabilities effective: ")
        lacks(text, "differs")


def test_what_a_stopped_container_keeps_is_compared():
    with container("--name=db", "--net=none", "--hostname=mine", *SLEEP), container("--name=web", "--hostname=web", "--net=container:db", *SLEEP):
        hull("stop", "-t", "0", "db").ok()
        difference = compared("db", "web")
        equal(kinds_of(difference, True), {"net"})
        equal(kinds_of(difference, False), {"cgroup", "ipc", "uts"})
        contains(only(difference, "uts", "a"), "hostname: mine")
        hull("ns", "show", "db").ok().out_contains("mine")
        hull("stop", "-t", "0", "web").ok()
        equal(kinds_of(compared("db", "web"), True), {"net"}, "both stopped")


def test_a_number_is_a_process_even_if_an_id_begins_with_it():
    with container("--name=db", "--net=none", *SLEEP):
        digits = [inspect("db", "{{.Id}}")[:length] for length in range(1, 12)]
        for number in [digit for digit in digits if digit.isdigit() and digit[0] != "0"]:
            if not os.path.exists(f"/proc/{number}"):
                hull("ns", "diff", number, number).exits(2).one_line_error()
        equal(compared(pid_of("db"), "db", code=0)["a"], "container db")


def test_names_are_compared_with_names_containers_and_processes():
    hull("ns", "create", "net,uts", "lab").ok()
    try:
        with container("--name=db", "--ns=net=ns:lab", *SLEEP):
            difference = compared("lab", "db")
            equal(kinds_of(difference, True), {"net"})
            equal(kinds_of(difference, False), {"uts"}, "only what the name has is compared")
            equal(kinds_of(compared(os.getpid(), "ns:lab"), False), {"net", "uts"})
        hull("ns", "create", "net", "other").ok()
        try:
            difference = compared("lab", "other")
            equal(kinds_of(difference, False), {"net", "uts"}, "what one of two names lacks differs")
            hull("ns", "diff", "lab", "other").exits(1).out_contains("uts     only in A")
        finally:
            hull("ns", "rm", "other").ok()
        hull("ns", "diff", "lab", "lab").exits(0)
    finally:
        hull("ns", "rm", "lab").ok()


def test_formats_and_errors():
    hull("ns", "diff", "--format", "{{.same}} {{range .namespaces}}{{.kind}},{{end}}", os.getpid(), os.getpid()).ok().out_is("true user,cgroup,ipc,uts,net,pid,mnt,time,\n")
    hull("ns", "diff", "--format", "{{", os.getpid(), os.getpid()).exits(2).one_line_error()
    hull("ns", "diff", "ns:absent", os.getpid()).exits(2).one_line_error()
    hull("ns", "diff", "ns:../../etc", os.getpid()).exits(2).one_line_error()
    hull("create", "--name=never", "--net=none", *SLEEP).ok()
    hull("ns", "diff", "never", os.getpid()).exits(2).one_line_error()
    hull("rm", "never").ok()


def test_an_answer_that_cannot_be_written_is_trouble():
    with container("--name=db", "--net=none", *SLEEP), container("--name=web", "--net=none", *SLEEP):
        sh(f"{binary()} ns diff db web > /dev/full").exits(2).err_contains("No space left on device")
