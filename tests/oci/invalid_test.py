"""Configurations that no container is made of: each with the one line that names the field. Nothing is left by any."""
import os

from lib.bundle import bundle, oci, quiet_oci, rootfs
from lib.hull import Failure, equal, log, scratch


def process(**values):
    return {"process": values}


def linux(**values):
    return {"linux": values}


def resources(**values):
    return linux(resources=values)


def namespaces(*entries):
    return lambda c: c["linux"]["namespaces"].extend(entries)


def without_namespace(kind):
    return lambda c: c["linux"].update(namespaces=[n for n in c["linux"]["namespaces"] if n["type"] != kind])


def mount(**values):
    return lambda c: c["mounts"].append(values)


def drop(*path):
    def patch(c):
        for key in path[:-1]:
            c = c[key]
        del c[path[-1]]
    return patch


def seccomp(**values):
    return linux(seccomp={"defaultAction": "SCMP_ACT_ALLOW"} | values)


def rule(**values):
    return seccomp(syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"} | values])


def text(content):
    return lambda c: content


RANGE = [{"containerID": 0, "hostID": 100000, "size": 10}]
USER = namespaces({"type": "user"})
INVALID = [
    # the document
    (text(" "), "config.json"),
    (text("{"), "config.json"),
    (text("[]"), "config.json: expected an object, not an array"),
    (text('{"ociVersion":"1.0.0","ociVersion":"1.0.1"}'), "ociVersion"),
    ({"ociVersion": None}, "ociVersion: missing"),
    ({"ociVersion": 1}, "ociVersion: expected a string, not 1"),
    ({"ociVersion": "2.0.0"}, "ociVersion: 2.0.0 is not 1.x"),
    ({"ociVersion": "one"}, 'ociVersion: "one" is no version'),
    ({"root": None}, "root: missing"),
    ({"root": {"path": None}}, "root.path: missing"),
    ({"root": {"path": ""}}, "root.path: empty"),
    ({"root": {"path": "/nowhere"}}, "root.path"),
    ({"root": {"readonly": "yes"}}, "root.readonly: expected a boolean, not a string"),
    ({"process": None}, "process: missing"),
    ({"vm": {}}, "vm: not supported; remove it"),
    ({"windows": {}}, "windows: not supported; remove it"),
    ({"hostname": "x" * 65}, "hostname: longer than 64 bytes"),
    ({"domainname": "x" * 65}, "domainname: longer than 64 bytes"),
    (without_namespace("uts"), "hostname: given without a uts namespace"),
    ({"annotations": {"a": 1}}, 'annotations["a"]: expected a string, not 1'),
    ({"annotations": {"": "x"}}, "annotations: holds an empty name"),
    # process
    (process(args=[]), "process.args: no command given"),
    (process(args=[""]), "process.args: no command given"),
    (process(args="sh"), "process.args: expected an array, not a string"),
    (process(args=["a\0b"]), "process.args[0]: holds a NUL character"),
    (process(args=["/nowhere"]), 'exec: "/nowhere": no such file or directory'),
    (process(args=["nowhere"]), 'exec: "nowhere": executable file not found in $PATH'),
    (process(args=["/etc/passwd"]), 'exec: "/etc/passwd": permission denied'),
    (process(args=["/etc"]), 'exec: "/etc": is a directory'),
    (process(cwd=None), "process.cwd: missing"),
    (process(cwd="tmp"), 'process.cwd: "tmp" is not absolute'),
    (process(cwd="/etc/passwd"), "/etc/passwd"),
    (process(env=["A"]), "process.env[0]: is not NAME=value"),
    (process(env=["=b"]), "process.env[0]: is not NAME=value"),
    (process(terminal=True), "process.terminal: needs --console-socket"),
    (process(terminal="yes"), "process.terminal: expected a boolean, not a string"),
    (process(user={"uid": -1, "gid": 0}), "process.user.uid: expected an integer from 0 to 4294967295, not -1"),
    (process(user={"uid": 1 << 32, "gid": 0}), "process.user.uid: expected an integer"),
    (process(user={"uid": 0, "gid": "0"}), "process.user.gid: expected an integer"),
    (process(user={"uid": 0, "gid": 0, "umask": 0o1000}), "process.user.umask: above 0777"),
    (process(user={"uid": 0, "gid": 0, "additionalGids": list(range(65537))}), "process.user.additionalGids: more than 65536"),
    (process(user={"uid": 0, "gid": 0, "additionalGids": ["x"]}), "process.user.additionalGids[0]: expected an integer"),
    (process(rlimits=[{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]), 'process.rlimits: unknown type "RLIMIT_FOO"'),
    (process(rlimits=[{"type": "NOFILE", "soft": 1, "hard": 1}]), 'process.rlimits: unknown type "NOFILE"'),
    (process(rlimits=[{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]), "process.rlimits: RLIMIT_CPU: soft 2 is above hard 1"),
    (process(rlimits=[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2), 'process.rlimits: "RLIMIT_CPU" stands twice'),
    (process(rlimits=[{"type": "RLIMIT_CPU", "soft": 1}]), "process.rlimits[0].hard: missing"),
    (process(oomScoreAdj=1001), "process.oomScoreAdj: not from -1000 to 1000"),
    (process(oomScoreAdj=1.5), "process.oomScoreAdj: expected an integer"),
    (process(selinuxLabel="a:b:c"), "process.selinuxLabel: SELinux is not enabled on this host; remove it"),
    (process(selinuxLabel="a b"), "process.selinuxLabel: is no security context"),
    (process(selinuxLabel="a:b:c", apparmorProfile="p"), "process.selinuxLabel: given with apparmorProfile"),
    (process(apparmorProfile="a b"), "process.apparmorProfile: is no name of a profile"),
    (process(scheduler={"policy": "SCHED_FOO"}), 'process.scheduler.policy: unknown "SCHED_FOO"'),
    (process(scheduler={"policy": "SCHED_FIFO"}), "process.scheduler.priority: SCHED_FIFO needs 1 to 99"),
    (process(scheduler={"policy": "SCHED_OTHER", "nice": 20}), "process.scheduler.nice: not from -20 to 19"),
    (process(scheduler={"policy": "SCHED_OTHER", "priority": 5}), "process.scheduler.priority: only with"),
    (process(scheduler={"policy": "SCHED_BATCH", "flags": ["FOO"]}), 'process.scheduler.flags: unknown "FOO"'),
    (process(scheduler={"policy": "SCHED_DEADLINE"}), "process.scheduler.runtime: SCHED_DEADLINE needs it"),
    (process(ioPriority={"class": "IOPRIO_CLASS_FOO", "priority": 0}), 'process.ioPriority.class: unknown "IOPRIO_CLASS_FOO"'),
    (process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 8}), "process.ioPriority.priority: not from 0 to 7"),
    # mounts
    (mount(type="tmpfs"), "mounts[6].destination: missing"),
    (mount(destination="", type="tmpfs"), "mounts[6].destination: empty"),
    (mount(destination="/x", source="none"), "mounts[6].type: missing"),
    (mount(destination="/x", type="foofs", source="none"), "foofs"),
    (mount(destination="/x", type="tmpfs", options=["size=banana"]), "size=banana"),
    (mount(destination="/x", type="bind", source="/nowhere", options=["bind"]), "/nowhere"),
    (mount(destination="/x", type="bind", options=["bind"]), "the bind to /x has no source"),
    (mount(destination="/x", type="bind", source="/etc", options=["bind", "size=5"]), 'a bind mount has no option "size=5"'),
    (mount(destination="/x", type="bind", source="/etc", options=["bind", "private", "shared"]), "two propagation types"),
    (mount(destination="/proc", type="tmpfs", source="x"), "mount destination /proc takes only proc itself"),
    (mount(destination="/proc/sys", type="tmpfs", source="x"), "inside /proc"),
    (mount(destination="/x", type="proc", source="p", options=["tmpcopyup"]), "tmpcopyup is for a tmpfs"),
    (mount(destination="/x", type="bind", source="/etc", options=["bind", "idmap"]), "idmap of /x needs uidMappings and gidMappings"),
    (mount(destination="/x", type="bind", source="/etc", options=["bind"], uidMappings=RANGE), "mounts[6]: uidMappings and gidMappings go together"),
    (mount(destination="/x", type="tmpfs", uidMappings=RANGE, gidMappings=RANGE), "mounts[6].uidMappings of a mount that is no bind"),
    # namespaces and mappings
    (namespaces({"type": "foo"}), 'linux.namespaces[6].type: unknown "foo"'),
    (namespaces({"type": "pid"}), 'linux.namespaces[6].type: "pid" stands twice'),
    (namespaces({"type": "time", "path": "x"}), 'linux.namespaces[6].path: "x" is not absolute'),
    (namespaces({"type": "time", "path": "/nowhere"}), "/nowhere"),
    (namespaces({"type": "time", "path": "/etc/passwd"}), "/etc/passwd"),
    (namespaces({}), "linux.namespaces[6].type: missing"),
    (without_namespace("mount"), "a mount namespace is needed"),
    (linux(uidMappings=RANGE), "linux.uidMappings: given without a user namespace"),
    (linux(gidMappings=RANGE), "linux.gidMappings: given without a user namespace"),
    (USER, "linux.uidMappings goes with a new user namespace"),
    ([USER, linux(uidMappings=[{"containerID": 0, "hostID": 1, "size": 0}])], "linux.uidMappings[0].size: must be above 0"),
    ([USER, linux(uidMappings=[{"containerID": 0, "hostID": 0xffffffff, "size": 5}])], "linux.uidMappings[0]: reaches beyond the last id"),
    ([USER, linux(uidMappings=RANGE + [{"containerID": 5, "hostID": 300, "size": 9}])], "linux.uidMappings[1]: overlaps linux.uidMappings[0]"),
    (linux(timeOffsets={"monotonic": {"secs": 1}}), "linux.timeOffsets: given without a time namespace"),
    ([namespaces({"type": "time"}), linux(timeOffsets={"foo": {"secs": 1}})], 'linux.timeOffsets: unknown clock "foo"'),
    ([namespaces({"type": "time"}), linux(timeOffsets={"boottime": {"nanosecs": 1000000000}})], "nanosecs: not below 1000000000"),
    (linux(sysctl={"kernel.panic": "1"}), 'linux.sysctl["kernel.panic"]: belongs to no namespace'),
    (linux(sysctl={"vm.swappiness": "1"}), 'linux.sysctl["vm.swappiness"]: belongs to no namespace'),
    (linux(sysctl={"net/../kernel/panic": "1"}), "belongs to no namespace"),
    ([without_namespace("network"), linux(sysctl={"net.ipv4.ip_forward": "1"})], 'linux.sysctl["net.ipv4.ip_forward"]: needs a network namespace'),
    ([without_namespace("network"), namespaces({"type": "network", "path": "/proc/self/ns/net"}), linux(sysctl={"net.ipv4.ip_forward": "1"})],
     "/proc/self/ns/net is the host's network namespace"),
    (process(execCPUAffinity={"initial": "x"}), "process.execCPUAffinity"),
    ([without_namespace("ipc"), linux(sysctl={"kernel.shmmax": "1"})], 'linux.sysctl["kernel.shmmax"]: needs a ipc namespace'),
    (linux(sysctl={"net.ipv4.nothing": "1"}), "net/ipv4/nothing"),
    (linux(sysctl={"net.ipv4.ip_forward": "x"}), "net/ipv4/ip_forward"),
    # hooks
    ({"hooks": {"prestart": [{"path": "x"}]}}, 'hooks.prestart[0].path: "x" is not absolute'),
    ({"hooks": {"createContainer": [{"path": "/bin/true", "timeout": 0}]}}, "hooks.createContainer[0].timeout: must be above 0"),
    ({"hooks": {"poststop": [{}]}}, "hooks.poststop[0].path: missing"),
    ({"hooks": {"startContainer": {}}}, "hooks.startContainer: expected an array, not an object"),
    # devices and resources
    (linux(devices=[{"type": "c", "path": "dev/x", "major": 1, "minor": 3}]), "linux.devices[0].path: is not absolute"),
    (linux(devices=[{"type": "x", "path": "/dev/x"}]), 'linux.devices[0].type: unknown "x"'),
    (linux(devices=[{"type": "c", "path": "/dev/x"}] * 2), 'linux.devices[1].path: "/dev/x" stands twice'),
    (linux(devices=[{"type": "c", "path": "/dev/x", "fileMode": 0o200000}]), "linux.devices[0].fileMode: above 0177777"),
    (linux(devices=[{"type": "c", "path": "/dev/x", "major": -5}]), "linux.devices[0]: major and minor are not below 0"),
    (resources(devices=[{"allow": True, "type": "x"}]), 'linux.resources.devices[0].type: unknown "x"'),
    (resources(devices=[{"allow": True, "access": "rwx"}]), 'linux.resources.devices[0].access: "rwx" is not of rwm'),
    (resources(devices=[{"type": "a"}]), "linux.resources.devices[0].allow: missing"),
    (resources(memory={"limit": "64m"}), "linux.resources.memory.limit: expected an integer"),
    (resources(memory={"limit": -5}), "linux.resources.memory.limit: below -1"),
    (resources(memory={"limit": 64 << 20, "swap": 32 << 20}), "is below the memory limit"),
    (resources(memory={"swappiness": 101}), "linux.resources.memory.swappiness: above 100"),
    (resources(cpu={"shares": -1}), "linux.resources.cpu.shares: expected an integer"),
    (resources(cpu={"cpus": "banana"}), 'linux.resources.cpu.cpus: "banana" is no list'),
    (resources(cpu={"cpus": "99"}), "cpuset.cpus"),
    (resources(cpu={"quota": 1}), "cpu.cfs_quota_us"),
    (resources(cpu={"idle": 2}), "linux.resources.cpu.idle: neither 0 nor 1"),
    (resources(pids={"limit": "1"}), "linux.resources.pids.limit: expected an integer"),
    (resources(blockIO={"weight": 5}), "linux.resources.blockIO.weight: not from 10 to 1000"),
    (resources(blockIO={"weightDevice": [{"major": 8, "minor": 0}]}), "8:0 has no weight"),
    (resources(hugepageLimits=[{"pageSize": "2 MB", "limit": 1}]), 'hugepageLimits[0].pageSize: "2 MB" is no size'),
    (resources(hugepageLimits=[{"pageSize": "2MB", "limit": 1}] * 2), 'hugepageLimits[1].pageSize: "2MB" stands twice'),
    (resources(rdma={"mlx": {}}), 'linux.resources.rdma["mlx"]: no limit given'),
    (resources(unified={"../x": "1"}), 'linux.resources.unified["../x"]: is no file of a cgroup'),
    (linux(cgroupsPath="/a/../../b"), 'linux.cgroupsPath: "/a/../../b" is no plain path'),
    # seccomp and the rest
    (seccomp(defaultAction="ALLOW"), "ALLOW"),
    (linux(seccomp={}), "linux.seccomp.defaultAction: missing"),
    (rule(action="SCMP_ACT_FOO"), "SCMP_ACT_FOO"),
    (rule(args=[{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]), "linux.seccomp"),
    (rule(args=[{"index": 0, "value": 0, "op": "EQ"}]), "EQ"),
    (rule(args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]), "linux.seccomp.syscalls[0].args[0].value: expected an integer"),
    (rule(action="SCMP_ACT_NOTIFY"), "linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs it"),
    (seccomp(architectures=["SCMP_ARCH_FOO"]), "SCMP_ARCH_FOO"),
    (seccomp(flags=["FOO"]), "FOO"),
    (seccomp(listenerMetadata="x"), "linux.seccomp.listenerMetadata: given without listenerPath"),
    (seccomp(listenerPath="x"), "linux.seccomp.listenerPath: is not absolute"),
    (linux(maskedPaths=["x"]), 'linux.maskedPaths: "x" is not absolute'),
    (linux(readonlyPaths=["x"]), 'linux.readonlyPaths: "x" is not absolute'),
    (linux(rootfsPropagation="foo"), 'linux.rootfsPropagation: unknown "foo"'),
    (linux(personality={"domain": "BSD"}), 'linux.personality.domain: unknown "BSD"'),
    (linux(personality={"domain": "LINUX", "flags": ["X"]}), "linux.personality.flags: hull cannot apply it"),
    (linux(mountLabel="a:b:c"), "linux.mountLabel: SELinux is not enabled on this host; remove it"),
    (linux(mountLabel="a b"), "linux.mountLabel: is no security context"),
    (linux(intelRdt={"closID": "x"}), "linux.intelRdt: no resctrl is mounted"),
    (linux(intelRdt={"closID": "../x"}), 'linux.intelRdt.closID: "../x" is no name of a class'),
    (linux(intelRdt={"closID": "info"}), 'linux.intelRdt.closID: "info" is no name of a class'),
    (linux(intelRdt={"schemata": ["L3"]}), 'linux.intelRdt.schemata: "L3" is no line'),
    (linux(intelRdt={"l3CacheSchema": 5}), "linux.intelRdt.l3CacheSchema: expected a string"),
    (linux(netDevices={"no such": {}}), 'linux.netDevices["no such"]: is no name of a device'),
    (linux(netDevices={"a": {"name": "x/y"}}), 'linux.netDevices["a"]: is no name of a device'),
    (linux(netDevices={"a": {"name": "x"}, "x": {}}), 'linux.netDevices["x"].name: "x" stands twice'),
    (linux(netDevices={"missing0": {}}), 'linux.netDevices["missing0"]: there is no network device missing0'),
    (linux(memoryPolicy={"mode": "BIND"}), 'linux.memoryPolicy.mode: unknown "BIND"'),
    (linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "x"}), 'linux.memoryPolicy.nodes: "x" is no list'),
    (linux(memoryPolicy={"mode": "MPOL_BIND"}), "linux.memoryPolicy"),
    (linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "900"}), "linux.memoryPolicy"),
    (linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"]}), 'linux.memoryPolicy.flags: unknown "MPOL_F_X"'),
]


