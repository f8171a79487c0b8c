"""process.*: what the program finds of user, capabilities, limits, environment and scheduling. One row, one property."""
import os
import re

from lib import isolate
from lib.bundle import CAPS, container, oci, rootfs, run_bundle
from lib.hull import equal
from lib.oci_cases import BOTH, Case, agree, check


def process(**values):
    return {"process": values}


def caps(**sets):
    return lambda c: c["process"].update(capabilities={name: list(value) for name, value in sets.items()})


REALTIME = "/sys/fs/cgroup/cpu/cpu.rt_runtime_us"


def has_realtime():
    """A kernel with RT_GROUP_SCHED, on cgroup v1."""
    return os.path.exists(REALTIME)


def realtime():
    """A group has no more than the one above it, which is the test's own."""
    with open(REALTIME, "w") as file:
        file.write("100000")  # a group that is removed keeps its part for a while
    return {"linux": {"resources": {"cpu": {"realtimePeriod": 500000, "realtimeRuntime": 4000}}}}


USERS = b"root:x:0:0::/super:/bin/sh\nbroken\nodd:x:1000x:0::/odd:\nuser:x:1000:1001:A User:/home/user:/bin/sh\nlast:x:7:7::/no/newline"


def passwd(content=USERS):
    def write():
        path = f"{rootfs()}/etc/passwd"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        content(path) if callable(content) else open(path, "wb").write(content)
        return {}
    return write


def home(name, wanted, user=0, content=USERS, env=(), **options):
    return Case(name, 'echo "$HOME"', wanted, process(user={"uid": user, "gid": 0}, env=["PATH=/bin", *env]), prepare=passwd(content), **options)


