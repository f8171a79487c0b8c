"""hull ns doctor: broken by hand, each break is named; --fix mends it, and no workload's PID changes."""
import json
import os
import shutil
import signal

from lib import isolate
from lib.hull import check, container, contains, equal, eventually, hull, hull_root, hull_run, inspect, run

SLEEP = ("busybox", "sleep", "600")
GONE = "0123456789abcdef" * 4


def pid_of(name):
    return int(inspect(name, "{{.State.Pid}}"))


def findings():
    result = hull("ns", "doctor", "--format", "json")
    rows = [json.loads(line) for line in result.out.splitlines()]
    equal(result.code, 1 if rows else 0, "exit code")
    return {(row["Kind"], row["Subject"]) for row in rows}


def kinds():
    return {kind for kind, _ in findings()}


def mended():
    hull("ns", "doctor", "--fix").ok().out_contains("fixed")
    hull("ns", "doctor").ok().out_is("nothing is wrong\n")


def pinned(name, kind):
    return f"{hull_run()}/ns/{name}/{kind}"


def test_a_healthy_host_has_no_findings():
    with container("--name=db", *SLEEP), container("--name=web", "--net=container:db", *SLEEP):
        hull("ns", "doctor").ok().out_is("nothing is wrong\n")
        hull("ns", "doctor", "--fix").ok().out_is("nothing is wrong\n")
    hull("ns", "doctor", "--no-such").exits(2)


def test_twelve_breaks_are_named_and_mended_and_no_pid_changes():
    hull("ns", "create", "net,uts", "lab").ok()
    hull("ns", "create", "pid,net", "world").ok()
    with container("--name=db", *SLEEP), container("--name=web", "--net=container:db", *SLEEP):
        pids = pid_of("db"), pid_of("web")
        before = os.readlink(f"/proc/{pids[0]}/ns/net")
        identity = inspect("db", "{{.Id}}")

        def broken(kind, break_it):
            break_it()
            contains(kinds(), kind, f"after the break for {kind}")
            mended()
            equal((pid_of("db"), pid_of("web")), pids, "the workloads were not touched")

        def touch(path, text=""):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)

        broken("stale-pin", lambda: isolate.umount(pinned("lab", "uts")))
        broken("stale-pin", lambda: isolate.umount(pinned(f"@{identity}", "net")))
        equal(os.stat(pinned(f"@{identity}", "net")).st_ino, int(before[5:-1]), "the container's pin is back, on the same namespace")
        broken("unkept-namespaces", lambda: [isolate.umount(pinned(f"@{identity}", kind)) for kind in ("net", "ipc", "uts", "cgroup")]
               and os.rename(f"{hull_run()}/ns/@{identity}", f"{hull_run()}/ns/.broken"))
        broken("half-made-set", lambda: os.mkdir(f"{hull_run()}/ns/.0123456789abcdef"))
        broken("leaked-pins", lambda: touch(f"{hull_run()}/ns/@{GONE}/record.json", '{"pins":{}}'))
        broken("stale-index", lambda: touch(f"{hull_run()}/ns/=db/{GONE}.net"))
        broken("damaged-set", lambda: touch(f"{hull_run()}/ns/wreck/record.json", "{"))
        kept = {name: os.stat(pinned(name, kind)).st_ino for name, kind in (("lab", "net"), ("world", "pid"), (f"@{identity}", "net"))}
        holder = json.load(open(f"{hull_run()}/ns/world/record.json"))["holder"]
        for name, text in (("lab", "{"), ("world", ""), (f"@{identity}", "[]")):
            broken("damaged-set", lambda: touch(f"{hull_run()}/ns/{name}/record.json", text))
        equal({name: os.stat(pinned(name, "pid" if name == "world" else "net")).st_ino for name in kept}, kept, "what is alive is kept")
        equal(json.load(open(f"{hull_run()}/ns/world/record.json"))["holder"], holder, "the holder is found again")
        broken("lost-index", lambda: shutil.rmtree(f"{hull_run()}/ns/=db"))
        broken("dead-holder", lambda: (os.kill(json.load(open(f"{hull_run()}/ns/world/record.json"))["holder"]["pid"], signal.SIGKILL),
                                       eventually(lambda: "dead-holder" in kinds())))
        broken("leaked-mount", lambda: isolate.mount("tmpfs", f"{hull_run()}/rootfs", "tmpfs"))
        broken("stale-name", lambda: os.symlink(GONE, f"{hull_root()}/names/ghost"))
        broken("nameless-record", lambda: os.mkdir(f"{hull_root()}/containers/{GONE}"))
        broken("nameless-record", lambda: touch(f"{hull_run()}/containers/{GONE}/intent"))
        broken("leaked-layer", lambda: os.makedirs(f"{hull_root()}/snapshots/{GONE}/upper"))
        tops = [top for top in isolate.hierarchies() if os.path.isdir(f"{top}/hull")]
        broken("leaked-cgroup", lambda: os.mkdir(f"{tops[0]}/hull/{GONE}"))
        broken("stale-ip-netns", lambda: os.symlink(f"{hull_run()}/ns/ghost/net", "/run/netns/ghost"))

        def half_made():
            hull("create", "--name=half", *SLEEP).ok()
            os.unlink(f"{hull_root()}/snapshots/{inspect('half', '{{.Id}}')}/lower")
        broken("half-made-container", half_made)
        hull("exec", "web", "true").ok()
    hull("ns", "rm", "lab", "world").ok()


