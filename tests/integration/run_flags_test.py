"""Each flag of run, asserted by what the kernel says inside the container (or of it, from outside)."""
import json
import os
import subprocess

from lib.hull import (Terminal, binary, check, container, contains, environment, equal, eventually, hull, hull_root, inspect, matches,
                      namespace_of, run, scratch, sh)

BASE = ("run", "--rm", "--net=none")


def inside(flags, script, image="busybox"):
    return hull(*BASE, *flags, image, "sh", "-c", script)


# flags, script, exact output
PROBES = [
    (("-e", "A=1", "-e", "B=x y"), "echo $A $B", "1 x y\n"),
    (("-w", "/made/up"), "pwd", "/made/up\n"),
    (("-u", "33"), "id -u; id -g", "33\n33\n"),
    (("-u", "4242"), "id -u; id -g", "4242\n0\n"),
    (("-u", "33:44"), "id -u; id -g", "33\n44\n"),
    (("-u", "www-data"), "id -u; id -g", "33\n33\n"),
    (("-u", "33:44", "--group-add", "55"), "id -G", "44 55\n"),
    (("--hostname", "box"), "hostname; cat /etc/hostname; grep -c box /etc/hosts", "box\nbox\n1\n"),
    (("--domainname", "example"), "cat /proc/sys/kernel/domainname", "example\n"),
    (("--read-only",), "touch /x 2>/dev/null || echo refused; touch /dev/shm/y && echo ok", "refused\nok\n"),
    (("--read-only", "--tmpfs", "/run:size=1m"), "touch /run/x && df -k /run | tail -1 | awk '{print $2}'", "1024\n"),
    (("--mount", "type=tmpfs,target=/t,tmpfs-size=2m"), "df -k /t | tail -1 | awk '{print $2}'", "2048\n"),
    (("--shm-size", "1m"), "df -k /dev/shm | tail -1 | awk '{print $2}'", "1024\n"),
    (("--cap-drop", "ALL", "--cap-add", "CHOWN"), "grep CapEff /proc/self/status", "CapEff:\t0000000000000001\n"),
    (("--cap-add", "net_admin"), "grep CapBnd /proc/self/status", "CapBnd:\t00000000800415fb\n"),
    (("-u", "33",), "grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -c 0000000000000000", "4\n"),
    (("--security-opt", "no-new-privileges"), "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
    (("--security-opt", "seccomp=unconfined"), "grep ^Seccomp: /proc/self/status", "Seccomp:\t0\n"),
    (("--sysctl", "net.ipv4.ip_forward=1"), "cat /proc/sys/net/ipv4/ip_forward", "1\n"),
    (("--sysctl", "kernel.msgmax=4096"), "cat /proc/sys/kernel/msgmax", "4096\n"),
    (("--ulimit", "nofile=64:128"), "ulimit -n; ulimit -Hn", "64\n128\n"),
    (("--pids-limit", "77"), "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max", "77\n"),
    (("-m", "64m"), "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max", "67108864\n"),
    (("--cpus", "0.5"), "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max", "50000\n"),
    (("--cpuset-cpus", "0"), "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t0\n"),
    (("--oom-score-adj", "500"), "cat /proc/self/oom_score_adj", "500\n"),
    (("--init",), "cat /proc/1/comm | cut -c1-9; echo $$", None),
    (("--entrypoint", "echo"), "", None),
    (("--ns", "time=+1d"), "[ $(cut -d. -f1 /proc/uptime) -gt 86400 ] && echo later", "later\n"),
    (("--userns", "private", "--uidmap", "0:200000:1000"), "tr -s ' ' < /proc/self/uid_map; id -u; touch /x && stat -c %u /x",
     " 0 200000 1000\n0\n0\n"),
    (("--userns", "private"), "awk '{print $1, $3}' /proc/self/uid_map", "0 65536\n"),
    (("--security-opt", "systempaths=unconfined"), "grep -c 'proc/sys ' /proc/self/mountinfo", "0\n"),
]


def test_each_flag_does_inside_what_it_says():
    wrong = []
    for flags, script, wanted in PROBES:
        if wanted is None:
            continue
        result = inside(flags, script)
        if result.code not in (0, 1) or result.out != wanted:
            wrong.append(f"{' '.join(flags)}: wanted {wanted!r}, got {result.out!r} {result.err!r}")
    check(not wrong, "\n    ".join(wrong))


def test_the_defaults_protect():
    out = inside((), "grep -E '^(CapBnd|CapEff|NoNewPrivs|Seccomp):' /proc/self/status; wc -c < /proc/interrupts;"
                 "ls /proc/self/fd | tr '\\n' ' '; touch /sys/x 2>&1; echo x > /proc/sys/kernel/domainname; umask").ok().out
    contains(out, "CapBnd:\t00000000800405fb")
    contains(out, "CapEff:\t00000000800405fb")
    contains(out, "NoNewPrivs:\t0")
    contains(out, "Seccomp:\t2")
    contains(out, "\n0\n0 1 2 3 ")
    contains(out, "Read-only file system")
    contains(out, "0022")


def test_privileged_lifts_them():
    out = inside(("--privileged",), "grep -E '^(CapEff|Seccomp):' /proc/self/status; ls /dev/tty0 /dev/loop0 2>/dev/null | wc -l").ok().out
    contains(out, "Seccomp:\t0")
    matches(out, r"CapEff:\t0000")
    check("CapEff:\t00000000800405fb" not in out, out)


def test_bind_mounts_read_only_reach_below_and_show_the_host():
    source = scratch("source")
    os.makedirs(f"{source}/sub")
    open(f"{source}/file", "w").write("hello\n")
    sh(f"busybox mount -t tmpfs none {source}/sub").ok()
    try:
        inside(("-v", f"{source}:/v"), "cat /v/file; echo made > /v/made").ok().out_is("hello\n")
        equal(open(f"{source}/made").read(), "made\n", "what the container wrote")
        out = inside(("-v", f"{source}:/v:ro"), "touch /v/x 2>&1; touch /v/sub/x 2>&1").out
        equal(out.count("Read-only file system"), 2, out)
        inside(("--mount", f"type=bind,source={source}/file,target=/etc/only,readonly"), "cat /etc/only").ok().out_is("hello\n")
    finally:
        sh(f"busybox umount {source}/sub").ok()
    hull(*BASE, "--mount", "type=bind,source=/no/such,target=/x", "busybox", "true").fails(125, "/no/such").one_line_error()


def test_a_seccomp_profile_of_the_callers_is_obeyed():
    path = scratch("profile.json")
    profile = {"defaultAction": "SCMP_ACT_ALLOW",
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    json.dump(profile, open(path, "w"))
    result = inside(("--security-opt", f"seccomp={path}"), "mkdir /x")
    result.exits(1).err_contains("No space left on device")
    open(path, "w").write("{")
    inside(("--security-opt", f"seccomp={path}"), "true").fails(125).one_line_error()


KINDS = {"net": "--net", "pid": "--pid", "ipc": "--ipc", "uts": "--uts", "cgroup": "--cgroupns"}


def layout(pid):
    return {kind: namespace_of(pid, kind) for kind in ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time")}


def test_namespaces_are_new_the_hosts_or_anothers():
    host = layout(os.getpid())
    with container("--net=none", "--name=first", "busybox", "sleep", "100"):
        first = layout(int(inspect("first", "{{.State.Pid}}")))
        for kind, flag in KINDS.items():
            check(first[kind] != host[kind], f"{kind} is new by default")
            for spec, wanted in (("host", host[kind]), ("container:first", first[kind]),
                                 (f"ns:/proc/{inspect('first', '{{.State.Pid}}')}/ns/{kind}", first[kind])):
                net = () if kind == "net" else ("--net=none",)
                with container(*net, f"{flag}={spec}", "--name=second", "busybox", "sleep", "100"):
                    second = layout(int(inspect("second", "{{.State.Pid}}")))
                    equal(second[kind], wanted, f"{flag}={spec}")
        with container("--ns", "net=container:first,ipc=host,uts=container:first,time=+1h", "--name=third", "busybox", "sleep", "100"):
            third = layout(int(inspect("third", "{{.State.Pid}}")))
            equal((third["net"], third["ipc"], third["uts"]), (first["net"], host["ipc"], first["uts"]), "--ns")
            check(third["time"] != host["time"], "a time namespace of its own")
    hull(*BASE[:2], "--strict-ns", "--net=container:none-such", "busybox", "true").fails(125, "none-such").one_line_error()


def test_a_memory_limit_kills_and_says_so():
    hull("run", "--name=hog", "--net=none", "-m", "16m", "busybox", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1").exits(137)
    equal(inspect("hog", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137", "state")
    hull("rm", "hog").ok()


def test_the_json_log_is_dockers():
    hull("run", "--name=logger", "--net=none", "busybox", "sh", "-c", "echo out; echo err >&2; printf 'tab\\there \\033 \"q\"'").ok()
    lines = [json.loads(line) for line in open(inspect("logger", "{{.LogPath}}"))]
    equal(sorted((line["stream"], line["log"]) for line in lines),
          [("stderr", "err\n"), ("stdout", "out\n"), ("stdout", "tab\there \033 \"q\"")], "log")
    matches(lines[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
    hull("logs", "--tail", "1", "logger").ok()
    hull("logs", "-t", "logger").ok().out_matches(r"(?m)^\d{4}-.*Z out$")
    hull("rm", "logger").ok()
    with container("--net=none", "--log-driver=none", "--name=silent", "busybox", "sh", "-c", "echo x; sleep 100"):
        hull("logs", "silent").fails(1)


def test_a_stopped_container_keeps_its_files_and_starts_again():
    hull("run", "--name=keep", "--net=none", "busybox", "sh", "-c", "echo $(cat /n 2>/dev/null)x > /n; cat /n").ok().out_is("x\n")
    hull("start", "-a", "keep").ok().out_is("xx\n")
    hull("logs", "keep").ok().out_is("x\nxx\n")
    hull("rm", "keep").ok()


def test_exec_in_all_its_forms():
    with container("--net=none", "--name=box", "-e", "A=1", "busybox", "sleep", "100"):
        hull("exec", "-e", "B=2", "-w", "/tmp", "-u", "33:44", "box", "sh", "-c", "echo $A $B $PWD $(id -u):$(id -g)").ok().out_is("1 2 /tmp 33:44\n")
        hull("exec", "-i", "box", "cat", input="through\n").ok().out_is("through\n")
        hull("exec", "box", "nope").fails(127, "executable file not found")
        hull("exec", "box", "/etc/passwd").fails(126, "permission denied")
        hull("exec", "box", "sh", "-c", "exit 9").exits(9)
        hull("exec", "box", "sh", "-c", "grep -E '^(Seccomp|CapEff):' /proc/self/status").ok().out_is("CapEff:\t00000000800405fb\nSeccomp:\t2\n")
        hull("exec", "--privileged", "box", "grep", "^Seccomp:", "/proc/self/status").ok().out_is("Seccomp:\t0\n")
        hull("exec", "-d", "box", "touch", "/made").ok()
        eventually(lambda: hull("exec", "box", "ls", "/made").code == 0, what="exec -d")
        out = hull("exec", "box", "cat", "/proc/self/cgroup").ok().out
        check(all(line.endswith(":/") for line in out.split()), f"exec is in the container's cgroups: {out}")


def test_a_terminal_is_one_and_can_be_left_and_entered_again():
    terminal = Terminal(binary(), "run", "-it", "--net=none", "--name=tty", "busybox", "sh", rows=30, columns=100)
    before = terminal.initial
    try:
        terminal.send("stty size; tty\n")
        terminal.expect(r"30 100\s")
        terminal.expect(r"/dev/pts/0")
        terminal.resize(40, 120)
        terminal.send("sleep 0.2; stty size\n")
        terminal.expect(r"40 120\s")
        terminal.send("\x10\x11")
        terminal.wait()
        equal(inspect("tty", "{{.State.Running}}"), "true", "after detaching")
    finally:
        terminal.close()
    with Terminal(binary(), "attach", "tty") as again:
        again.send("echo back$((1+1)); exit 5\n")
        again.expect(r"back2")
        equal(again.wait(), 5, "exit code")
    hull("rm", "tty").ok()
    hull("run", "--rm", "-it", "--net=none", "busybox", "true", input="").fails(1, "the input device is not a TTY")


def ready(name):
    """Its trap is set: before that, PID 1 gets no signal that it does not handle."""
    eventually(lambda: "ready" in hull("logs", name).out, what=f"{name} is ready")


def test_stop_waits_and_kills_and_kill_signals():
    with container("--net=none", "--name=polite", "busybox", "sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"):
        ready("polite")
        hull("stop", "polite").ok()
        equal(inspect("polite", "{{.State.ExitCode}}"), "3", "exit code after TERM")
    with container("--net=none", "--name=deaf", "busybox", "sleep", "100"):
        hull("stop", "-t", "1", "deaf").ok()
        equal(inspect("deaf", "{{.State.ExitCode}}"), "137", "exit code after KILL")
    with container("--net=none", "--name=user", "busybox", "sh", "-c", "trap 'exit 4' USR1; echo ready; while :; do sleep 0.1; done"):
        ready("user")
        hull("kill", "-s", "USR1", "user").ok()
        hull("wait", "user").ok().out_is("4\n")


def test_fifty_at_once_all_end_well():
    hull(*BASE, "busybox", "true").ok()
    children = [subprocess.Popen([binary(), *BASE, "busybox", "sh", "-c", f"exit {n % 7}"], env=environment()) for n in range(50)]
    codes = [child.wait(60) for child in children]
    equal(codes, [n % 7 for n in range(50)], "exit codes")


def test_ps_filters_and_templates():
    with container("--net=none", "--name=one", "-l", "tier=web", "busybox", "sleep", "100"), \
         container("--net=none", "--name=two", "busybox", "sleep", "100"):
        hull("ps", "--filter", "label=tier=web", "--format", "{{.Names}}").ok().out_is("one\n")
        hull("ps", "--filter", "name=tw", "--format", "{{.Names}}").ok().out_is("two\n")
        equal(len(hull("ps", "-q").ok().out.split()), 2, "ids")
        hull("ps", "--filter", "color=red").fails(1, "color")
        hull("inspect", "-f", "{{.Nope}}", "one").fails(1, 'map has no entry for key "Nope"')
        equal(json.loads(hull("inspect", "one", "two").ok().out)[1]["Name"], "/two", "inspect of two")


def test_teach_makes_the_same_layout_and_dry_run_nothing():
    host = layout(os.getpid())
    root = scratch("rootfs")
    sh(f"mkdir -p {root}/bin {root}/proc {root}/dev {root}/sys {root}/tmp && cp /bin/busybox {root}/bin/ && ln -s busybox {root}/bin/sh").ok()
    probe = "for k in user cgroup ipc uts net pid mnt time; do /bin/busybox readlink /proc/self/ns/$k; done"
    for flags in (("--net=none",), ("--net=host", "--uts=host"), ("--net=none", "--ipc=host", "--ns", "time=+1d"),
                  ("--net=none", "--userns=private")):
        hull("run", "--rm", "--dry-run", *flags, "--rootfs", root, "/bin/sh", "-c", probe).ok().out_contains("pivot root")
        script = scratch("teach.sh")
        open(script, "w").write(hull("run", "--rm", "--teach", *flags, "--rootfs", root, "/bin/sh", "-c", probe).ok().out)
        # mount(8) keeps notes in /run/mount
        taught = sh(f"had=$(ls -d /run/mount 2>/dev/null); sh {script}; code=$?; [ -n \"$had\" ] || rm -rf /run/mount; exit $code").ok().out.split()
        ran = hull("run", "--rm", *flags, "--rootfs", root, "/bin/sh", "-c", probe).ok().out.split()
        kinds = ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time")
        for kind, by_hand, by_hull in zip(kinds, taught, ran):
            equal(by_hand == host[kind], by_hull == host[kind], f"{kind} with {' '.join(flags)}: the host's or not")
    equal(hull("ps", "-aq").ok().out, "", "containers after dry runs")


def test_what_teach_prints_keeps_every_text_a_text():
    root = scratch("rootfs")
    sh(f"mkdir -p {root}/bin {root}/proc {root}/dev {root}/sys {root}/tmp && cp /bin/busybox {root}/bin/").ok()
    hostile = f"\nINSIDE\n: > {scratch('made')}\nINSIDE_\n: > {scratch('made')}\n'; $(: > {scratch('made')})"
    script = scratch("teach.sh")
    with open(script, "w") as file:
        file.write(hull("run", "--rm", "--teach", "--net=none", "-e", f"A={hostile}", "--rootfs", root, "/bin/busybox", "sh", "-c", 'echo "$A"').ok().out)
    out = sh(f"had=$(ls -d /run/mount 2>/dev/null); sh {script}; code=$?; [ -n \"$had\" ] || rm -rf /run/mount; exit $code").ok().out
    equal(out, hostile + "\n", "the variable inside")
    check(not os.path.exists(scratch("made")), "a text was run as a command")


def test_a_taught_image_runs_and_leaves_nothing_in_the_store():
    hull(*BASE, "busybox", "true").ok()
    before = sh(f"find {hull_root()} | sort").ok().out.split()
    script = scratch("teach.sh")
    with open(script, "w") as file:
        file.write(hull("run", "--rm", "--teach", "--net=none", "busybox", "sh", "-c", "echo taught > /made; cat /made").ok().out)
    sh(f"had=$(ls -d /run/mount 2>/dev/null); sh {script}; code=$?; [ -n \"$had\" ] || rm -rf /run/mount; exit $code").ok().out_is("taught\n")
    equal(sorted(set(sh(f"find {hull_root()}").ok().out.split()) ^ set(before)), [], "what is new in the store, or gone")


def test_a_file_is_not_mounted_on_a_directory():
    open(scratch("file"), "w").close()
    for source, target in ((scratch("file"), "/etc"), (scratch(), "/etc/passwd")):
        inside(("-v", f"{source}:{target}"), "true").fails(125, "a file goes on a file, a directory on a directory").one_line_error()


def test_trace_tells_the_steps():
    hull(*BASE, "--trace", "busybox", "true").ok().err_contains("pivot root").err_contains("in hull-init")


def test_cpus_are_the_hosts_whichever_hull_itself_may_use():
    online = int(run("nproc", "--all").ok().line)
    equal(run("taskset", "-c", "0", binary(), "info", "--format", "{{.NCPU}}").ok().line, str(online))
    run("taskset", "-c", "0", binary(), "run", "--rm", "--net=none", f"--cpus={online}", "busybox", "true").ok()
    hull("run", "--rm", "--net=none", f"--cpus={online + 1}", "busybox", "true").fails(125, f"only {online} CPUs available")