STATUS = "grep -E '^({}):' /proc/self/status | tr -d '\\t' | tr '\\n' ' '"
NO_CAPS = "0" * 16
CASES = [
    Case("a program is found in PATH", "which cat", "/bin/cat"),
    Case("the environment is what is given", "env | sort | grep -v -E '^(PWD|SHLVL|OLDPWD|_|HOME)='", "PATH=/bin\nX=a b\nY=",
         process(env=["PATH=/bin", "X=a b", "Y="])),
    home("HOME is root's in the container's passwd", "/super"),
    home("HOME is a user's in the container's passwd", "/home/user", 1000),
    home("HOME of a last line without its end", "/no/newline", 7),
    home("HOME of a user that passwd has not", "/", 77, unlike={"crun"}),
    home("HOME that is given stays", "/given", env=["HOME=/given"]),
    home("HOME after a long line", "/late", content=b"#" + b"x" * 30000 + b":0:0:0::\n" + b"root:x:0:0::/late:/bin/sh\n", unlike={"runc"}),
    Case("a value with newlines stays whole", 'printf "%s" "$M" | wc -l', "2", process(env=["PATH=/bin", "M=a\nb\nc"])),
    Case("cwd", "pwd", "/tmp", process(cwd="/tmp")),
    Case("a cwd that is missing is made", "pwd; stat -c %a /made", "/made/here\n755", process(cwd="/made/here")),
    Case("uid and gid", "id -u; id -g", "1000\n1001", process(user={"uid": 1000, "gid": 1001})),
    Case("the highest id", "id -u", "4294967294", process(user={"uid": 4294967294, "gid": 1}), unlike={"runc"}),
    Case("additional groups", "grep Groups: /proc/self/status | tr -s '\\t ' ' '", re.compile("^Groups: (1001 )?5 7"),
         process(user={"uid": 1000, "gid": 1001, "additionalGids": [5, 7]})),
    Case("no additional groups", "grep Groups: /proc/self/status | tr -d '\\t '", re.compile("^Groups:(0|1001)?$"),
         process(user={"uid": 0, "gid": 0})),
    Case("umask by default", "umask", "0022"),
    Case("umask 077", "umask; touch /tmp/u077; stat -c %a /tmp/u077", "0077\n600", process(user={"uid": 0, "gid": 0, "umask": 0o077})),
    Case("umask 0", "umask", "0000", process(user={"uid": 0, "gid": 0, "umask": 0})),
    Case("no capabilities", STATUS.format("CapPrm|CapEff|CapBnd"), f"CapPrm:{NO_CAPS} CapEff:{NO_CAPS} CapBnd:{NO_CAPS}",
         caps(bounding=[], effective=[], permitted=[])),
    Case("one capability", STATUS.format("CapPrm|CapEff|CapBnd"),
         "CapPrm:0000000000000020 CapEff:0000000000000020 CapBnd:0000000000000020",
         caps(bounding=["CAP_KILL"], effective=["CAP_KILL"], permitted=["CAP_KILL"])),
    Case("a bounding set that is larger", STATUS.format("CapBnd"), "CapBnd:0000000000000021",
         caps(bounding=["CAP_KILL", "CAP_CHOWN"], effective=["CAP_KILL"], permitted=["CAP_KILL"])),
    Case("a user that is not root keeps none", STATUS.format("CapPrm|CapEff"), f"CapPrm:{NO_CAPS} CapEff:{NO_CAPS}",
         process(user={"uid": 7, "gid": 7})),
    Case("ambient capabilities reach a user that is not root", STATUS.format("CapInh|CapPrm|CapEff|CapAmb"),
         "CapInh:0000000000000020 CapPrm:0000000000000020 CapEff:0000000000000020 CapAmb:0000000000000020",
         process(user={"uid": 7, "gid": 7}),
         caps(**{kind: ["CAP_KILL"] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")})),
    Case("inheritable alone", STATUS.format("CapInh|CapAmb"), f"CapInh:0000000000000020 CapAmb:{NO_CAPS}",
         caps(bounding=CAPS, effective=CAPS, permitted=CAPS, inheritable=["CAP_KILL"])),
    Case("an unknown capability is left out", STATUS.format("CapBnd"), "CapBnd:0000000000000020",
         caps(bounding=["CAP_KILL", "CAP_FUTURE"], effective=["CAP_KILL"], permitted=["CAP_KILL"])),
    Case("chown needs the capability", "chown 5 /tmp 2>/dev/null || echo refused", "refused", caps(bounding=[], effective=[], permitted=[])),
    Case("no_new_privs set", STATUS.format("NoNewPrivs"), "NoNewPrivs:1", process(noNewPrivileges=True)),
    Case("no_new_privs not set", STATUS.format("NoNewPrivs"), "NoNewPrivs:0", process(noNewPrivileges=False)),
    *[Case(f"rlimit {name}", f"ulimit -S -{flag}; ulimit -H -{flag}", f"{soft}\n{hard}",
           process(rlimits=[{"type": f"RLIMIT_{name}", "soft": soft * unit, "hard": hard * unit}]))
      for name, flag, soft, hard, unit in (("NOFILE", "n", 100, 200, 1), ("CORE", "c", 0, 8, 512), ("FSIZE", "f", 10, 20, 512),
                                           ("CPU", "t", 50, 60, 1), ("STACK", "s", 1024, 2048, 1024), ("DATA", "d", 70000, 80000, 1024),
                                           ("AS", "v", 70000, 80000, 1024), ("RSS", "m", 70000, 80000, 1024), ("MEMLOCK", "l", 4, 8, 1024))],
    *[Case(f"rlimit {name}", f"grep '{words}' /proc/self/limits | tr -s ' ' | cut -d' ' -f{column}-{column + 1}", f"{soft} {2 * soft}",
           process(rlimits=[{"type": f"RLIMIT_{name}", "soft": soft, "hard": 2 * soft}]))
      for name, words, column, soft in (("SIGPENDING", "Max pending signals", 4, 1), ("MSGQUEUE", "Max msgqueue size", 4, 1),
                                  ("RTTIME", "Max realtime timeout", 4, 1), ("NPROC", "Max processes", 3, 300),
                                  ("LOCKS", "Max file locks", 4, 1), ("NICE", "Max nice priority", 4, 0), ("RTPRIO", "Max realtime priority", 4, 0))],
    Case("two rlimits", "ulimit -n; ulimit -t", "50\n70", process(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 50},
                                                                      {"type": "RLIMIT_CPU", "soft": 70, "hard": 70}])),
    Case("a file beyond its limit is cut", "dd if=/dev/zero of=/tmp/f bs=512 count=9 2>/dev/null; echo $?", re.compile("153|1"),
         process(rlimits=[{"type": "RLIMIT_FSIZE", "soft": 512, "hard": 512}])),
    Case("oomScoreAdj", "cat /proc/self/oom_score_adj", "123", process(oomScoreAdj=123)),
    Case("oomScoreAdj 0", "cat /proc/self/oom_score_adj", "0", process(oomScoreAdj=0)),
    Case("scheduler batch", "chrt -p $$ 2>/dev/null; cut -d' ' -f41 /proc/self/stat", re.compile("(^|\n)3$"),
         process(scheduler={"policy": "SCHED_BATCH"}), unlike=BOTH),
    Case("scheduler idle", "cut -d' ' -f41 /proc/self/stat", "5", process(scheduler={"policy": "SCHED_IDLE"}), unlike=BOTH),
    Case("scheduler other with nice", "cut -d' ' -f19,41 /proc/self/stat", "11 0", process(scheduler={"policy": "SCHED_OTHER", "nice": 11}), unlike=BOTH),
    Case("scheduler reset on fork", "cut -d' ' -f41 /proc/1/stat; cut -d' ' -f41 /proc/self/stat", "3\n3",
         process(scheduler={"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}), unlike=BOTH),
    Case("scheduler deadline", "cut -d' ' -f41 /proc/1/stat", "6", alone=True,
         prepare=lambda: process(scheduler={"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 10000000, "period": 10000000,
                                            "flags": ["SCHED_FLAG_RESET_ON_FORK"]})),
    *[Case(f"scheduler {policy}", "cut -d' ' -f40,41 /proc/1/stat", f"{priority} {number}", process(scheduler={"policy": policy, "priority": priority}),
           prepare=realtime, alone=True, need=has_realtime) for policy, priority, number in (("SCHED_FIFO", 5, 1), ("SCHED_RR", 7, 2))],
    Case("realtime limits", "cat /sys/fs/cgroup/cpu/cpu.rt_period_us /sys/fs/cgroup/cpu/cpu.rt_runtime_us", "500000\n4000", lambda c: c["mounts"].append(
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}), prepare=realtime, alone=True, need=has_realtime),
    Case("io priority realtime", "ionice -p 1", "realtime: prio 2", process(ioPriority={"class": "IOPRIO_CLASS_RT", "priority": 2}), unlike=BOTH),
    Case("io priority", "ionice -p 1", "best-effort: prio 6", process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6}), unlike=BOTH),
    Case("io priority idle", "ionice -p 1", re.compile("^idle"), process(ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0}), unlike=BOTH),
    Case("personality of 32 bits", "uname -m", "i686", {"linux": {"personality": {"domain": "LINUX32"}}}, unlike={"runc"}),
    Case("personality of the machine", "uname -m", "x86_64", {"linux": {"personality": {"domain": "LINUX"}}}),
    *[Case(f"memory policy {mode}", "cut -d' ' -f2 /proc/self/numa_maps | sort -u", shown, {"linux": {"memoryPolicy": policy}}, unlike=BOTH)
      for mode, shown, policy in (("bind", "bind:0", {"mode": "MPOL_BIND", "nodes": "0"}),
                                  ("with a flag", "interleave=static:0", {"mode": "MPOL_INTERLEAVE", "nodes": "0-0", "flags": ["MPOL_F_STATIC_NODES"]}),
                                  ("local", "local", {"mode": "MPOL_LOCAL"}))],
    Case("the process leads its session", "cut -d' ' -f6 /proc/1/stat", "1"),
    Case("the process is PID 1", "echo $$", "1"),
    Case("signals are as by default", STATUS.format("SigBlk|SigIgn"), f"SigBlk:{NO_CAPS} SigIgn:{NO_CAPS}"),
    Case("no descriptor of the runtime's is open", "ls /proc/self/fd | tr '\\n' ' '", re.compile("^0 1 2 (3 )?$|^0 1 2( 3)?$")),
    Case("exit code", "exit 42", "", code=42),
    Case("death by signal", "sh -c 'kill -KILL $$'; exit $?", "", code=137),
]


