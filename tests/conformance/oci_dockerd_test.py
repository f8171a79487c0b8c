"""dockerd over hull: --add-runtime names hull's binary, and docker's client is told the same as with runc."""
import contextlib
import os
import re
import signal
import subprocess

from lib import isolate, ledger
from lib.hull import Terminal, binary, busybox_rootfs, check, contains, environment, equal, eventually, matches, need, run, scratch

NO_NETWORK = ("--network", "none")


class Dockerd:
    def __init__(self, *options):
        self.folder = scratch("docker")
        os.makedirs(self.folder, exist_ok=True)
        if not os.path.islink(f"{self.folder}/hull-oci"):
            os.symlink(binary(), f"{self.folder}/hull-oci")
        self.log = open(f"{self.folder}/log", "w")
        words = [need("dockerd"), "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid",
                 "-H", f"unix://{self.folder}/s.sock", "--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false",
                 "--ip-masq=false", "--storage-driver=vfs", f"--add-runtime=hull={self.folder}/hull-oci", "--default-runtime=hull", *options]
        self.child = subprocess.Popen(words, stdout=self.log, stderr=self.log, env=environment(), preexec_fn=isolate.enter_own_cgroups,
                                      start_new_session=True)
        ledger.KNOWN_CHILDREN.add(self.child.pid)
        self.words = ["/usr/bin/docker", "-H", f"unix://{self.folder}/s.sock"]
        eventually(lambda: self("version").code == 0, timeout=30)
        tar = subprocess.run(["tar", "-C", busybox_rootfs(), "-c", "."], stdout=subprocess.PIPE, check=True).stdout
        self("import", "-", "bb", input=tar, text=False).ok()

    def __call__(self, *argv, **options):
        return run(*self.words, *argv, timeout=60, **options)

    def run(self, *argv):
        return self("run", *NO_NETWORK, *argv)

    def get(self, name, template):
        return self("inspect", "-f", template, name).ok().out.strip()

    def close(self):
        names = self("ps", "-aq").out.split()
        if names:
            self("rm", "-f", *names)
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(30)
        ledger.KNOWN_CHILDREN.discard(self.child.pid)
        self.log.close()
        for top in isolate.hierarchies() + ["/sys/fs/cgroup/unified"]:
            isolate.remove_cgroups([f"{top}/docker"])
        subprocess.run(f"awk '$5 ~ \"^{self.folder}\" {{ print $5 }}' /proc/self/mountinfo | sort -r | xargs -r umount -l", shell=True, check=False)
        subprocess.run(["rm", "-rf", self.folder], check=True)
        for folder in ("/run/docker/plugins", "/run/docker", "/run/containerd/s", "/run/containerd"):
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    if not os.path.isdir(f"{folder}/{name}"):
                        os.unlink(f"{folder}/{name}")
                os.rmdir(folder)


@contextlib.contextmanager
def dockerd(*options):
    need("/usr/bin/docker")
    made = Dockerd(*options)
    try:
        yield made
    finally:
        made.close()


