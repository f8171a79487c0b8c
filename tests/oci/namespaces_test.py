"""linux.namespaces, mappings, offsets, sysctl and names: which namespace the program is in, and what it is like there."""
import contextlib
import os
import re
import subprocess

from lib.bundle import bundle, container, oci, quiet_oci, run_bundle, state
from lib.hull import background, check as claim, contains, equal, eventually, namespace_of
from lib.oci_cases import BOTH, Case, agree, check

KINDS = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup", "user": "user", "time": "time"}


def device(name, *addresses):
    def make():
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], check=True)
        for address in addresses:
            subprocess.run(["ip", "address", "add", address, "dev", name], check=True)
        return {}
    return make


def remove_devices():
    for name in ("moved0", "moved1"):  # a peer that leaves them where they are
        subprocess.run(["ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)


def without(kind):
    def patch(c):
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != kind]
        if kind == "uts":
            c.pop("hostname")
        if kind == "network":
            c["mounts"] = [m for m in c["mounts"] if m["type"] != "sysfs"]
    return patch


def new(kind, **linux):
    return lambda c: (c["linux"]["namespaces"].append({"type": kind}), c["linux"].update(linux)) and None


def inode(kind):
    return f"readlink /proc/self/ns/{KINDS[kind]}"


HOST = {kind: os.readlink(f"/proc/self/ns/{link}") for kind, link in KINDS.items()}
MAPS = {"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}], "gidMappings": [{"containerID": 0, "hostID": 200000, "size": 65536}]}
SYSCTL = lambda **values: {"linux": {"sysctl": {name.replace("__", "."): value for name, value in values.items()}}}  # noqa: E731
CASES = [
    *[Case(f"a new {kind} namespace", f"test \"$({inode(kind)})\" != '{HOST[kind]}' && echo new", "new")
      for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
    *[Case(f"the host's {kind} namespace", inode(kind), HOST[kind], without(kind)) for kind in ("network", "ipc", "uts", "cgroup", "user")],
    Case("a new time namespace", f"test \"$({inode('time')})\" != '{HOST['time']}' && echo new", "new", new("time"), unlike=BOTH),
    Case("an offset of boottime", "test $(cut -d. -f1 /proc/uptime) -gt 9000000 && echo far", "far",
         new("time", timeOffsets={"boottime": {"secs": 9000000}}), unlike=BOTH),
    Case("offsets of both clocks", "tr -s ' ' < /proc/self/timens_offsets", "monotonic 7 500\nboottime 9 0",
         new("time", timeOffsets={"monotonic": {"secs": 7, "nanosecs": 500}, "boottime": {"secs": 9, "nanosecs": 0}}), unlike=BOTH),
    Case("a user namespace", "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u", "0 100000 65536\n 0 200000 65536\n0",
         new("user", **MAPS), {"root": {"readonly": True}}),
    Case("another user in a user namespace", "id -u; id -g; cat /proc/self/loginuid >/dev/null; echo fine", "5\n6\nfine", new("user", **MAPS),
         {"process": {"user": {"uid": 5, "gid": 6, "additionalGids": [7]}}}),
    Case("two ranges", "wc -l < /proc/self/uid_map; id -u", "2\n3", new("user", uidMappings=[{"containerID": 0, "hostID": 100000, "size": 3},
         {"containerID": 3, "hostID": 300000, "size": 10}], gidMappings=MAPS["gidMappings"]), {"process": {"user": {"uid": 3, "gid": 0}}}),
    Case("devices in a user namespace", "echo x > /dev/null && head -c 2 /dev/zero | wc -c", "2", new("user", **MAPS)),
    Case("capabilities in a user namespace count inside", "hostname inner && hostname", "inner", new("user", **MAPS),
         lambda c: [c["process"]["capabilities"][kind].append("CAP_SYS_ADMIN") for kind in ("bounding", "effective", "permitted")] and None),
    Case("loopback is up", "ip link show lo | grep -c -E 'UP|LOWER_UP'", "1"),
    Case("a device of the host's moves in with its addresses", "ip -o address show dev moved0 | grep -o -E '10.9.8.7/24|fd09::7/64'; ip link show moved0 | grep -c ,UP",
         "10.9.8.7/24\nfd09::7/64\n1", {"linux": {"netDevices": {"moved0": {}}}}, prepare=device("moved0", "10.9.8.7/24", "fd09::7/64"), unlike=BOTH),
    Case("a device moves in under another name", "ls /proc/sys/net/ipv4/conf | grep -v -E 'all|default|lo'", "inside0",
         {"linux": {"netDevices": {"moved1": {"name": "inside0"}}}}, prepare=device("moved1"), unlike=BOTH),
    Case("only loopback is in a new network namespace", "ls /proc/sys/net/ipv4/conf | grep -v -E 'all|default'", "lo"),
    Case("hostname", "hostname; cat /proc/sys/kernel/hostname", "given.example\ngiven.example", {"hostname": "given.example"}),
    Case("no hostname", "hostname", os.uname().nodename, {"hostname": None}),
    Case("domainname", "cat /proc/sys/kernel/domainname", "nis.example", {"domainname": "nis.example"}, unlike={"runc"}),
    Case("sysctl of the network", "cat /proc/sys/net/ipv4/ip_forward", "1", SYSCTL(net__ipv4__ip_forward="1")),
    Case("sysctl of ipc", "cat /proc/sys/kernel/shmmax; cat /proc/sys/kernel/msgmax", "123456\n9000", SYSCTL(kernel__shmmax="123456", kernel__msgmax="9000")),
    Case("sysctl of message queues", "cat /proc/sys/fs/mqueue/msg_max", "11", SYSCTL(fs__mqueue__msg_max="11")),
    Case("sysctl with several values", "cat /proc/sys/kernel/sem | tr '\\t' ' '", "250 32000 32 100", SYSCTL(kernel__sem="250 32000 32 100")),
    Case("sysctl of a range", "cat /proc/sys/net/ipv4/ip_local_port_range | tr '\\t' ' '", "2000 3000", SYSCTL(net__ipv4__ip_local_port_range="2000 3000")),
    Case("sysctl with slashes", "cat /proc/sys/net/ipv4/ip_default_ttl", "33", {"linux": {"sysctl": {"net/ipv4/ip_default_ttl": "33"}}}),
    Case("sysctl of the domain name", "cat /proc/sys/kernel/domainname", "by.sysctl", {"linux": {"sysctl": {"kernel.domainname": "by.sysctl"}}}),
]


def test_namespaces_are_as_the_configuration_says():
    check(CASES)


def test_crun_agrees():
    agree("crun", CASES)
    remove_devices()


def test_runc_agrees():
    agree("runc", CASES)
    remove_devices()


def test_oom_score_in_a_user_namespace():
    for _ in range(20):  # the id maps are written meanwhile
        found = run_bundle(new("user", **MAPS), {"process": {"oomScoreAdj": 123}}, args=["/bin/cat", "/proc/self/oom_score_adj"])
        equal((found.code, found.out), (0, "123\n"))


@contextlib.contextmanager
def holder(*options):
    """A process in namespaces of its own; yields its pid."""
    with background("unshare", *options, "sleep", "600") as process:
        child = eventually(lambda: pid_of_sleep(process.pid), what="unshare's child")
        yield child


def pid_of_sleep(pid):
    for candidate in [pid] + [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]:
        with contextlib.suppress(OSError), open(f"/proc/{candidate}/comm") as file:
            if file.read().strip() == "sleep":
                return candidate
    return None


def by_path(kind, pid, link=None):
    def patch(c):
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != kind]
        c["linux"]["namespaces"].append({"type": kind, "path": f"/proc/{pid}/ns/{link or KINDS[kind]}"})
    return patch


def test_each_kind_is_joined_by_path():
    with holder("--net", "--ipc", "--uts", "--cgroup", "--time", "--fork", "--pid") as pid:
        for kind in ("network", "ipc", "uts", "cgroup", "time", "pid"):
            patches = [by_path(kind, pid)]
            if kind == "network":
                patches.append(lambda c: c.update(mounts=[m for m in c["mounts"] if m["type"] != "sysfs"]))
            with container(*patches) as name:
                inside = oci("exec", name, "/bin/readlink", f"/proc/self/ns/{KINDS[kind]}").ok().line
                equal(inside, namespace_of(pid, KINDS[kind]), kind)


def test_a_mount_namespace_that_is_joined_becomes_the_container_s():
    """As with runc: its root is the container's from then on, for those who were in it too."""
    with holder("--mount", "--propagation", "private") as pid, container(by_path("mount", pid)) as name:
        equal(oci("exec", name, "/bin/readlink", "/proc/self/ns/mnt").ok().line, namespace_of(pid, "mnt"))
        oci("exec", name, "/bin/hostname").ok().out_is("bundle\n")
        equal(os.path.samefile(f"/proc/{pid}/root", f"/proc/{state(name)['pid']}/root"), True)


def test_the_host_s_own_mount_namespace_is_refused():
    for path in ("self", os.getpid(), "thread-self"):
        code, text = quiet_oci("create", "-b", bundle(by_path("mount", path)), "x")
        equal(code, 1)
        contains(text, "is the host's mount namespace")
    equal(os.listdir("/proc/self/root") != [], True)


def test_another_container_s_mount_namespace_has_not_the_files():
    with container() as name:
        code, text = quiet_oci("create", "-b", bundle(by_path("mount", state(name)["pid"])), "x")
        equal(code, 1)
        contains(text, "another container's has not")
        equal(oci("list", "-q").ok().out, name + "\n")


def test_a_hostname_is_set_in_a_joined_uts_namespace_too():
    with holder("--uts") as pid, container(by_path("uts", pid), {"hostname": "joined"}) as name:
        oci("exec", name, "/bin/hostname").ok().out_is("joined\n")


def test_a_user_namespace_is_joined_by_path():
    with holder("--user", "--map-root-user") as pid:
        eventually(lambda: open(f"/proc/{pid}/uid_map").read().strip())
        with container(by_path("user", pid)) as name:
            equal(oci("exec", name, "/bin/readlink", "/proc/self/ns/user").ok().line, namespace_of(pid, "user"))


def test_a_path_of_another_kind_is_refused():
    code, text = quiet_oci("create", "-b", bundle(by_path("network", os.getpid(), "ipc")), "x")
    claim(code == 1 and re.search("net", text), text)


def test_exec_is_in_all_namespaces_of_the_container():
    with container(new("user", **MAPS), new("time")) as name:
        mine = {kind: namespace_of("self", kind) for kind in KINDS.values()}
        lines = oci("exec", name, "/bin/sh", "-c", "for k in /proc/self/ns/*; do echo $(basename $k) $(readlink $k); done").ok().out.split("\n")
        inside = dict(line.split() for line in lines if line)
        for kind in KINDS.values():
            claim(inside[kind] != mine[kind], f"{kind}: exec is in ours")
