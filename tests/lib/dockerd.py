"""A dockerd with its containerd, the test's own, whose runtime is `hull-oci`; docker(1) on it. On directories and sockets of
its own, with no bridge, stopped by pid."""
import contextlib
import os
import subprocess

from . import isolate, ledger
from .bundle import end_daemon, enter_cgroup_world, link_runtime, sweep_parent
from .hull import busybox_rootfs, environment, eventually, need, run, scratch


def base():
    path = scratch("docker")
    os.makedirs(f"{path}/home", exist_ok=True)
    return path


def enter_world():
    """Also ids for --userns-remap, as a host would have them in /etc."""
    enter_cgroup_world()
    for name in ("subuid", "subgid"):
        path = f"{base()}/{name}"
        with open(path, "w") as file:
            file.write("nobody:100000:65536\nnogroup:100000:65536\n")
        if os.path.exists(f"/etc/{name}"):
            isolate.mount(path, f"/etc/{name}", None, isolate.MS_BIND)


def words(*extra):
    return ["dockerd", "--data-root", f"{base()}/root", "--exec-root", f"{base()}/exec", "--pidfile", f"{base()}/pid", "-H", f"unix://{base()}/sock",
            "--add-runtime", f"hull={link_runtime()}", "--default-runtime", "hull", "--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip6tables=false",
            "--storage-driver", "vfs", "--exec-opt", "native.cgroupdriver=cgroupfs", "--oom-score-adjust", "0", "--config-file", f"{base()}/none.json",
            *extra]


@contextlib.contextmanager
def dockerd(*extra):
    need("dockerd", "docker", "containerd")
    with open(f"{base()}/none.json", "w") as file:
        file.write("{}")
    with open(f"{base()}/log", "w") as output:
        daemon = subprocess.Popen(words(*extra), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                  env=environment({"TMPDIR": base(), "DOCKER_TMPDIR": base()}), preexec_fn=enter_world)
    ledger.KNOWN_CHILDREN.add(daemon.pid)
    try:
        eventually(lambda: daemon.poll() is not None or docker("version").code == 0, timeout=30, what="dockerd answers")
        tree, tar = busybox_rootfs(), scratch("layer.tar")
        subprocess.run(["tar", "-C", tree, "-cf", tar, "."], check=True)
        docker("import", tar, "busybox").ok()
        yield
    finally:
        names = docker("ps", "-aq").out.split()
        if names:
            docker("rm", "-f", *names)
        end_daemon(daemon, "dockerd", f"{base()}/log", 20)
        sweep_parent(["docker", "moby"], ["/run/containerd", "/run/docker", "/run/hull-oci", "/run/docker.sock", "/run/runc"])


def docker(*argv, **options):
    return run("docker", "-H", f"unix://{base()}/sock", *argv, env={"HOME": f"{base()}/home", "DOCKER_CONFIG": f"{base()}/home"}, timeout=60, **options)


def docker_run(*argv, **options):
    return docker("run", "--network", "none", *argv, **options)
