"""containerd over hull: its runc shim is given hull's binary in place of runc's, and nothing else changes."""
import contextlib
import json
import os
import re
import select
import signal
import subprocess

from lib import isolate, ledger
from lib.hull import binary, busybox_rootfs, check, contains, environment, equal, eventually, matches, need, run, scratch

CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
                    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{0}/c.sock"
[ttrpc]
  address = "{0}/t.sock"
"""


class Containerd:
    def __init__(self):
        self.folder = scratch("containerd")
        os.makedirs(self.folder, exist_ok=True)
        os.symlink(binary(), f"{self.folder}/hull-oci")
        with open(f"{self.folder}/config.toml", "w") as file:
            file.write(CONFIG.format(self.folder))
        self.rootfs = busybox_rootfs()
        self.log = open(f"{self.folder}/log", "w")
        self.child = subprocess.Popen([need("containerd"), "-c", f"{self.folder}/config.toml"], stdout=self.log, stderr=self.log,
                                      env=environment(), preexec_fn=isolate.enter_own_cgroups, start_new_session=True)
        ledger.KNOWN_CHILDREN.add(self.child.pid)
        eventually(lambda: self("version").code == 0, timeout=15)

    def __call__(self, *argv, **options):
        return run(need("ctr"), "-a", f"{self.folder}/c.sock", *argv, timeout=40, **options)

    def run(self, name, *words, options=("--rm",), runtime="hull-oci"):
        path = f"{self.folder}/hull-oci" if runtime == "hull-oci" else need(runtime)
        return self("run", *options, "--runc-binary", path, "--rootfs", self.rootfs, name, *words)

    def status(self, name):
        found = re.search(rf"(?m)^{name} +\d+ +(\w+)", self("task", "ls").ok().out)
        return found and found.group(1)

    def close(self):
        for line in self("container", "ls", "-q").out.split():
            self("task", "kill", "-s", "9", line)
            eventually(lambda line=line: self.status(line) in (None, "STOPPED"))
            self("task", "rm", line)
            self("container", "rm", line)
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(20)
        ledger.KNOWN_CHILDREN.discard(self.child.pid)
        self.log.close()
        for top in isolate.hierarchies() + ["/sys/fs/cgroup/unified"]:
            isolate.remove_cgroups([f"{top}/default"])
        subprocess.run(["rm", "-rf", self.folder], check=True)
        for folder in ("/run/containerd/fifo", "/run/containerd/s", "/run/containerd/runc/default", "/run/containerd/runc", "/run/containerd"):
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    os.unlink(f"{folder}/{name}") if not os.path.isdir(f"{folder}/{name}") else None
                os.rmdir(folder)


@contextlib.contextmanager
def containerd():
    made = Containerd()
    try:
        yield made
    finally:
        made.close()


MASKED = "^/proc/(acpi|keys|timer_list)|^/sys/firmware"  # runc leaves what covers them writable and executable, hull does not
# By full paths: ctr gives a root directory no PATH, and runc then finds nothing, where hull looks in the usual places.
SAME = (("/bin/echo", "hello"), ("/bin/sh", "-c", "exit 7"), ("/bin/sh", "-c", "kill -9 $$"), ("/bin/id",), ("/bin/pwd",),
        ("/bin/cat", "/proc/self/oom_score_adj"), ("/bin/grep", "-E", "Cap|Seccomp:|NoNewPrivs", "/proc/self/status"),
        ("/bin/sh", "-c", f"/bin/busybox cut -d' ' -f5,6 /proc/self/mountinfo | /bin/busybox grep -vE 'cgroup|{MASKED}' | /bin/busybox sort"),
        ("/bin/sh", "-c", "/bin/busybox ls /dev; ulimit -n; umask; /bin/busybox wc -l < /proc/1/cgroup"))


def test_run_ends_alike_with_runc():
    with containerd() as ctr:
        for words in SAME:
            a, b = ctr.run("one", *words), ctr.run("two", *words, runtime="runc")
            equal((a.code, a.out.replace("one", "NAME")), (b.code, b.out.replace("two", "NAME")), " ".join(words))


def test_a_tasks_life():
    with containerd() as ctr:
        ctr.run("c1", "sleep", "600", options=("-d",)).ok()
        equal(ctr.status("c1"), "RUNNING")
        ctr("task", "exec", "--exec-id", "e1", "c1", "sh", "-c", "echo in; exit 3").exits(3).out_is("in\n")
        pids = ctr("task", "ps", "c1").ok().out
        equal(len(pids.splitlines()), 2)
        contains(ctr("task", "metrics", "c1").ok().out, "memory.usage_in_bytes")
        ctr("task", "pause", "c1").ok()
        equal(ctr.status("c1"), "PAUSED")
        ctr("task", "resume", "c1").ok()
        equal(ctr.status("c1"), "RUNNING")
        ctr("task", "kill", "-s", "TERM", "c1").ok()
        ctr("task", "kill", "-s", "9", "c1").ok()
        eventually(lambda: ctr.status("c1") == "STOPPED")
        contains(ctr("task", "rm", "c1").ok().err, "non-zero exit code 137")
        ctr("container", "rm", "c1").ok()


def test_events_tell_of_start_oom_and_exit():
    with containerd() as ctr:
        watching = subprocess.Popen([need("ctr"), "-a", f"{ctr.folder}/c.sock", "events"], stdout=subprocess.PIPE, text=True)
        ledger.KNOWN_CHILDREN.add(watching.pid)
        text = ""

        def seen(*topics):
            nonlocal text
            while select.select([watching.stdout], [], [], 0.05)[0]:
                text += os.read(watching.stdout.fileno(), 65536).decode()
            return all(topic in text for topic in topics)
        try:
            eventually(lambda: ctr.run("first", "true").code == 0 and seen("/tasks/exit"), timeout=20)
            ctr.run("hog", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", options=("--rm", "--memory-limit", str(16 << 20))).exits(137)
            eventually(lambda: seen("/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete", "/tasks/oom"), timeout=10)
        finally:
            watching.kill()
            watching.wait()
            watching.stdout.close()
            ledger.KNOWN_CHILDREN.discard(watching.pid)


def test_what_cannot_be_done_is_told():
    with containerd() as ctr:
        matches(ctr.run("c1", "nosuch").exits(1).err, r'exec: "nosuch": executable file not found in \$PATH')
        ctr.run("c2", "sleep", "600", options=("-d",)).ok()
        contains(ctr("task", "checkpoint", "c2").exits(1).err, "hull cannot checkpoint")
        equal(ctr.status("c2"), "RUNNING")
        path = f"{ctr.folder}/hull-oci"
        state = json.loads(run(path, "--root", "/run/containerd/runc/default", "state", "c2").ok().out)
        check(state["status"] == "running" and state["pid"] > 1, state)


for _name in [name for name in list(globals()) if name.startswith("test_")]:
    globals()[_name].timeout = 240