SAME = (
    ("bb", "echo", "hello"), ("bb", "sh", "-c", "echo out; echo err >&2; exit 7"), ("bb", "sh", "-c", "kill -9 $$"),
    ("-w", "/var/new", "bb", "pwd"), ("-u", "12:34", "bb", "id"), ("-e", "A=b c", "bb", "sh", "-c", "echo $A"),
    ("--read-only", "bb", "touch", "/x"), ("--hostname", "h1", "bb", "hostname"),
    ("--tmpfs", "/t:size=1m,mode=700", "bb", "sh", "-c", "stat -c %a /t; df -k /t | tail -n1 | tr -s ' ' | cut -d' ' -f2"),
    ("bb", "grep", "-E", "Cap|Seccomp:|NoNewPrivs", "/proc/self/status"),
    ("--cap-drop=all", "--cap-add=CHOWN", "bb", "grep", "Cap", "/proc/self/status"),
    ("--security-opt=no-new-privileges", "bb", "grep", "NoNewPrivs", "/proc/self/status"),
    ("--security-opt=seccomp=unconfined", "bb", "grep", "Seccomp:", "/proc/self/status"),
    ("-m", "64m", "bb", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ("--pids-limit", "50", "bb", "cat", "/sys/fs/cgroup/pids/pids.max"),
    ("--cpus", "0.5", "bb", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    ("--cpuset-cpus", "0", "bb", "cat", "/sys/fs/cgroup/cpuset/cpuset.cpus"),
    ("--sysctl", "net.ipv4.ip_forward=1", "bb", "cat", "/proc/sys/net/ipv4/ip_forward"),
    ("--device", "/dev/full:/dev/mine:r", "bb", "sh", "-c", "test -c /dev/mine && ! echo x > /dev/mine && echo ok"),
    ("--init", "bb", "sh", "-c", "cat /proc/1/comm"), ("--pid=host", "bb", "sh", "-c", "[ $$ -ne 1 ] && echo outside"),
    ("--ipc=host", "bb", "true"), ("--uts=host", "bb", "hostname"), ("--oom-score-adj=100", "bb", "cat", "/proc/self/oom_score_adj"),
    ("--ulimit", "nofile=99:100", "bb", "sh", "-c", "ulimit -n; ulimit -Hn"),
    # hull shows the unified hierarchy of a hybrid host too
    ("bb", "sh", "-c", "ls /dev; umask; cut -d' ' -f5 /proc/self/mountinfo | grep -v /unified$ | sort"),
    ("--cgroupns=private", "bb", "head", "-n1", "/proc/self/cgroup"),
)


def test_run_ends_alike_with_runc():
    with dockerd() as docker:
        different = []
        for words in SAME:
            a, b = docker.run("--rm", *words), docker.run("--rm", "--runtime=runc", *words)
            if (a.code, a.out, a.err) != (b.code, b.out, b.err):
                different.append(f"{' '.join(words)}:\n  hull: {a.code} {a.out!r} {a.err!r}\n  runc: {b.code} {b.out!r} {b.err!r}")
        check(not different, "\n".join(different))


def test_a_containers_life():
    with dockerd() as docker:
        docker.run("-d", "--name", "c1", "-m", "64m", "bb", "sleep", "600").ok()
        docker("exec", "c1", "sh", "-c", "echo in; exit 3").exits(3).out_is("in\n")
        docker("exec", "-u", "7", "-w", "/tmp", "-e", "X=1", "c1", "sh", "-c", "id -u; pwd; echo $X").ok().out_is("7\n/tmp\n1\n")
        matches(docker("stats", "--no-stream", "c1").ok().out, r"/ 64MiB .* 1\n")
        contains(docker("top", "c1").ok().out, "sleep 600")
        docker("update", "-m", "32m", "--memory-swap", "64m", "c1").ok()
        docker("exec", "c1", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes").ok().out_is(f"{32 << 20}\n")
        docker.run("--rm", "--privileged", "bb", "sh", "-c", "grep -c Seccomp:.0 /proc/self/status; dmesg > /dev/null || true").ok().out_is("1\n")
        docker("pause", "c1").ok()
        equal(docker.get("c1", "{{.State.Status}}"), "paused")
        docker("unpause", "c1").ok()
        before = docker.get("c1", "{{.State.Pid}}")
        docker("restart", "-t", "0", "c1").ok()
        check(docker.get("c1", "{{.State.Pid}}") not in (before, "0"), "another process")
        docker("kill", "c1").ok()
        equal(docker.get("c1", "{{.State.ExitCode}}"), "137")
        docker("start", "c1").ok()
        docker("stop", "-t", "0", "c1").ok()
        docker("rm", "c1").ok()


def test_an_oom_kill_and_a_missing_command_are_told():
    with dockerd() as docker:
        docker.run("--name", "hog", "-m", "16m", "bb", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1").exits(137)
        equal(docker.get("hog", "{{.State.OOMKilled}}"), "true")
        contains(docker.run("--rm", "bb", "nosuch").exits(127).err, 'exec: "nosuch": executable file not found in $PATH')
        for words in (("bb", "/etc"), ("bb", "/etc/passwd"), ("bb", "/no/such"), ("-w", "/etc/passwd", "bb", "true"), ("-u", "nobody-here", "bb", "true")):
            ours, theirs = docker.run("--rm", *words), docker.run("--rm", "--runtime=runc", *words)
            equal(ours.code, theirs.code, f"{words}: {ours.err} {theirs.err}")


def test_terminals_of_run_and_exec():
    with dockerd() as docker:
        docker.run("-d", "--name", "c1", "bb", "sleep", "600").ok()
        for words in (("run", "--rm", "-it", *NO_NETWORK, "bb", "sh"), ("exec", "-it", "c1", "sh")):
            with Terminal(*docker.words, *words, env=environment()) as terminal:
                terminal.expect("#")
                terminal.send("tty; echo $((6*7))\n")
                terminal.expect("/dev/pts/0")
                terminal.expect("42")
                terminal.send("exit 3\n")
                equal(terminal.wait(), 3)


def test_remapped_users():
    """--userns-remap: every container in a user namespace, its files owned by the mapped ids."""
    for name in ("subuid", "subgid"):
        with open(scratch(name), "w") as file:
            file.write("nobody:100000:65536\nnogroup:100000:65536\n")
        isolate.mount(scratch(name), f"/etc/{name}", None, isolate.MS_BIND)
    try:
        with dockerd("--userns-remap=nobody:nogroup") as docker:
            docker.run("-d", "--name", "c1", "bb", "sleep", "600").ok()
            pid = docker.get("c1", "{{.State.Pid}}")
            with open(f"/proc/{pid}/uid_map") as uid_map:
                equal(uid_map.read().split(), ["0", "100000", "65536"])
            docker("exec", "c1", "sh", "-c", "id -u; stat -c %u /bin; touch /mine && stat -c %u /mine").ok().out_is("0\n0\n0\n")
            docker("exec", "-u", "5", "c1", "id", "-u").ok().out_is("5\n")
    finally:
        for name in ("subuid", "subgid"):
            isolate.umount(f"/etc/{name}")


for _name in [name for name in list(globals()) if name.startswith("test_")]:
    globals()[_name].timeout = 300
