"""dockerd over `hull-oci`: --add-runtime is all that changes. The daemon, with its containerd, is the test's own."""
from lib.bundle import link_runtime
from lib.dockerd import base, docker, docker_run, dockerd
from lib.hull import Terminal, check, contains, equal, eventually, run, scratch


# What must come out the same under hull and runc.
SAME = (
    ("busybox", "echo", "hello"), ("busybox", "sh", "-c", "echo out; echo err >&2; exit 7"), ("busybox", "sh", "-c", "kill -9 $$"),
    ("-w", "/var/new", "busybox", "pwd"), ("-u", "12:34", "busybox", "id"), ("-e", "A=b c", "busybox", "sh", "-c", "echo $A"),
    ("--read-only", "busybox", "touch", "/x"), ("--hostname", "h1", "busybox", "hostname"),
    ("--tmpfs", "/t:size=1m,mode=700", "busybox", "sh", "-c", "stat -c %a /t; df -k /t | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("busybox", "grep", "-E", "Cap|Seccomp:|NoNewPrivs", "/proc/self/status"),
    ("--cap-drop=all", "--cap-add=CHOWN", "busybox", "grep", "Cap", "/proc/self/status"),
    ("--security-opt=no-new-privileges", "busybox", "grep", "NoNewPrivs", "/proc/self/status"),
    ("--security-opt=seccomp=unconfined", "busybox", "grep", "Seccomp:", "/proc/self/status"),
    ("-m", "64m", "busybox", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ("--pids-limit", "50", "busybox", "cat", "/sys/fs/cgroup/pids/pids.max"),
    ("--cpus", "0.5", "busybox", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    ("--cpuset-cpus", "0", "busybox", "cat", "/sys/fs/cgroup/cpuset/cpuset.cpus"),
    ("--sysctl", "net.ipv4.ip_forward=1", "busybox", "cat", "/proc/sys/net/ipv4/ip_forward"),
    ("--device", "/dev/full:/dev/mine:r", "busybox", "sh", "-c", "test -c /dev/mine && ! echo x > /dev/mine && echo ok"),
    ("--init", "busybox", "sh", "-c", "cat /proc/1/comm"), ("--pid=host", "busybox", "sh", "-c", "[ $$ -ne 1 ] && echo outside"),
    ("--ipc=host", "busybox", "true"), ("--uts=host", "busybox", "hostname"), ("--oom-score-adj=100", "busybox", "cat", "/proc/self/oom_score_adj"),
    ("--ulimit", "nofile=99:100", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn"),
    # hull shows the unified hierarchy of a hybrid host too
    ("busybox", "sh", "-c", "ls /dev; umask; cut -d' ' -f5 /proc/self/mountinfo | grep -v /unified$ | sort"),
    ("--cgroupns=private", "busybox", "head", "-n1", "/proc/self/cgroup"),
)


def test_run_ends_alike_under_hull_and_runc():
    with dockerd():
        different = []
        for words in SAME:
            ours, theirs = docker_run("--rm", *words), docker_run("--rm", "--runtime=runc", *words)
            if (ours.code, ours.out, ours.err) != (theirs.code, theirs.out, theirs.err):
                different.append(f"{' '.join(words)}:\n  hull: {ours.code} {ours.out!r} {ours.err!r}\n  runc: {theirs.code} {theirs.out!r} {theirs.err!r}")
        check(not different, "\n".join(different))


def test_failed_starts_have_the_codes_of_runc():
    with dockerd():
        for words in (("busybox", "nosuch"), ("busybox", "/etc"), ("busybox", "/etc/passwd"), ("busybox", "/no/such"),
                      ("-w", "/etc/passwd", "busybox", "true"), ("-u", "nobody-here", "busybox", "true")):
            ours, theirs = docker_run("--rm", *words), docker_run("--rm", "--runtime=runc", *words)
            equal(ours.code, theirs.code, f"{words}: {ours.err} {theirs.err}")


def test_run_gives_output_and_exit_code():
    with dockerd():
        docker_run("--rm", "busybox", "/bin/sh", "-c", "echo out; echo err >&2; exit 7").exits(7).out_is("out\n").err_contains("err")
        docker_run("--rm", "busybox", "/nothing").exits(127).err_contains("no such file or directory")
        docker_run("--rm", "busybox", "nothing").exits(127).err_contains("executable file not found in $PATH")
        docker_run("--rm", "busybox", "/etc/passwd").exits(126).err_contains("permission denied")
        docker_run("--rm", "-i", "busybox", "/bin/cat", input="typed").ok().out_is("typed")
        docker_run("--rm", "--read-only", "--cap-drop", "ALL", "-u", "5:6", "-w", "/tmp", "-e", "A=b", "--tmpfs", "/tmp", "-h", "named", "busybox",
                   "/bin/sh", "-c", "id -u; pwd; echo $A; hostname; grep -E 'CapEff|Seccomp:' /proc/self/status; touch /tmp/x; touch /x 2>&1"
                   ).exits(1).out_contains("5\n/tmp\nb\nnamed\nCapEff:\t0000000000000000\nSeccomp:\t2\ntouch: /x: Read-only")

        contains(docker("info", "-f", "{{.DefaultRuntime}} {{json .Runtimes}}").ok().out, link_runtime())


def test_a_detached_container_s_life():
    with dockerd():
        docker_run("-d", "--name", "web", "--memory", "64m", "--pids-limit", "30", "--cpus", "0.5", "busybox", "/bin/sleep", "600").ok()
        equal(docker("inspect", "-f", "{{.State.Status}} {{.HostConfig.Runtime}}", "web").ok().line, "running hull")
        docker("exec", "web", "/bin/sh", "-c", "exit 9").exits(9)
        docker("exec", "-e", "X=y", "-w", "/tmp", "-u", "7", "web", "/bin/sh", "-c", "echo $X; pwd; id -u").ok().out_is("y\n/tmp\n7\n")
        check(docker("exec", "web", "/nothing").code in (126, 127), "exec of a missing program")
        docker("top", "web").ok().out_contains("sleep")
        stats = docker("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "web").ok().out
        check("64MiB" in stats and stats.split()[-1] == "1", f"stats: {stats}")
        docker("update", "--memory", "96m", "--memory-swap", "-1", "--pids-limit", "40", "web").ok()
        contains(docker("stats", "--no-stream", "--format", "{{.MemUsage}}", "web").ok().out, "96MiB")
        docker("pause", "web").ok()
        contains(docker("ps", "--format", "{{.Status}}").ok().out, "Paused")
        docker("unpause", "web").ok()
        before = docker("inspect", "-f", "{{.State.Pid}}", "web").ok().line
        docker("restart", "-t", "0", "web").ok()
        check(docker("inspect", "-f", "{{.State.Pid}}", "web").ok().line not in ("0", before), "a new process")
        docker("kill", "-s", "TERM", "web").ok()
        docker("kill", "web").ok()
        docker("wait", "web").ok().out_is("137\n")
        docker("rm", "web").ok()


def test_a_terminal_in_run_and_exec():
    with dockerd():
        docker_run("-d", "--name", "web", "busybox", "/bin/sleep", "600").ok()
        for argv in (("exec", "-it", "web", "/bin/sh"), ("run", "--rm", "-it", "--network", "none", "busybox", "/bin/sh")):
            with Terminal("docker", "-H", f"unix://{base()}/sock", *argv, env={"HOME": f"{base()}/home"}) as terminal:
                terminal.send("tty; stty size; echo $((6*7))\n")
                terminal.expect("/dev/pts/[0-9]", timeout=20)
                terminal.expect("42", timeout=20)
                terminal.send("exit 3\n")
                equal(terminal.wait(20), 3, str(argv))


def test_docker_s_default_protections_hold():
    with dockerd():
        docker_run("--rm", "busybox", "/bin/sh", "-c",
                   "wc -c < /proc/keys; (echo 1 > /proc/sys/kernel/panic) 2>&1 | grep -o Read-only; ls /proc/acpi | wc -l; mount -t tmpfs x /mnt 2>&1 | grep -o -i 'denied\\|permitted'"
                   ).out_contains("0\nRead-only\n0\n")
        docker_run("--rm", "-v", f"{scratch()}:/host:ro", "busybox", "/bin/sh", "-c", "touch /host/x 2>&1 | grep -o Read-only").ok().out_is("Read-only\n")
        docker_run("--rm", "--device", "/dev/null:/dev/mine:r", "busybox", "/bin/sh", "-c", "ls -l /dev/mine | cut -c1").ok().out_is("c\n")
        docker_run("--rm", "--sysctl", "net.ipv4.ip_forward=1", "busybox", "/bin/cat", "/proc/sys/net/ipv4/ip_forward").ok().out_is("1\n")
        docker_run("--rm", "--privileged", "busybox", "/bin/sh", "-c", "grep CapEff /proc/self/status; mount -t tmpfs x /var && echo mounted").ok().out_contains("mounted")


def test_shared_namespaces_and_restart_policies():
    with dockerd():
        docker_run("-d", "--name", "first", "busybox", "/bin/sleep", "600").ok()
        link = docker("exec", "first", "/bin/readlink", "/proc/self/ns/net").ok().line
        docker("run", "--rm", "--network", "container:first", "--ipc", "host", "busybox", "/bin/readlink", "/proc/self/ns/net").ok().out_is(link + "\n")
        docker("run", "--rm", "--network", "none", "--pid", "container:first", "busybox", "/bin/cat", "/proc/1/comm").ok().out_is("sleep\n")
        docker_run("-d", "--name", "again", "--restart", "on-failure:2", "busybox", "/bin/false").ok()
        eventually(lambda: docker("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "again").line == "2 exited", timeout=20)


def test_a_user_namespace_for_all():
    with dockerd("--userns-remap", "nobody:nogroup"):
        docker_run("--rm", "busybox", "/bin/cat", "/proc/self/uid_map").ok().out_matches("0 +100000 ")
        docker_run("--rm", "-d", "--name", "user", "busybox", "/bin/sleep", "600").ok()
        docker("exec", "user", "/bin/id", "-u").ok().out_is("0\n")
