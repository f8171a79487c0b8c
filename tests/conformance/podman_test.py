"""podman over `hull-oci`: --runtime is all that changes. Its storage, state and cgroups are the test's own."""
import contextlib
import json
import os
import re
import subprocess

from lib.bundle import enter_cgroup_world, link_runtime, sweep_parent
from lib.hull import busybox_rootfs, check, equal, need, run, scratch

LIMITS = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"]  # podman's own defaults need CAP_SYS_RESOURCE


def podman(*argv, runtime=None, **options):
    base = scratch("podman")
    os.makedirs(base, exist_ok=True)
    words = ["podman", "--root", f"{base}/root", "--runroot", f"{base}/run", "--tmpdir", f"{base}/tmp", "--cgroup-manager", "cgroupfs",
             "--storage-driver", "vfs", "--events-backend", "file", "--runtime", runtime or link_runtime()]
    env = {"XDG_RUNTIME_DIR": base, "HOME": base, "TMPDIR": base, "CONTAINERS_CONF": config(base)}
    return run(*words, *argv, env=env, timeout=60, **options)


def config(base):
    """netavark and its DNS are not wanted; nothing of the host's configuration counts."""
    path = f"{base}/containers.conf"
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write('[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = "cgroupfs"\n')
        with open(f"{base}/policy.json", "w") as file:
            json.dump({"default": [{"type": "insecureAcceptAnything"}]}, file)
    return path


@contextlib.contextmanager
def image():
    need("podman", "conmon")
    tree, tar = busybox_rootfs(), scratch("rootfs.tar")
    subprocess.run(["tar", "-C", tree, "-cf", tar, "."], check=True)
    podman("import", tar, "busybox").ok()
    try:
        yield "busybox"
    finally:
        podman("rm", "-af", "-t", "0")
        podman("pod", "rm", "-af")
        podman("rmi", "-af")
        sweep_parent(["libpod_parent"], ["/run/hull-oci", "/dev/shm/libpod_lock", "/run/libpod", "/run/netns", "/run/runc"])


def start(*argv):
    return podman("run", "-d", "--network", "none", *LIMITS, *argv).ok().line


