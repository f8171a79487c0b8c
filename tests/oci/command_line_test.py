"""Options that runc or crun have beside the ones that every caller gives."""
import array
import json
import os
import signal
import socket

from lib import ledger
from lib.bundle import bundle, container, oci, quiet_oci, run_bundle, state
from lib.hull import binary, check, contains, environment, equal, eventually, lacks, log, run, scratch


def test_ps_is_the_host_s_of_the_container_alone():
    with container({"process": {"args": ["/bin/sh", "-c", "sleep 600 & sleep 601; :"]}}) as name:
        eventually(lambda: len(json.loads(oci("ps", "-f", "json", name).ok().out)) == 3)
        pids = {str(pid) for pid in json.loads(oci("ps", "--format", "json", name).ok().out)}
        shown = oci("ps", name).ok().out.split("\n")
        equal(shown[0].split(), ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"])
        equal({line.split()[1] for line in shown[1:] if line}, pids)
        equal(oci("ps", name, "-o", "args,pid").ok().out.split("\n")[0].split(), ["COMMAND", "PID"])
        contains(oci("ps", "--format", "table", name, "-eo", "pid,args").ok().out, "sleep 601")
        oci("ps", name, "-o", "args").fails(1, "no column PID").one_line_error()
        oci("ps", name, "--frobnicate").fails(1, "ps: ").one_line_error()
        oci("ps", "-f", "xml", name).fails(1, "--format")
        oci("ps", name, env={"PATH": scratch("nothing")}).fails(1, "install procps").one_line_error()


def test_ps_is_as_runc_s():
    outputs = {}
    for runtime in ("hull", "runc"):
        with container(runtime=runtime) as name:
            outputs[runtime] = [line.split() for line in oci("ps", name, "-o", "comm,pid", "-e", runtime=runtime).ok().out.split("\n")]
    equal([[len(line) for line in lines] for lines in outputs.values()], [[2, 2, 0]] * 2)
    equal(outputs["hull"][0], outputs["runc"][0])


def test_a_regular_expression_names_several():
    path = bundle()
    for name in ("web-1", "web-2", "db"):
        equal(quiet_oci("run", "-d", "-b", bundle({"linux": {"cgroupsPath": f"/oci-{name}"}}), name), (0, ""), path)
    try:
        oci("kill", "--regex", "^web-", "KILL").ok()
        eventually(lambda: [state(name)["status"] for name in ("web-1", "web-2", "db")] == ["stopped", "stopped", "running"])
        oci("delete", "-r", "web-[12]$").ok()
        equal(oci("list", "-q").ok().out, "db\n")
        oci("delete", "-r", "(").fails(1, "no regular expression")
        oci("delete", "-r", "^(d)\\1$").fails(1, "back references (\\1) are not supported").one_line_error()
        oci("kill", "-r", "^d{1,300}", "0").fails(1, "at most 255 repetitions").one_line_error()
        equal(quiet_oci("create", "-b", bundle({"linux": {"cgroupsPath": "/oci-dc"}}), "dc"), (0, ""))
        oci("delete", "-r", "^d").fails(1, "db: cannot delete").one_line_error()  # and goes on
        equal(oci("list", "-q").ok().out, "db\n")
        oci("kill", "db", "0").ok()
        oci("kill", "--regex", "d", "0").ok()
        oci("delete", "--regex", "nothing-fits").ok()
    finally:
        oci("delete", "-f", "--regex", ".").ok()
    equal(oci("list", "-q").ok().out, "")


def test_a_configuration_of_another_name():
    path = bundle()
    other = scratch("other.json")
    with open(f"{path}/config.json") as file:
        config = json.load(file)
    config["process"]["args"] = ["/bin/echo", "other"]
    with open(other, "w") as file:
        json.dump(config, file)
    oci("run", "-b", path, "--config", other, "x").ok().out_is("other\n")
    os.unlink(f"{path}/config.json")
    oci("run", "-b", path, "-f", os.path.basename(other), "x", cwd=os.path.dirname(other)).ok().out_is("other\n")
    oci("run", "-b", path, "x").fails(1, "config.json")


def received_pidfd(*argv):
    """A pidfd that the command sends to a socket of ours."""
    path = scratch(f"pidfd{os.urandom(2).hex()}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen(1)
        equal(quiet_oci(*argv[:1], "--pidfd-socket", path, *argv[1:]), (0, ""))
        connection, _ = server.accept()
        with connection:
            name, ancillary, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
    equal(name, b"pidfd")
    return array.array("i", ancillary[0][2])[0]


def pid_of(pidfd):
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))


