"""containerd over `hull-oci`: its runc shim with BinaryName, the way a Kubernetes node is configured. The daemon is the test's
own, on its own directories and socket, and is stopped by its pid."""
import contextlib
import json
import os
import re
import subprocess

from lib import isolate, ledger
from lib.bundle import bundle, end_daemon, enter_cgroup_world, link_runtime, sweep_parent
from lib.hull import busybox_rootfs, check, contains, environment, equal, eventually, log, need, run, scratch
from lib.images import docker_archive


def base():
    path = scratch("containerd")
    os.makedirs(path, exist_ok=True)
    return path


def write_config(more=""):
    path = f"{base()}/config.toml"
    without = "" if more else '"io.containerd.grpc.v1.cri", '
    with open(path, "w") as file:
        file.write(f"""version = 2
root = "{base()}/root"
state = "{base()}/state"
disabled_plugins = [{without}"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{base()}/sock"
[ttrpc]
  address = "{base()}/sock.ttrpc"
{more}""")
    return path


@contextlib.contextmanager
def containerd(more=""):
    need("containerd", "ctr", "containerd-shim-runc-v2")
    with open(f"{base()}/log", "w") as output:
        daemon = subprocess.Popen(["containerd", "-c", write_config(more)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                  env=environment({"TMPDIR": base()}), preexec_fn=enter_cgroup_world)
    ledger.KNOWN_CHILDREN.add(daemon.pid)
    try:
        eventually(lambda: ctr("version").code == 0, timeout=20, what="containerd answers")
        load_image()
        yield
    finally:
        for name in ctr("tasks", "ls", "-q").out.split():
            ctr("tasks", "kill", "-s", "KILL", name)
            ctr("tasks", "rm", "-f", name)
        for name in ctr("containers", "ls", "-q").out.split():
            ctr("containers", "rm", name)
        end_daemon(daemon, "containerd", f"{base()}/log", 10)
        sweep_parent(["default"], ["/run/containerd", "/run/hull-oci"])


def ctr(*argv, **options):
    return run("ctr", "-a", f"{base()}/sock", *argv, env={"TMPDIR": base()}, timeout=60, **options)


def load_image():
    tree, tar = busybox_rootfs(), scratch("layer.tar")
    subprocess.run(["tar", "-C", tree, "-cf", tar, "."], check=True)
    with open(tar, "rb") as file:
        layer = file.read()
    for name, image, words in (("image.tar", IMAGE, ["/bin/sh"]), ("pause.tar", PAUSE, ["/bin/sleep", "600"])):
        with open(scratch(name), "wb") as file:
            file.write(docker_archive([layer], [image], Cmd=words, Env=["PATH=/bin"]))
    ctr("images", "import", scratch("image.tar")).ok()


IMAGE, PAUSE = "docker.io/library/busybox:latest", "docker.io/library/pause:latest"


def ctr_run(*argv, **options):
    return ctr("run", "--snapshotter", "native", "--runc-binary", link_runtime(), *argv, **options)


def start(name, *argv):
    ctr_run("-d", *argv, IMAGE, name, "/bin/sleep", "600").ok()


MASKED = "^/proc/(acpi|keys|timer_list)|^/sys/firmware"  # runc leaves what covers them writable and executable, hull does not
SAME = (("/bin/echo", "hello"), ("/bin/sh", "-c", "exit 7"), ("/bin/sh", "-c", "kill -9 $$"), ("/bin/id",), ("/bin/pwd",),
        ("/bin/cat", "/proc/self/oom_score_adj"), ("/bin/grep", "-E", "Cap|Seccomp:|NoNewPrivs", "/proc/self/status"),
        ("/bin/sh", "-c", f"/bin/busybox cut -d' ' -f5,6 /proc/self/mountinfo | /bin/busybox grep -vE 'cgroup|{MASKED}' | /bin/busybox sort"),
        ("/bin/sh", "-c", "/bin/busybox ls /dev; ulimit -n; umask; /bin/busybox wc -l < /proc/1/cgroup"))


def answer(runtime, words):
    """containerd's client cancels its copying of the output as soon as the task has ended (Task.Delete), and on a busy machine
    now and then before a word has come: asked again, whichever runtime it was."""
    for _ in range(3):
        result = ctr("run", "--snapshotter", "native", "--runc-binary", runtime, "--rm", IMAGE, "one", *words)
        if result.out or result.code != 0:
            break
        log(f"no output of {words[0]} under {runtime}")
    return result.code, result.out


def test_run_ends_alike_under_hull_and_runc():
    with containerd():
        for words in SAME:
            equal(answer(link_runtime(), words), answer(need("runc"), words), " ".join(words))


def test_run_gives_output_and_exit_code():
    with containerd():
        ctr_run("--rm", IMAGE, "one", "/bin/echo", "hello").ok().out_is("hello\n")
        ctr_run("--rm", IMAGE, "two", "/bin/sh", "-c", "exit 7").exits(7)
        result = ctr_run("--rm", IMAGE, "three", "/nothing")
        check(result.code != 0, "a missing program")
        contains(result.err, "no such file or directory")
        ctr_run("--rm", "--read-only", "--cwd", "/tmp", "--env", "A=b", IMAGE, "four", "/bin/sh", "-c", "pwd; echo $A; touch /x 2>&1"
                ).exits(1).out_contains("/tmp\nb\ntouch: /x: Read-only")


def test_exec_pause_kill_delete():
    with containerd():
        start("web")
        contains(ctr("tasks", "ls").ok().out, "RUNNING")
        ctr("tasks", "exec", "--exec-id", "e1", "web", "/bin/echo", "inside").ok().out_is("inside\n")
        ctr("tasks", "exec", "--exec-id", "e2", "web", "/bin/sh", "-c", "exit 9").exits(9)
        ctr("tasks", "pause", "web").ok()
        contains(ctr("tasks", "ls").ok().out, "PAUSED")
        ctr("tasks", "resume", "web").ok()
        check(re.search(r"^\d+", ctr("tasks", "ps", "web").ok().out.split("\n")[1]), "a pid")
        ctr("tasks", "metrics", "web").ok()
        ctr("tasks", "kill", "-s", "KILL", "web").ok()
        eventually(lambda: "STOPPED" in ctr("tasks", "ls").out, timeout=10)
        ctr("tasks", "rm", "web")
        equal(ctr("tasks", "ls", "-q").ok().out, "")
        ctr("containers", "rm", "web").ok()
        ledger_of_state()


def ledger_of_state():
    """Nothing of the container is left under the runtime's root."""
    for folder, _, files in os.walk("/run/containerd"):
        check("state.json" not in files, f"{folder} is left")


def test_events_are_told():
    with containerd():
        with open(f"{base()}/events", "w") as output:
            watcher = subprocess.Popen(["ctr", "-a", f"{base()}/sock", "events"], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        ledger.KNOWN_CHILDREN.add(watcher.pid)
        try:
            ctr_run("--rm", IMAGE, "seen", "/bin/true").ok()
            wanted = ("/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete")
            eventually(lambda: all(word in open(f"{base()}/events").read() for word in wanted), timeout=10, what="four events")
        finally:
            watcher.kill()
            watcher.wait()
            ledger.KNOWN_CHILDREN.discard(watcher.pid)


def test_a_terminal():
    with containerd():
        from lib.hull import Terminal
        with Terminal("ctr", "-a", f"{base()}/sock", "run", "--rm", "-t", "--snapshotter", "native", "--runc-binary", link_runtime(), IMAGE, "tty",
                      "/bin/sh", env={"TMPDIR": base()}) as terminal:
            terminal.send("tty; echo $((6*7))\n")
            terminal.expect("42", timeout=20)
            terminal.send("exit 3\n")
            equal(terminal.wait(20), 3)


def test_a_bundle_of_one_s_own():
    with containerd():
        path = bundle({"process": {"args": ["/bin/echo", "from config"]}})
        ctr_run("--rm", "--config", f"{path}/config.json", "own").ok().out_is("from config\n")


# As docs/kubernetes.md has it; and no lower oom_score_adj than the daemon's own, which takes CAP_SYS_RESOURCE.
KUBERNETES = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
  default_runtime_name = "hull"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hull]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hull.options]
    BinaryName = "{binary}"