# What must come out the same under hull and runc.
SAME = (
    ("--rm", "busybox", "echo", "hello"),
    ("--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7"),
    ("--rm", "busybox", "nosuch"),
    ("--rm", "busybox", "/etc"),
    ("--rm", "-w", "/var/new", "busybox", "pwd"),
    ("--rm", "-u", "12:34", "busybox", "id"),
    ("--rm", "-e", "A=b c", "busybox", "sh", "-c", "echo $A"),
    ("--rm", "--read-only", "busybox", "touch", "/x"),
    ("--rm", "--hostname", "h1", "busybox", "hostname"),
    ("--rm", "--tmpfs", "/t:size=1m,mode=700", "busybox", "sh", "-c", "stat -c %a /t; df -k /t | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("--rm", "--cap-drop=all", "--cap-add=CHOWN", "busybox", "grep", "Cap", "/proc/self/status"),
    ("--rm", "--privileged", "busybox", "sh", "-c", "grep -c CapEff /proc/self/status; ls /dev/null"),
    ("--rm", "--security-opt=no-new-privileges", "busybox", "grep", "NoNewPrivs", "/proc/self/status"),
    ("--rm", "--security-opt=seccomp=unconfined", "busybox", "grep", "Seccomp:", "/proc/self/status"),
    ("--rm", "busybox", "grep", "Seccomp:", "/proc/self/status"),
    ("--rm", "-m", "64m", "busybox", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ("--rm", "--pids-limit", "50", "busybox", "cat", "/sys/fs/cgroup/pids/pids.max"),
    ("--rm", "--cpus", "0.5", "busybox", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    ("--rm", "--cgroupns=private", "busybox", "head", "-n1", "/proc/self/cgroup"),
    ("--rm", "--sysctl", "net.ipv4.ip_forward=1", "busybox", "cat", "/proc/sys/net/ipv4/ip_forward"),
    ("--rm", "--device", "/dev/full:/dev/mine:r", "busybox", "sh", "-c", "test -c /dev/mine && ! echo x > /dev/mine && echo ok"),
    ("--rm", "--init", "busybox", "sh", "-c", "cat /proc/1/comm"),
    ("--rm", "--pid=host", "busybox", "sh", "-c", "[ $$ -ne 1 ] && echo outside"),
    ("--rm", "--oom-score-adj=100", "busybox", "cat", "/proc/self/oom_score_adj"),
    ("--rm", "--userns=auto:size=1000", "busybox", "sh", "-c", "true"),
    ("--rm", "--umask=0027", "busybox", "sh", "-c", "umask"),
    ("--rm", "--shm-size=2m", "busybox", "sh", "-c", "df -k /dev/shm | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("--rm", "busybox", "sh", "-c", "ls /dev; ls -l /proc/self/fd | wc -l; cat /proc/sys/kernel/hostname | wc -c"),
    ("--rm", "busybox", "sh", "-c", "cat /proc/kcore; ls /proc/acpi /sys/firmware; echo x > /proc/sys/kernel/panic"),
)


def anonymous(text):
    """Without what differs from run to run: ids, paths and the runtime's own name."""
    text = re.sub(r"/tmp/\S*?/(hull-oci|runc)", "RUNTIME", text)
    text = re.sub(r"\b(/usr/s?bin/)?(hull-oci|runc|crun)\b", "RUNTIME", text)
    return re.sub(r"[0-9a-f]{12,64}", "ID", text)


def test_run_ends_alike_under_hull_and_runc():
    with image():
        different = []
        for words in SAME:
            ours, theirs = (podman("run", "--network", "none", *LIMITS, *words, runtime=runtime, preexec=enter_cgroup_world)
                            for runtime in (None, need("runc")))
            if (ours.code, anonymous(ours.out)) != (theirs.code, anonymous(theirs.out)):
                different.append(f"{' '.join(words)}:\n  hull: {ours.code} {ours.out!r} {ours.err!r}\n  runc: {theirs.code} {theirs.out!r} {theirs.err!r}")
        check(not different, "\n".join(different))


def test_run_gives_output_and_exit_code():
    with image() as name:
        podman("run", "--rm", "--network", "none", *LIMITS, name, "/bin/sh", "-c", "echo out; echo err >&2; exit 7").exits(7).out_is("out\n").err_contains("err")
        podman("run", "--rm", "--network", "none", *LIMITS, name, "/nothing").exits(127)
        podman("run", "--rm", "--network", "none", *LIMITS, name, "/etc/passwd").exits(126)
        podman("run", "--rm", "--network", "none", *LIMITS, "-i", name, "/bin/cat", input="typed").ok().out_is("typed")
        podman("run", "--rm", "--network", "none", *LIMITS, "-t", name, "/bin/tty").ok().out_matches("/dev/(pts/0|console)")
        podman("run", "--rm", "--network", "none", *LIMITS, "--read-only", "--cap-drop", "all", "--user", "5:6", "-w", "/tmp", "-e", "A=b", name,
               "/bin/sh", "-c", "id -u; pwd; echo $A; grep CapEff /proc/self/status; touch /x 2>&1").exits(1).out_contains("5\n/tmp\nb\nCapEff:\t0000000000000000\n")


def test_a_detached_container_s_life():
    with image() as name:
        identity = start("--name", "web", "--pids-limit", "20", "--memory", "64m", name, "/bin/sleep", "600")
        equal(podman("inspect", "-f", "{{.State.Status}} {{.OCIRuntime}}", "web").ok().line, f"running {link_runtime()}")
        podman("exec", "web", "/bin/sh", "-c", "exit 9").exits(9)
        podman("exec", "-e", "X=y", "-w", "/tmp", "-u", "7", "web", "/bin/sh", "-c", "echo $X; pwd; id -u").ok().out_is("y\n/tmp\n7\n")
        podman("exec", "web", "/nothing").exits(127)
        podman("exec", "-t", "web", "/bin/tty").ok()
        podman("pause", "web").ok()
        equal(podman("inspect", "-f", "{{.State.Status}}", "web").ok().line, "paused")
        podman("unpause", "web").ok()
        podman("top", "web").ok().out_contains("sleep")
        podman("kill", "-s", "KILL", "web").ok()
        podman("wait", "web").ok().out_is("137\n")
        podman("start", "web").ok()
        podman("restart", "-t", "0", "web").ok()
        podman("stop", "-t", "0", "web").ok()
        podman("rm", "web").ok()
        check(identity, "an id")


def test_logs_and_events():
    with image() as name:
        podman("run", "--name", "say", "--network", "none", *LIMITS, name, "/bin/echo", "said").ok()
        podman("logs", "say").ok().out_is("said\n")
        podman("rm", "say").ok()


def test_a_pod_shares_its_namespaces():
    with image() as name:
        podman("pod", "create", "--name", "p", "--network", "none", "--infra-image", name, "--infra-command", "/bin/sleep 600").ok()
        podman("run", "-d", "--pod", "p", "--name", "a", *LIMITS, name, "/bin/sleep", "600").ok()
        podman("run", "-d", "--pod", "p", "--name", "b", *LIMITS, name, "/bin/sleep", "600").ok()
        links = [podman("exec", one, "/bin/readlink", "/proc/self/ns/net").ok().line for one in ("a", "b")]
        equal(links[0], links[1], "the pod's network")
        podman("pod", "stop", "-t", "0", "p").ok()
        podman("pod", "rm", "p").ok()


def test_a_health_check_runs():
    with image() as name:
        start("--name", "h", "--health-cmd", "/bin/true", "--health-interval", "disable", name, "/bin/sleep", "600")
        podman("healthcheck", "run", "h").ok()
        podman("rm", "-f", "-t", "0", "h").ok()


def test_a_user_namespace():
    with image() as name:
        podman("run", "--rm", "--network", "none", *LIMITS, "--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000", name, "/bin/cat", "/proc/self/uid_map").ok().out_matches("0 +100000 +1000")