def test_each_is_refused_with_one_line_that_names_the_field():
    wrong = []
    path = bundle()
    before = sorted(os.listdir(rootfs()))
    for patch, words in INVALID:
        bundle(*(patch if isinstance(patch, list) else [patch]), path=path)
        code, said = quiet_oci("create", "-b", path, "bad")
        if code != 1 or words not in said or "\n" in said:
            wrong.append(f"{words!r}: {code} {said!r}")
        if code == 0:
            oci("delete", "-f", "bad")
    log(f"{len(INVALID)} configurations")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(INVALID)}:\n    " + "\n    ".join(wrong))
    equal(oci("list", "-q").ok().out, "")
    equal(sorted(set(os.listdir(rootfs())) - set(before)), [], "what is left in the root")


def test_each_command_line_that_makes_no_sense_is_refused():
    path = bundle()
    for argv, words in (((), None), (("create",), "requires"), (("create", "a", "b"), "requires"), (("create", "--foo", "x"), "--foo"),
                        (("create", "-b", "/nowhere", "x"), "/nowhere"), (("create", "-b", scratch(), "x"), "config.json"),
                        (("create", "--preserve-fds", "9", "-b", path, "x"), "descriptor 3 is not open"),
                        (("create", "--console-socket", "/nowhere", "-b", path, "x"), "--console-socket"),
                        (("--log-format", "xml", "list"), "--log-format"), (("--systemd-cgroup", "create", "-b", path, "x"), "--systemd-cgroup"),
                        (("frobnicate",), "frobnicate"), (("checkpoint", "x"), "cannot checkpoint"), (("kill", "x", "FOO"), "FOO"),
                        (("list", "-f", "xml"), "--format"), (("exec", "x", "true"), "does not exist"), (("state", "x"), "does not exist"),
                        (("delete", "x"), "does not exist"), (("ps", "x"), "does not exist"), (("pause", "x"), "does not exist")):
        if words is None:
            oci(*argv).ok()
        else:
            result = oci(*argv)
            equal(result.code, 255 if argv[0] == "exec" else 1, f"exit code of {argv}")
            result.err_contains(words)