"""


def test_a_pod_as_a_kubelet_asks_for_it():
    """Through the Container Runtime Interface: a sandbox, two containers in it, exec, limits, logs, and their end."""
    logs = scratch("pod-logs")
    os.makedirs(logs, exist_ok=True)
    groups = [f"{top}/k8s.io" for top in isolate.hierarchies() + ["/sys/fs/cgroup/unified"]]
    with contextlib.ExitStack() as after, containerd(KUBERNETES.format(image=PAUSE, binary=link_runtime())):
        after.callback(isolate.remove_cgroups, groups)
        for image in ("image.tar", "pause.tar"):
            ctr("-n", "k8s.io", "images", "import", "--snapshotter", "native", scratch(image)).ok()
        client = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib", "cri.py")
        told = json.loads(run("/usr/bin/python3", client, f"{base()}/sock", logs, "hull", IMAGE, timeout=90).ok().out)
        equal(told["exec"], [3, f"{64 << 20}\nb\n", ""])
        equal((told["running"], told["ended"], told["stopped"]), ([1, 0], [2, 5], [2, 137]))
        contains(told["log"], "stdout F said")


def test_checkpoint_is_refused_clearly():
    with containerd():
        start("web")
        result = ctr("tasks", "checkpoint", "web")
        check(result.code != 0 and "cannot checkpoint" in result.err, str(result))