def test_a_set_whose_record_is_lost_is_still_what_is_mounted():
    with container("--name=db", *SLEEP):
        identity, before = inspect("db", "{{.Id}}"), os.readlink(f"/proc/{pid_of('db')}/ns/net")
        hull("stop", "-t", "0", "db").ok()
        with open(f"{hull_run()}/ns/@{identity}/record.json", "w") as file:
            file.write("{")
        hull("start", "db").ok()
        equal(os.readlink(f"/proc/{pid_of('db')}/ns/net"), before, "joined again by its pin")
    hull("ns", "create", "pid,net", "world").ok()
    holder = json.load(open(f"{hull_run()}/ns/world/record.json"))["holder"]["pid"]
    os.unlink(f"{hull_run()}/ns/world/record.json")
    contains(hull("ns", "ls", "-n").ok().out, "world")
    hull("ns", "rename", "world", "earth").ok()
    hull("ns", "rm", "earth").ok()
    check(not os.path.exists(f"/proc/{holder}") or "Z" in open(f"/proc/{holder}/stat").read().split(")")[1], "its holder ended with it")
    os.makedirs(f"{hull_run()}/ns/wreck")
    hull("ns", "rm", "wreck").exits(1).one_line_error().err_contains("hull ns doctor --fix")
    mended()


def test_a_lost_index_does_not_part_sharers_once_it_is_mended():
    hull("run", "-d", "--name=db", *SLEEP).ok()
    with container("--name=web", "--net=container:db", *SLEEP):
        shared = os.readlink(f"/proc/{pid_of('web')}/ns/net")
        shutil.rmtree(f"{hull_run()}/ns/=db")
        hull("rm", "-f", "db").ok()
        contains(findings(), ("lost-index", "web"))
        hull("ns", "doctor", "--fix").exits(1).out_contains("fixed")  # web waits for db
        with container("--name=db", *SLEEP):
            equal(os.readlink(f"/proc/{pid_of('db')}/ns/net"), shared, "taken back")


def test_links_that_lead_nowhere_are_named():
    hull("run", "-d", "--name=db", *SLEEP).ok()
    pid, identity = pid_of("db"), inspect("db", "{{.Id}}")
    run("ip", "link", "add", "vhost0", "type", "veth", "peer", "name", "eth0", "netns", str(pid)).ok()
    inside = ("nsenter", "--net", "--target", str(pid), "ip", "link", "set", "eth0")
    contains(findings(), ("lost-uplink", "db"))
    run(*inside, "up").ok()
    run("ip", "link", "set", "vhost0", "up").ok()
    eventually(lambda: not findings(), 3, "both ends carry")
    run("ip", "link", "set", "vhost0", "down").ok()
    eventually(lambda: ("lost-uplink", "db") in findings(), 3, "the other end is down")
    hull("stop", "-t", "0", "db").ok()
    for path in (f"{hull_root()}/containers/{identity}", f"{hull_run()}/containers/{identity}", f"{hull_root()}/snapshots/{identity}"):
        shutil.rmtree(path, ignore_errors=True)
    contains(findings(), ("leaked-veth", "vhost0"))
    mended()
    eventually(lambda: not os.path.exists("/sys/class/net/vhost0") and run("ip", "link", "show", "vhost0").code != 0, 3, "it went with the namespace")


def test_what_only_a_person_can_decide_is_said():
    hull("run", "-d", "--name=db", *SLEEP).ok()
    with container("--name=web", "--net=container:db", *SLEEP):
        web = pid_of("web")
        hull("rm", "-f", "db").ok()
        contains(findings(), ("orphaned-sharer", "web"))
        hull("ns", "doctor", "--fix").exits(1).out_contains("for you to decide")
        hull("run", "-d", "--name=db", "--strict-ns", *SLEEP).ok()
        contains(findings(), ("parted-sharer", "web"))
        shim = int(open(f"/proc/{web}/stat").read().rsplit(")", 1)[1].split()[1])
        os.kill(shim, signal.SIGKILL)
        eventually(lambda: ("lost-shim", "web") in findings())
        equal(pid_of("web"), web)
        hull("rm", "-f", "db").ok()
    check(not findings(), "nothing is left to say")


def test_an_end_that_nobody_dealt_with():
    with container("--name=db", *SLEEP):
        pid = pid_of("db")
        shim = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        os.kill(shim, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: "unsettled-end" in kinds())
        mended()
        equal(inspect("db", "{{.State.Status}}"), "exited")