def test_a_pidfd_goes_to_the_socket():
    first = received_pidfd("create", "-b", bundle({"linux": {"cgroupsPath": "/oci-p"}}), "p")
    try:
        equal(pid_of(first), state("p")["pid"])
        oci("start", "p").ok()
        second = received_pidfd("exec", "-d", "p", "/bin/sleep", "600")
        check(pid_of(second) in json.loads(oci("ps", "-f", "json", "p").ok().out), "exec's process")
        signal.pidfd_send_signal(first, signal.SIGKILL)
        eventually(lambda: ledger.reap() or state("p")["status"] == "stopped")  # exec's is our child, as no shim stands above it
        os.close(first)
        os.close(second)
    finally:
        oci("delete", "-f", "p").ok()
    code, said = quiet_oci("create", "--pidfd-socket", "/nowhere", "-b", bundle(), "x")
    equal(code, 1)
    contains(said, "--pidfd-socket")
    equal(oci("list", "-q").ok().out, "")


def test_without_cgroups():
    path = bundle({"process": {"args": ["/bin/cat", "/proc/self/cgroup"]}, "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "uts")]}})
    oci("--cgroup-manager", "disabled", "run", "-b", path, "x").ok()
    lacks(oci("--cgroup-manager=disabled", "run", "-b", path, "x").ok().out, os.path.basename(path))
    contains(oci("--cgroup-manager", "cgroupfs", "run", "-b", path, "x").ok().out, os.path.basename(path))
    limited = bundle({"linux": {"resources": {"pids": {"limit": 5}}}})
    oci("--cgroup-manager=disabled", "run", "-b", limited, "x").fails(1, "linux.resources: cgroups are disabled")
    oci("--cgroup-manager=magic", "list").fails(1, "--cgroup-manager")
    oci("--rootless=maybe", "list").fails(1, "--rootless")
    for word in ("true", "false", "auto"):
        oci(f"--rootless={word}", "list").ok()


def test_what_is_no_container_is_left_alone():
    root = scratch("oci-state")
    os.makedirs(f"{root}/folder/kept")
    with open(f"{root}/file", "w") as file:
        file.write("kept")
    os.symlink("/etc", f"{root}/link")
    for name in ("folder", "file", "link"):
        for words in (("delete", name), ("state", name), ("kill", name), ("start", name)):
            oci(*words).fails(1, "does not exist")
    oci("list", "-q").ok().out_is("")
    oci("delete", "--force", "folder").ok()
    equal(sorted(os.listdir(root)), ["file", "folder", "link"])
    equal(os.listdir(f"{root}/folder"), ["kept"])
    run(binary(), "oci", "--root", "", "delete", "etc", env=environment()).fails(1, "--root: is empty")
    run(binary(), "oci", "--root", "/etc/passwd", "list", env=environment()).fails(1, "/etc/passwd")
    run(binary(), "oci", "--log", "/nowhere/log", "list", env=environment()).fails(1, "--log")


def test_a_state_that_is_lost_does_not_lose_the_container():
    with container() as name:
        pid = state(name)["pid"]
        os.unlink(f"{scratch('oci-state')}/{name}/state.json")
        oci("state", name).fails(1, "state.json: is missing")
        oci("delete", name).fails(1, "state.json: is missing")
        check(os.path.exists(f"/proc/{pid}"), "it runs on")
        oci("delete", "--force", name).ok().err_contains("its configuration names")
        check(not os.path.exists(f"/proc/{pid}/root/bin"), "it has ended")


def test_spec_under_another_name():
    folder = scratch("specs")
    os.mkdir(folder)
    oci("spec", "-b", folder, "-f", "mine.json").ok()
    oci("spec", "-b", folder, "-f", "mine.json").fails(1, "exists")
    equal(os.listdir(folder), ["mine.json"])


def test_each_command_has_a_help_of_its_own():
    names = "create start state kill delete run exec list ps pause resume update events spec features".split()
    seen = set()
    for name in names:
        said = oci(name, "--help").ok().out
        contains(said, f"{name} ")
        check(said not in seen, f"{name}: the help of another")
        seen.add(said)
    lacks(oci("create", "--help").ok().out, "--detach")
    oci("create", "--detach", "x").fails(1, "--detach")
    log(f"{len(names)} commands")


def test_the_version_as_crun_is_asked_for_it():
    link = scratch("crun")
    os.symlink(binary(), link)
    equal(run(link, "-V", env=environment()).ok().out, run(link, "--version").ok().out)
    contains(run(link, "--version").ok().out, "spec: 1.3.0")


def test_quoting_of_both_log_forms():
    for form, wanted in (("text", 'level=error msg="container \\"no one\\" does not exist"'), ("json", '"level":"error","msg":"invalid container ID format: \\"a b\\""')):
        path = scratch(f"log-{form}")
        oci("--log", path, "--log-format", form, "state", "a b").fails(1)
        with open(path) as file:
            line = file.read()
        contains(line, wanted if form == "json" else 'level=error msg="invalid container ID format: \\"a b\\""')
        equal(line.count("\n"), 1)
    run_bundle(args=["/bin/true"]).ok().quiet()