def test_the_process_is_as_its_configuration_says():
    check(CASES)


def test_exec_finds_home_too():
    passwd()()
    with container() as name:
        found = [oci("exec", *user, name, "/bin/sh", "-c", 'echo "$HOME"').ok().out.strip() for user in ([], ["-u", "1000"], ["-u", "77"])]
    equal(found, ["/super", "/home/user", "/"], "HOME")


def test_a_passwd_that_is_no_file_or_leads_away_gives_the_root_as_home():
    for content in (os.mkfifo, os.mkdir, lambda path: os.symlink("/proc/self/fd/3", path), lambda path: os.symlink("/proc/1/root/etc/passwd", path)):
        case = home("", "/", content=content)
        equal(case.answer("hull")[:2], (0, "/"), "home")
        path = f"{rootfs()}/etc/passwd"
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def test_signals_that_the_caller_ignores_are_reset():
    real_time = range(32, 65)
    isolate.set_signals(ignored=True, numbers=real_time)
    try:
        found = run_bundle(args=["/bin/grep", "SigIgn", "/proc/self/status"])
    finally:
        isolate.set_signals(ignored=False, numbers=real_time)
    equal(found.out.split(), ["SigIgn:", NO_CAPS], "ignored")


def test_crun_agrees():
    agree("crun", CASES)


def test_runc_agrees():
    agree("runc", CASES)
