"""sd_notify(3) through the runtime: only that the program is ready is passed on, with its process, to the caller's NOTIFY_SOCKET."""
import contextlib
import os
import shutil
import socket
import threading

from lib.bundle import bundle, command, oci, quiet_oci, rootfs, state
from lib.hull import background, binary, check, compiled, equal, eventually, run, scratch


class Service:
    """systemd's end: keeps the messages, and closes the descriptor of a barrier as it reads it."""

    def __init__(self, name=None):
        self.name, self.messages = name or scratch(f"notify{os.urandom(2).hex()}"), []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if self.name.startswith("@") else self.name)
        self.environment = {"NOTIFY_SOCKET": self.name}
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            message, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 1)
            if not message:
                return
            self.messages.append(message.decode())
            for fd in descriptors:
                os.close(fd)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.socket.close()


@contextlib.contextmanager
def serving(name, address=None):
    """A service for the container of that name, which is deleted at the end of the block."""
    service = Service(address)
    try:
        yield service
    finally:
        oci("delete", "-f", name).ok()
        service.close()


def notifying(*words, **process):
    shutil.copy2(compiled("oci/notify.c", "-static"), f"{rootfs()}/bin/notify")
    path = bundle({"process": {"args": ["/bin/notify", *words]} | process})
    return path, os.path.basename(path)


def ready(name):
    return [f"READY=1\nMAINPID={state(name)['pid']}\n", "BARRIER=1"]


def test_start_returns_once_the_program_is_ready():
    for address in (None, f"@hull-test-{os.getpid()}"):
        path, name = notifying("STATUS=soon", "READY=1\nSTATUS=there", "--", "600", user={"uid": 5, "gid": 5})
        with serving(name, address) as service:
            equal(quiet_oci("create", "-b", path, name, env=service.environment), (0, ""))
            equal(service.messages, [])
            oci("start", name, env=service.environment).ok().quiet()
            equal(service.messages, ready(name), "all of it is there when start is done")


def test_run_detached_waits_too():
    path, name = notifying("READY=1", "--", "600")
    with serving(name) as service:
        equal(quiet_oci("run", "-d", "-b", path, name, env=service.environment), (0, ""))
        equal(service.messages, ready(name))
        oci("exec", name, "/bin/sh", "-c", "echo x > /run/notify/x").exits(1).err_contains("Read-only")


def test_run_in_the_foreground_passes_it_on_and_gives_the_exit_code():
    service = Service()
    path, name = notifying("READY=1", "--", "1")
    oci("run", "-b", path, name, env=service.environment).exits(7)
    equal([message.split("=")[0] for message in service.messages], ["READY", "BARRIER"])
    service.close()


def test_nothing_else_is_passed_on():
    service = Service()
    path, name = notifying("MAINPID=1", "READY=0", "FDSTORE=1\nNOTIFYACCESS=all", "X" * 5000)
    oci("run", "-b", path, name, env=service.environment).exits(7)
    equal(service.messages, [])
    service.close()


def test_a_program_that_ends_before_it_is_ready_holds_nobody_up():
    service = Service()
    path, name = notifying("STATUS=never", "--", "1")
    equal(quiet_oci("create", "-b", path, name, env=service.environment), (0, ""))
    oci("start", name, env=service.environment).ok()
    eventually(lambda: state(name)["status"] == "stopped")
    oci("delete", name).ok()
    equal(service.messages, [])
    service.close()


def test_start_waits_until_then():
    path, name = notifying("STATUS=waits", "--", "600")
    with serving(name) as service:
        equal(quiet_oci("create", "-b", path, name, env=service.environment), (0, ""))
        with background(*command(), "start", name, env=service.environment) as starting:
            eventually(lambda: state(name)["status"] == "running")
            check(starting.poll() is None, "it waits")
            oci("exec", "-e", "NOTIFY_SOCKET=/run/notify/notify.sock", name, "/bin/notify", "READY=1").exits(7)
            equal(starting.wait(timeout=5), 0)
        equal(service.messages, ready(name))


def test_a_socket_that_is_not_there_is_told():
    path, name = notifying("READY=1", "--", "600")
    oci("run", "-b", path, name, env={"NOTIFY_SOCKET": "/nowhere"}).fails(1, "NOTIFY_SOCKET /nowhere")
    equal(oci("list", "-q").ok().out, "")


def test_without_one_the_container_has_none():
    path, name = notifying("READY=1")
    oci("run", "-b", path, name).exits(3)


def test_a_manager_that_keeps_the_barrier_open_makes_nobody_deaf():
    manager = scratch("keeps")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as keeping:
        keeping.bind(manager)
        path, name = notifying(args=["/bin/sh", "-c", "trap 'exit 3' TERM; /bin/notify READY=1; while :; do sleep 0.1; done"])
        with background(*command(), "run", "-b", path, name, env={"NOTIFY_SOCKET": manager}) as running:
            eventually(lambda: oci("state", name).code == 0)
            kept = [socket.recv_fds(keeping, 4096, 1)[1] for _ in range(2)][1]
            running.terminate()
            equal(running.wait(5), 3)
            os.close(kept[0])
    equal(oci("list", "-q").ok().out, "")


def test_a_bad_socket_is_told_before_anything_starts():
    for address in ("relative", "@", "/", "vsock:2:1", "/" + "a" * 200):
        path, name = notifying("READY=1", "--", "600")
        for words in (("run",), ("run", "-d")):
            code, text = quiet_oci(*words, "-b", path, name, env={"NOTIFY_SOCKET": address})
            equal(code, 1, text)
            check("NOTIFY_SOCKET" in text, text)
            equal(oci("list", "-q").ok().out, "")


def test_the_root_may_be_a_relative_path():
    service = Service()
    path, name = notifying("READY=1", "--", "1")
    here = scratch("relative")
    os.makedirs(here, exist_ok=True)
    words = " ".join([binary(), "oci", "--root", "below"])
    try:
        run("sh", "-c", f"cd {here} && {words} run -b {path} {name}", env=service.environment).exits(7)
        equal(os.listdir(f"{here}/below"), [])
    finally:
        service.close()
