"""linux.devices, the default devices, and linux.resources on cgroup v1: nodes, what opens, and the values in the groups."""
import os
import re

from lib.bundle import bundle, container, oci, quiet_oci
from lib.hull import Skip, contains, equal, log
from lib.oci_cases import Case, agree, check


def device(**values):
    return lambda c: c["linux"].setdefault("devices", []).append(values)


def rules(*entries):
    return lambda c: c["linux"].setdefault("resources", {}).update(devices=list(entries))


def resources(**values):
    return {"linux": {"resources": values}}


def cgroups(c):
    c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]})


def value(name, file, wanted, *patches, **options):
    """A case that reads one file of the container's own group from inside."""
    controller = file.split(".")[0]
    return Case(name, f"cat /sys/fs/cgroup/{controller}/{file}", wanted, cgroups, *patches, alone=True, **options)


def a_disk():
    """MAJOR:MINOR of a block device of this host."""
    with open("/proc/partitions") as file:
        return next((":".join(line.split()[:2]) for line in file.readlines()[2:]), "0:0")


DISK = a_disk()


def has_disk():
    return DISK != "0:0"


DENY = {"allow": False, "access": "rwm"}
MKNOD = lambda c: [c["process"]["capabilities"][kind].append("CAP_MKNOD") for kind in ("bounding", "effective", "permitted")] and None  # noqa: E731
STAT = "stat -c '%F %t:%T %a %u:%g' "
CASES = [
    *[Case(f"/dev/{name}", STAT + f"/dev/{name}", f"character special file {major:x}:{minor:x} 666 0:0")
      for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))],
    Case("default devices open", "head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; echo x > /dev/null && echo null", "3\n5\nnull"),
    Case("full is full", "echo x > /dev/full 2>/dev/null || echo full", "full"),
    Case("links of dev", "readlink /dev/fd; readlink /dev/stdin; readlink /dev/ptmx", "/proc/self/fd\n/proc/self/fd/0\npts/ptmx"),
    Case("no more than that", "ls /dev | tr '\\n' ' '", re.compile("^(console )?(core )?fd full (kmsg )?mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero")),
    Case("a device of one's own", STAT + "/dev/my", "character special file 1:3 640 3:4",
         device(type="c", path="/dev/my", major=1, minor=3, fileMode=0o640, uid=3, gid=4)),
    Case("its mode by default", STAT + "/dev/my", "character special file 1:3 666 0:0", device(type="c", path="/dev/my", major=1, minor=3)),
    Case("a mode with the type of the file above it", STAT + "/dev/my", "character special file 1:3 640 0:0",
         device(type="c", path="/dev/my", major=1, minor=3, fileMode=0o20640)),
    Case("a block device", STAT + "/dev/blk", "block special file 7:1 600 0:0", device(type="b", path="/dev/blk", major=7, minor=1, fileMode=0o600)),
    Case("an unbuffered one is a character device", STAT + "/dev/u", "character special file 1:5 600 0:0",
         device(type="u", path="/dev/u", major=1, minor=5, fileMode=0o600)),
    Case("a fifo", "stat -c '%F %a' /dev/pipe", "fifo 644", device(type="p", path="/dev/pipe", fileMode=0o644)),
    Case("a device below a directory that is missing", STAT + "/dev/deep/er/x", "character special file 1:3 600 0:0",
         device(type="c", path="/dev/deep/er/x", major=1, minor=3, fileMode=0o600)),
    Case("a denied device does not open", "(head -c1 < /dev/my) 2>&1 | grep -o 'Operation not permitted'", "Operation not permitted",
         device(type="c", path="/dev/my", major=10, minor=229, fileMode=0o666), rules(DENY)),
    Case("the default devices stay allowed", "head -c 3 /dev/zero | wc -c; echo x > /dev/null && echo null", "3\nnull", rules(DENY)),
    Case("an allowed device opens", "head -c 3 /dev/my | wc -c", "3", device(type="c", path="/dev/my", major=1, minor=5, fileMode=0o666),
         rules(DENY, {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"})),
    Case("nodes may be made", "mknod /tmp/n c 1 3 && rm /tmp/n && echo made", "made", rules(DENY), MKNOD),
    Case("a node that is made does not open", "rm -f /tmp/n2; mknod /tmp/n2 c 10 229; (head -c1 < /tmp/n2) 2>&1 | grep -o 'Operation not permitted'; rm /tmp/n2",
         "Operation not permitted", rules(DENY), MKNOD),
    value("the list of devices", "devices.list", re.compile(r"c 1:3 rwm"), rules(DENY)),
    value("a wildcard of minors", "devices.list", re.compile(r"c 136:\* rwm"), rules(DENY)),
    value("memory limit", "memory.limit_in_bytes", "67108864", resources(memory={"limit": 67108864})),
    value("memory reservation", "memory.soft_limit_in_bytes", "33554432", resources(memory={"reservation": 33554432})),
    value("memory without a limit", "memory.limit_in_bytes", re.compile("^9223372036854771712$"), resources(memory={"limit": -1})),
    value("swappiness", "memory.swappiness", "7", resources(memory={"limit": 67108864, "swappiness": 7})),
    value("no oom killer", "memory.oom_control", re.compile("oom_kill_disable 1"), resources(memory={"limit": 67108864, "disableOOMKiller": True})),
    value("cpu shares", "cpu.shares", "512", resources(cpu={"shares": 512})),
    value("cpu quota", "cpu.cfs_quota_us", "20000", resources(cpu={"quota": 20000, "period": 100000})),
    value("cpu period", "cpu.cfs_period_us", "50000", resources(cpu={"quota": 20000, "period": 50000})),
    value("cpu quota without limit", "cpu.cfs_quota_us", "-1", resources(cpu={"quota": -1})),
    value("cpu burst", "cpu.cfs_burst_us", "1000", resources(cpu={"quota": 20000, "period": 50000, "burst": 1000})),
    value("cpu idle", "cpu.idle", "1", resources(cpu={"idle": 1})),
    value("cpus", "cpuset.cpus", "0", resources(cpu={"cpus": "0"})),
    value("mems", "cpuset.mems", "0", resources(cpu={"mems": "0"})),
    value("pids limit", "pids.max", "17", resources(pids={"limit": 17})),
    value("pids without limit", "pids.max", "max", resources(pids={"limit": -1})),
    *[value(f"blockIO {field}", f"blkio.throttle.{file}", f"{DISK} 1048576",
            resources(blockIO={field: [{"major": int(DISK.split(":")[0]), "minor": int(DISK.split(":")[1]), "rate": 1048576}]}), need=has_disk)
      for field, file in (("throttleReadBpsDevice", "read_bps_device"), ("throttleWriteBpsDevice", "write_bps_device"),
                          ("throttleReadIOPSDevice", "read_iops_device"), ("throttleWriteIOPSDevice", "write_iops_device"))],
    Case("limits of 0 are none given", "echo fine", "fine", resources(memory={"limit": 0, "reservation": 0, "swap": 0}, pids={"limit": 0},
         cpu={"shares": 0, "quota": 0, "period": 0, "realtimePeriod": 0, "realtimeRuntime": 0}, blockIO={"weight": 0}), unlike={"crun"}),
    Case("one cpu is seen", "nproc", "1", resources(cpu={"cpus": "0"})),
    Case("the pids limit holds", "(for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done) 2>/tmp/forks; read said < /tmp/forks; case $said in *fork*) echo held;; esac", "held",
         resources(pids={"limit": 6})),
    Case("the memory limit holds", "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null; test $? -ne 0 && echo held", "held",
         resources(memory={"limit": 50 << 20, "swap": 50 << 20}), need=lambda: os.path.exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")),
    Case("a cgroup namespace begins at the container's group", "grep pids: /proc/self/cgroup | cut -d: -f3", "/"),
]


def test_devices_and_limits_are_as_the_configuration_says():
    check(CASES)


def test_crun_agrees():
    agree("crun", CASES)


def test_runc_agrees():
    agree("runc", CASES)


def group_file(name, file):
    with open(f"/sys/fs/cgroup/{file.split('.')[0]}/oci-{name}/{file}") as handle:
        return handle.read().strip()


def test_update_changes_limits_by_options_and_by_file():
    with container(resources(memory={"limit": 64 << 20})) as name:
        oci("update", "--memory", str(96 << 20), "--cpu-share", "100", "--pids-limit", "33", "--cpu-quota", "30000", "--cpu-period", "60000",
            "--cpuset-cpus", "0", name).ok()
        seen = {file: group_file(name, file) for file in ("memory.limit_in_bytes", "cpu.shares", "pids.max", "cpu.cfs_quota_us", "cpuset.cpus")}
        equal(seen, {"memory.limit_in_bytes": str(96 << 20), "cpu.shares": "100", "pids.max": "33", "cpu.cfs_quota_us": "30000", "cpuset.cpus": "0"})
        oci("update", "-r", "-", name, input='{"memory":{"limit":33554432},"pids":{"limit":-1}}').ok()
        equal((group_file(name, "memory.limit_in_bytes"), group_file(name, "pids.max")), ("33554432", "max"))
        oci("update", "--memory", "1.5g", "--memory-reservation", "48M", name).ok()
        equal((group_file(name, "memory.limit_in_bytes"), group_file(name, "memory.soft_limit_in_bytes")), (str(3 << 29), str(48 << 20)))
        oci("update", "--memory", "64m", "--memory-swap", "64m", name).ok()
        oci("update", "--memory", "-1", name).ok()
        equal(int(group_file(name, "memory.limit_in_bytes")) > 1 << 60, True)
        oci("update", "--cpu-burst", "20000", name).ok()
        oci("update", "--cpu-quota", "10000", "--cpu-burst", "5000", name).ok()
        equal((group_file(name, "cpu.cfs_quota_us"), group_file(name, "cpu.cfs_period_us"), group_file(name, "cpu.cfs_burst_us")), ("10000", "60000", "5000"))
        oci("update", "--cpu-period", "80000", name).ok()
        equal((group_file(name, "cpu.cfs_quota_us"), group_file(name, "cpu.cfs_period_us")), ("10000", "80000"))
        oci("update", "--cpu-quota", "-1", "--cpu-idle", "1", name).ok()
        equal((group_file(name, "cpu.cfs_quota_us"), group_file(name, "cpu.idle")), ("-1", "1"))
        oci("update", "--memory", "x", name).fails(1, "--memory")
        oci("update", "--cpu-share", "-1", name).fails(1, "--cpu-share")
        oci("update", "-r", "-", name, input='{"memory":{"limit":4096,"checkBeforeUpdate":true}}').fails(1, "in use")
        oci("update", "--l3-cache-schema", "L3:0=f", name).fails(1, "no class of service")
        oci("update", "-r", "-", name, input='{"memory":{"limt":1}}').ok()
        oci("update", "-r", "-", name, input='{"memory":{"limit":"1"}}').fails(1, "memory.limit")


def test_an_update_that_fails_changes_nothing():
    with container(resources(memory={"limit": 64 << 20}, cpu={"shares": 512})) as name:
        before = {file: group_file(name, file) for file in ("memory.limit_in_bytes", "cpu.shares", "pids.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")}
        for words in ('{"pids":{"limit":50},"memory":{"limit":99999744},"cpu":{"shares":77,"cpus":"99"}}', '{"cpu":{"quota":50000,"period":1}}'):
            oci("update", "-r", "-", name, input=words).fails(1, "cannot set")
            equal({file: group_file(name, file) for file in before}, before)
        oci("update", "-r", "/tmp", name).fails(1, "/tmp")
        missing = '{"blockIO":{"throttleReadBpsDevice":[{"major":999,"minor":1,"rate":5}]}}'
        oci("update", "-r", "-", name, input=missing).fails(1, "name a block device that is there")


def test_a_value_that_the_kernel_refuses_is_an_error_that_names_it():
    for patch, words in ((resources(cpu={"cpus": "77"}), "cpuset.cpus"), (resources(cpu={"quota": 5}), "cpu.cfs_quota_us"),
                         (resources(unified={"memory.high": "1"}), "memory.high"),
                         (resources(hugepageLimits=[{"pageSize": "3MB", "limit": 1}]), "hugetlb")):
        code, text = quiet_oci("create", "-b", bundle(patch), "x")
        equal(code, 1, text)
        contains(text, words)
        equal(oci("list", "-q").ok().out, "")


def test_huge_pages_are_limited_where_their_controller_is():
    """v1, or on a hybrid host v2, if that gives the controller to the tests' groups."""
    if not os.path.isdir("/sys/fs/cgroup/hugetlb") and "hugetlb" not in open("/sys/fs/cgroup/unified/cgroup.controllers").read().split():
        code, text = quiet_oci("create", "-b", bundle(resources(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])), "x")
        equal(code, 1, text)
        contains(text, "the hugetlb controller is not given to this group")
        raise Skip("no hugetlb controller in this tree")
    places = [f"/sys/fs/cgroup/hugetlb/{{}}/hugetlb.{size}.limit_in_bytes" for size in ("2MB", "1GB")] + \
             [f"/sys/fs/cgroup/unified/{{}}/hugetlb.{size}.max" for size in ("2MB", "1GB")]
    with container(resources(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}, {"pageSize": "1GB", "limit": 1 << 30}])) as name:
        found = {path: open(path.format(f"oci-{name}")).read().strip() for path in places if os.path.exists(path.format(f"oci-{name}"))}
        equal(sorted(found.values()), sorted([str(4 << 20), str(1 << 30)]), str(found))


def test_what_no_controller_here_takes_is_told():
    named = (("rdma", "rdma", resources(rdma={"mlx4_0": {"hcaHandles": 3}})), ("net_cls", "network class id", resources(network={"classID": 1048577})),
             ("net_prio", "network priorities", resources(network={"priorities": [{"name": "lo", "priority": 3}]})))
    tried = [(words, patch) for controller, words, patch in named if not os.path.isdir(f"/sys/fs/cgroup/{controller}")]
    for words, patch in tried:
        code, text = quiet_oci("create", "-b", bundle(patch), "x")
        equal(code, 1, text)
        contains(text, words)
        equal(oci("list", "-q").ok().out, "")
    log(f"{len(tried)} of {len(named)} controllers are not here")


def test_update_of_a_stopped_container_is_refused():
    with container() as name:
        oci("kill", name, "KILL").ok()
        from lib.hull import eventually
        from lib.bundle import state
        eventually(lambda: state(name)["status"] == "stopped")
        oci("update", "--pids-limit", "5", name).fails(1, "not running")
